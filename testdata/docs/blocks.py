"""The source format of the sample documents: a small part of Markdown.

A source starts with front matter (`key: value` lines between `---`), then holds headings (# to ###),
paragraphs, `-` and `1.` lists, pipe tables, `>` boxes, and the page directives
`<!-- pagebreak -->`, `<!-- columns 2 -->` and `<!-- columns 1 -->`.
"""

import re
from dataclasses import dataclass, field


@dataclass
class Block:
    """One block: kind is heading, paragraph, bullets, numbers, table, box or directive."""

    kind: str
    text: str = ""
    level: int = 0
    items: list = field(default_factory=list)
    rows: list = field(default_factory=list)


@dataclass
class Source:
    """A parsed source: its front matter, its blocks, and the body as written."""

    meta: dict
    blocks: list
    body: str


def parse(text):
    """Parses one source file; raises ValueError on a line it does not understand."""
    _, front, body = text.split("---\n", 2)
    meta = dict(line.split(": ", 1) for line in front.strip().splitlines())
    return Source(meta, [_block(chunk) for chunk in re.split(r"\n\s*\n", body.strip())], body.strip() + "\n")


def _block(chunk):
    lines = chunk.splitlines()
    first = lines[0]
    if first.startswith("<!-- "):
        return Block("directive", text=first[5:-4].strip())
    if match := re.match(r"(#{1,3}) (.+)$", first):
        return Block("heading", text=match[2], level=len(match[1]))
    if first.startswith("| "):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return Block("table", rows=[rows[0], *rows[2:]])
    if first.startswith("> "):
        return Block("box", text=" ".join(line.removeprefix("> ") for line in lines))
    if first.startswith("- "):
        return Block("bullets", items=[_item(line, r"- ") for line in lines])
    if re.match(r"\d+\. ", first):
        return Block("numbers", items=[_item(line, r"\d+\. ") for line in lines])
    return Block("paragraph", text=" ".join(lines))


def _item(line, marker):
    match = re.match(marker + r"(.+)$", line)
    if not match:
        raise ValueError(f"list item expected: {line!r}")
    return match[1]


def spans(text):
    """Splits inline text into (style, text) pairs; style is '', 'b' or 'i'."""
    result = []
    for part in re.split(r"(\*\*[^*]+\*\*|\*[^*]+\*)", text):
        if part.startswith("**"):
            result.append(("b", part[2:-2]))
        elif part.startswith("*") and len(part) > 1:
            result.append(("i", part[1:-1]))
        elif part:
            result.append(("", part))
    return result


def plain(text):
    """The text without inline marks."""
    return "".join(part for _, part in spans(text))
