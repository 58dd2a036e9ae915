"""Writes a source as a PDF with a running header, page numbers, bookmarks, tables and columns."""

import html
from pathlib import Path

import reportlab
from blocks import plain, spans
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    BalancedColumns,
    BaseDocTemplate,
    Frame,
    ListFlowable,
    ListItem,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

BLUE = colors.HexColor("#1f3a5f")
FONTS = {"helvetica": "Helvetica", "vera": "Vera"}


def write(source, path):
    """Writes the PDF; `font: vera` in the front matter embeds a font, the default is not embedded."""
    font = FONTS[source.meta.get("font", "helvetica")]
    if font == "Vera":
        _register_vera()
    _Template(str(path), source.meta, font).build(_story(source, _styles(font)))


def _register_vera():
    folder = Path(reportlab.__file__).parent / "fonts"
    for name, file in [("Vera", "Vera"), ("Vera-Bold", "VeraBd"), ("Vera-Italic", "VeraIt")]:
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{file}.ttf")))
    pdfmetrics.registerFontFamily("Vera", normal="Vera", bold="Vera-Bold", italic="Vera-Italic")


def _styles(font):
    bold = f"{font}-Bold"
    small = font == "Vera"
    size = 9.5 if small else 10.5
    body = ParagraphStyle("body", fontName=font, fontSize=size, leading=size * 1.42, spaceAfter=6)
    return {
        "body": body,
        "cell": ParagraphStyle("cell", body, fontSize=size - 1, leading=(size - 1) * 1.3, spaceAfter=0),
        "head": ParagraphStyle(
            "head",
            body,
            fontName=bold,
            fontSize=size - 1,
            leading=(size - 1) * 1.3,
            spaceAfter=0,
            textColor=colors.white,
        ),
        "title": ParagraphStyle(
            "title", body, fontName=bold, fontSize=24, leading=30, textColor=BLUE, spaceAfter=4
        ),
        "number": ParagraphStyle("number", body, textColor=colors.grey, spaceAfter=16),
        1: ParagraphStyle(
            "h1",
            body,
            fontName=bold,
            fontSize=18,
            leading=23,
            textColor=BLUE,
            spaceBefore=14,
            spaceAfter=8,
            keepWithNext=1,
        ),
        2: ParagraphStyle(
            "h2", body, fontName=bold, fontSize=13, leading=17, spaceBefore=10, spaceAfter=4, keepWithNext=1
        ),
        3: ParagraphStyle(
            "h3", body, fontName=bold, fontSize=11, leading=15, spaceBefore=8, spaceAfter=3, keepWithNext=1
        ),
    }


class _Template(BaseDocTemplate):
    """The page layout: header, footer, and a bookmark for each heading."""

    def __init__(self, path, meta, font):
        super().__init__(
            path,
            pagesize=A4,
            leftMargin=22 * mm,
            rightMargin=22 * mm,
            topMargin=26 * mm,
            bottomMargin=24 * mm,
            title=meta["title"],
            author="Marlund Appliances",
            invariant=1,
            lang="en-GB",
        )
        self.meta, self.font = meta, font
        frame = Frame(self.leftMargin, self.bottomMargin, self.width, self.height, 0, 0, 0, 0, id="body")
        self.addPageTemplates(PageTemplate(id="page", frames=[frame], onPage=self._decorate))

    def _decorate(self, canvas, _doc):
        width, height = A4
        canvas.saveState()
        canvas.setFont(self.font, 8)
        canvas.setFillColor(colors.grey)
        canvas.drawString(self.leftMargin, height - 15 * mm, self.meta["header"])
        canvas.drawString(self.leftMargin, 13 * mm, self.meta["number"])
        canvas.drawRightString(width - self.rightMargin, 13 * mm, f"Page {canvas.getPageNumber()}")
        canvas.setStrokeColor(colors.lightgrey)
        canvas.line(self.leftMargin, height - 17 * mm, width - self.rightMargin, height - 17 * mm)
        canvas.restoreState()

    def afterFlowable(self, flowable):
        """Called by the layout engine after each flowable: adds the outline entry of a heading."""
        level = getattr(flowable, "outline_level", None)
        if level is None:
            return
        key = f"h{self.seq.nextf('outline')}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(flowable.getPlainText(), key, level - 1, closed=level > 1)


def _story(source, styles):
    story = [Paragraph(_markup(source.meta["title"]), styles["title"])]
    story.append(Paragraph(f"{source.meta['number']} · {source.meta['date']}", styles["number"]))
    columns = None
    chapters = 0
    for block in source.blocks:
        if block.kind == "directive" and block.text == "pagebreak":
            story.append(PageBreak())
            continue
        if block.kind == "directive":
            if block.text == "columns 2":
                columns = []
            else:
                story.append(
                    BalancedColumns(columns, nCols=2, innerPadding=16, topPadding=4, bottomPadding=8)
                )
                columns = None
            continue
        if block.kind == "heading" and block.level == 1:
            chapters += 1
            if chapters > 1 and source.meta.get("chapters") == "new-page":
                story.append(PageBreak())
        (story if columns is None else columns).extend(_flowables(block, styles, columns is not None))
    return story


def _flowables(block, styles, narrow):
    if block.kind == "heading":
        heading = Paragraph(_markup(block.text), styles[block.level])
        if not narrow:
            heading.outline_level = block.level
        return [heading]
    if block.kind == "paragraph":
        return [Paragraph(_markup(block.text), styles["body"])]
    if block.kind in ("bullets", "numbers"):
        items = [ListItem(Paragraph(_markup(item), styles["body"]), spaceAfter=0) for item in block.items]
        bullet = "bullet" if block.kind == "bullets" else "1"
        options = {"start": "•"} if bullet == "bullet" else {"bulletFormat": "%s."}
        options["bulletFontName"] = styles["body"].fontName
        return [ListFlowable(items, bulletType=bullet, leftIndent=16, **options), Spacer(1, 4)]
    if block.kind == "box":
        return [_box(block, styles), Spacer(1, 8)]
    if block.kind == "table":
        return [Spacer(1, 2), _table(block.rows, styles), Spacer(1, 10)]
    raise ValueError(block.kind)


def _box(block, styles):
    warning = plain(block.text).startswith("Warning")
    table = Table([[Paragraph(_markup(block.text), styles["body"])]], colWidths=["100%"])
    fill, line = ("#fdecea", "#c0392b") if warning else ("#eaf2fb", "#2e6da4")
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), colors.HexColor(fill)),
                ("LINEBEFORE", (0, 0), (0, -1), 3, colors.HexColor(line)),
                ("LEFTPADDING", (0, 0), (-1, -1), 10),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ]
        )
    )
    return table


def _table(rows, styles):
    cells = [[Paragraph(_markup(text), styles["head"]) for text in rows[0]]]
    cells += [[Paragraph(_markup(text), styles["cell"]) for text in row] for row in rows[1:]]
    table = Table(cells, colWidths=_widths(rows), repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), BLUE),
                ("GRID", (0, 0), (-1, -1), 0.4, colors.lightgrey),
                ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.HexColor("#f5f7fa")]),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _widths(rows):
    """Column widths that grow slower than the longest cell, so that long cells wrap and short ones do not."""
    longest = [max(len(row[i]) for row in rows) ** 0.7 + 2.5 for i in range(len(rows[0]))]
    return [(A4[0] - 44 * mm) * share / sum(longest) for share in longest]


def _markup(text):
    tags = {"": "{}", "b": "<b>{}</b>", "i": "<i>{}</i>"}
    return "".join(tags[style].format(html.escape(part, quote=False)) for style, part in spans(text))
