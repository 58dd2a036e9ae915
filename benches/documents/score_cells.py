#!/usr/bin/env python3
"""Scores the tables in texts against known ones, by format.

    score_cells.py TRUTHS TEXTS [--files] [--faults]

For every TRUTHS/NAME.EXT.cells.json (as make_tables.py writes it) the text is TEXTS/NAME.EXT.txt. Printed per format:
recall of cells (a cell of the truth stands as one cell in a table of the text), then precision, recall and F1 of
adjacency relations, as the table competition of ICDAR 2013 counts them (Göbel et al.): a cell with a text and the next
one with a text on its right, or below it. Each is the mean over the files; a text that is missing scores 0.
`--files` prints every file, `--faults` the cells and relations that are missing or wrong too. Needs nothing but Python.

Tables in a text: a block between empty lines is a table when one of its lines has a bar with a blank (or the line's
end) on either side; then each of its lines is a row, and the bars part its cells. A table that follows another with
nothing between and starts with the same rows goes on with it, and these rows count once: so are long tables shown. In
a table cut otherwise the relations across the cut are missing.

A merged cell may be shown once or at each place that it covers: one relation to the cells on each of its sides is
wanted, and none of the others that either way shows is wrong. Texts are compared in Unicode's NFKC with runs of blanks
as one.
"""
import collections, glob, json, os, re, sys, unicodedata
from score import f1, text_of

BAR = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")


def plain(text):
    return " ".join(unicodedata.normalize("NFKC", text).split())


def tables(text):
    """The tables of a text, each a list of rows of cells."""
    found, follows = [], False
    for block in re.split(r"\n\s*\n", text):
        if not any(BAR.search(line) for line in block.split("\n")):
            follows = follows and not block.strip()
            continue
        rows = [[plain(cell) for cell in BAR.split(line)] for line in block.split("\n")]
        same = 0
        if follows:
            pairs = list(zip(found[-1], rows))
            same = next((at for at, (one, other) in enumerate(pairs) if one != other), len(pairs))
        if same:
            found[-1] += rows[same:]
        else:
            found.append(rows)
        follows = True
    return found


def relations(rows):
    """Pairs of neighbouring places with texts, to the right and below; a place is its text, or [row, column] of a cell."""
    def at(y, x):
        origin = (y, x) if isinstance(rows[y][x], str) else tuple(rows[y][x])
        return origin if plain(rows[origin[0]][origin[1]]) else None

    lines = [("right", [at(y, x) for x in range(len(row))]) for y, row in enumerate(rows)]
    lines += [("below", [at(y, x) for y in range(len(rows)) if x < len(rows[y])]) for x in range(max(map(len, rows), default=0))]
    for way, line in lines:
        line = [place for place in line if place]
        yield from ((way, one, other) for one, other in zip(line, line[1:]))


def named(rows, found):
    """Relations by the texts of their cells."""
    text = lambda place: plain(rows[place[0]][place[1]])
    return collections.Counter((way, text(one), text(other)) for way, one, other in found)


def wanted(rows):
    """Groups of relations of which one has to be there, and all that may be."""
    merged = {tuple(text) for row in rows for text in row if not isinstance(text, str)}
    groups = []
    for way, one, other in sorted({found for found in relations(rows) if found[1] != found[2]}):
        # What a merged cell has on one side belongs together.
        sides = {(way, end, cell) for end, cell in (("from", one), ("to", other)) if cell in merged}
        group = list(named(rows, [(way, one, other)]))
        for known in [known for known in groups if known[0] & sides]:
            groups.remove(known)
            sides, group = sides | known[0], group + known[1]
        groups.append((sides, group))
    once = [[text if isinstance(text, str) else "" for text in row] for row in rows]
    allowed = named(rows, relations(rows)) | named(once, relations(once))
    return [group for _, group in groups], allowed


def score(truth, text):
    """Cell recall, precision, recall and F1 of relations, and what is missing and wrong."""
    shown = tables(text)
    got = sum((named(rows, relations(rows)) for rows in shown), collections.Counter())
    cells = collections.Counter(plain(text) for rows in truth for row in rows for text in row if isinstance(text, str) and plain(text))
    had = collections.Counter(text for rows in shown for row in rows for text in row if text)
    groups, allowed = [], collections.Counter()
    for rows in truth:
        own, may = wanted(rows)
        groups += own
        allowed += may
    left, missing = got.copy(), []
    # What stands alone in its group is looked for first.
    for group in sorted(groups, key=len):
        hit = next((relation for relation in group if left[relation] > 0), None)
        if hit:
            left[hit] -= 1
        else:
            missing.append(group[0])
    recall = 1 - len(missing) / max(1, len(groups))
    precision = sum((got & allowed).values()) / max(1, sum(got.values()))
    row = (sum((cells & had).values()) / max(1, sum(cells.values())), precision, recall, f1(recall, precision))
    return row, list((cells - had).elements()), missing, list((got - allowed).elements())


def main():
    folders = [a for a in sys.argv[1:] if not a.startswith("--")]
    verbose, faults = "--files" in sys.argv, "--faults" in sys.argv
    formats = collections.defaultdict(list)
    for path in sorted(glob.glob(os.path.join(folders[0], "*.cells.json"))):
        name = os.path.basename(path)[: -len(".cells.json")]
        with open(path, encoding="utf-8") as file:
            row, *wrong = score(json.load(file), text_of(folders[1], name)[1])
        formats[name.rsplit(".", 1)[-1]].append(row)
        if verbose or faults:
            print(f"{name:24} cells {row[0]:.3f} precision {row[1]:.3f} recall {row[2]:.3f} F1 {row[3]:.3f}")
        for kind, what in zip(("cell missing", "missing", "wrong"), wrong if faults else ()):
            for one in what:
                print(f"    {kind}: {one}")
    for format, rows in formats.items():
        cells, precision, recall, both = (sum(row[at] for row in rows) / len(rows) for at in range(4))
        print(f"{format:14} files {len(rows):4}  cells {cells:.3f}  precision {precision:.3f}  recall {recall:.3f}  F1 {both:.3f}")


if __name__ == "__main__":
    main()
