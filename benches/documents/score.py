#!/usr/bin/env python3
"""Scores texts against references, by format or by page kind.

    score.py REFERENCES TEXTS [--html] [--files] [--least=WORDS]

For every REFERENCES/NAME.ref.txt the text is TEXTS/NAME.*.txt (as `quarry extract` writes it). Printed per group
(the file's extension; with --html the first word of its name): word recall mean and p10, precision mean, order
(longest increasing run of the words that stand once in both, over their number), and with --html the F1 of words.
A text that is missing or empty scores 0; references of fewer than WORDS words are passed over. `--files` prints every
file. Needs nothing but Python.
"""
import bisect, collections, glob, os, re, sys, unicodedata

WORD = re.compile(r"\w+", re.UNICODE)


def words(text):
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def order(reference, text):
    """Share of the words standing once in both that keep their order."""
    once = lambda ws: {w for w, n in collections.Counter(ws).items() if n == 1}
    both = once(reference) & once(text)
    if len(both) < 2:
        return 1.0
    place = {w: at for at, w in enumerate(text) if w in both}
    tails = []
    for at in (place[w] for w in reference if w in both):
        spot = bisect.bisect_left(tails, at)
        tails[spot:spot + 1] = [at]
    return len(tails) / len(both)


def f1(recall, precision):
    return 2 * recall * precision / (recall + precision) if recall and precision else 0.0


def text_of(folder, name):
    """Path and text of the file of a name, with its extension or without; both empty when there is none."""
    found = [p for p in glob.glob(os.path.join(folder, glob.escape(name) + "*.txt")) if not p.endswith(".ref.txt")]
    found = [p for p in found if os.path.basename(p) in (name + ".txt",) or re.fullmatch(re.escape(name) + r"\.\w+\.txt", os.path.basename(p))]
    return (found[0], open(found[0], encoding="utf-8", errors="replace").read()) if found else ("", "")


def score(reference, text):
    ref, got = collections.Counter(reference), collections.Counter(text)
    common = sum((ref & got).values())
    recall = common / max(1, sum(ref.values()))
    precision = common / max(1, sum(got.values()))
    return recall, precision, f1(recall, precision), order(reference, text)


def p10(values):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * 0.1))]


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    by_kind, verbose = "--html" in sys.argv, "--files" in sys.argv
    least = next((int(a.split("=")[1]) for a in sys.argv if a.startswith("--least=")), 1)
    groups = collections.defaultdict(list)
    for path in sorted(glob.glob(os.path.join(args[0], "*.ref.txt"))):
        name = os.path.basename(path)[: -len(".ref.txt")]
        found, text = text_of(args[1], name)
        reference = words(open(path, encoding="utf-8", errors="replace").read())
        if len(reference) < least:
            continue
        group = re.split(r"[-_.]", name)[0] if by_kind else name.rsplit(".", 1)[-1].lower() if "." in name else os.path.basename(found).split(".")[-2] if found else "?"
        row = score(reference, words(text))
        groups[group].append((name, row))
        if verbose:
            print(f"{name:40} recall {row[0]:.3f} precision {row[1]:.3f} f1 {row[2]:.3f} order {row[3]:.3f}")
    groups["all"] = [row for rows in list(groups.values()) for row in rows]
    for group, rows in groups.items():
        r, p, f, o = ([row[at] for _, row in rows] for at in range(4))
        mean = lambda xs: sum(xs) / len(xs)
        line = f"{group:14} files {len(rows):4}  recall mean {mean(r):.3f} p10 {p10(r):.3f}  precision {mean(p):.3f}  order {mean(o):.3f}"
        print(line + (f"  F1 {mean(f):.3f}" if by_kind else ""))


if __name__ == "__main__":
    main()
