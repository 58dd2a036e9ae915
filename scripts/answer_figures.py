"""Figures of answers that more than one script prints: how confidence separates and how far it is calibrated."""


def auroc(positive, negative):
    """The chance that an answerable question gets more confidence than another one; ties count half."""
    if not positive or not negative:
        return None
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def calibration(pairs, bins=5):
    """(mean confidence, share answerable, count) of each bin of the (confidence, answerable) pairs, and the
    expected calibration error: the mean distance of the two, weighted by count."""
    rows, error = [], 0.0
    for at in range(bins):
        inside = [(c, a) for c, a in pairs if at <= c * bins < at + 1 or (at == bins - 1 and c == 1)]
        if inside:
            mean = sum(c for c, _ in inside) / len(inside)
            share = sum(a for _, a in inside) / len(inside)
            error += abs(mean - share) * len(inside) / len(pairs)
            rows.append((mean, share, len(inside)))
    return rows, error
