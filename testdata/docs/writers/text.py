"""Writes a source as Markdown with front matter, or as plain text wrapped at 78 characters."""

import textwrap

from blocks import plain


def write_markdown(source, path):
    """Writes the body as it is, under front matter of its own."""
    front = f"---\ntitle: {source.meta['title']}\nupdated: {source.meta['date']}\n---\n\n"
    path.write_text(front + source.body, encoding="utf-8")


def write_text(source, path):
    """Writes plain text: underlined headings, wrapped paragraphs, aligned tables."""
    path.write_text("\n\n".join(_block(block) for block in source.blocks) + "\n", encoding="utf-8")


def _block(block):
    if block.kind == "heading":
        title = block.text.upper() if block.level == 1 else block.text
        return f"{title}\n{('=', '-', '.')[block.level - 1] * len(title)}"
    if block.kind == "table":
        widths = [max(len(row[i]) for row in block.rows) for i in range(len(block.rows[0]))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in block.rows)
    if block.kind in ("bullets", "numbers"):
        marks = (
            ["*"] * len(block.items)
            if block.kind == "bullets"
            else [f"{n}." for n in range(1, len(block.items) + 1)]
        )
        return "\n".join(
            _wrap(f"{mark} {plain(item)}", " " * (len(mark) + 1)) for mark, item in zip(marks, block.items)
        )
    return _wrap(plain(block.text), "")


def _wrap(text, indent):
    return textwrap.fill(text, 78, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
