"""Writes a source as an HTML page with the navigation, script and footer that real pages carry."""

import html
import re

from blocks import plain, spans

STYLE = "body{font:16px/1.5 sans-serif;max-width:48rem}td,th{border:1px solid #ccc}.box{background:#eef}"


def write(source, path):
    """Writes the page; every heading gets an id and the second level is linked in the navigation."""
    meta = source.meta
    title = html.escape(meta["title"])
    links = "".join(
        f'<li><a href="#{_anchor(b.text)}">{html.escape(b.text)}</a></li>'
        for b in source.blocks
        if b.kind == "heading" and b.level == 2
    )
    body = "\n".join(_element(block) for block in source.blocks)
    path.write_text(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} | Marlund</title>
<meta name="description" content="{html.escape(meta["header"])}">
<meta name="date" content="{meta["date"]}">
<style>{STYLE}</style>
<script>window.dataLayer = window.dataLayer || []; // statistics</script>
</head>
<body>
<header><nav aria-label="On this page"><ul>{links}</ul></nav></header>
<main>
<article>
{body}
</article>
</main>
<footer>
<p>Document {meta["number"]}, last changed on {meta["date"]}. Marlund Appliances, Kiln Road 14, Osterby</p>
</footer>
</body>
</html>
""",
        encoding="utf-8",
    )


def _element(block):
    if block.kind == "heading":
        return f'<h{block.level} id="{_anchor(block.text)}">{_inline(block.text)}</h{block.level}>'
    if block.kind == "paragraph":
        return f"<p>{_inline(block.text)}</p>"
    if block.kind == "box":
        return f'<aside class="box"><p>{_inline(block.text)}</p></aside>'
    if block.kind in ("bullets", "numbers"):
        tag = "ul" if block.kind == "bullets" else "ol"
        return f"<{tag}>\n" + "\n".join(f"<li>{_inline(item)}</li>" for item in block.items) + f"\n</{tag}>"
    if block.kind == "table":
        rows = [_row(block.rows[0], "th"), *(_row(row, "td") for row in block.rows[1:])]
        return f"<table>\n<thead>{rows[0]}</thead>\n<tbody>\n" + "\n".join(rows[1:]) + "\n</tbody>\n</table>"
    return ""


def _row(cells, tag):
    return "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in cells) + "</tr>"


def _inline(text):
    tags = {"": "{}", "b": "<strong>{}</strong>", "i": "<em>{}</em>"}
    return "".join(tags[style].format(html.escape(part, quote=False)) for style, part in spans(text))


def _anchor(text):
    return re.sub(r"[^a-z0-9]+", "-", plain(text).lower()).strip("-")
