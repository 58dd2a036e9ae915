"""Writes a source as a DOCX with real heading styles, lists, tables, and header and footer fields."""

import io
import zipfile
from datetime import datetime

import docx
from blocks import spans
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor


def write(source, path):
    """Writes the DOCX; dates inside come from the front matter."""
    document = docx.Document()
    _set_up(document, source.meta)
    document.add_paragraph(source.meta["title"], style="Title")
    document.add_paragraph(f"{source.meta['number']} · {source.meta['date']}", style="Subtitle")
    for block in source.blocks:
        _add(document, block)
    buffer = io.BytesIO()
    document.save(buffer)
    _write_fixed_zip(buffer, path)


def _set_up(document, meta):
    date = datetime.fromisoformat(meta["date"])
    core = document.core_properties
    core.title, core.author, core.last_modified_by = meta["title"], "Marlund Appliances", "Marlund Appliances"
    core.created = core.modified = date
    core.language = "en-GB"
    core.comments = ""
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.4)
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(11)
    section.header.paragraphs[0].text = meta["header"]
    footer = section.footer.paragraphs[0]
    footer.add_run(f"{meta['number']} · Page ")
    for kind, text in [("begin", None), (None, "PAGE"), ("end", None)]:
        run = footer.add_run()
        if kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        else:
            element = OxmlElement("w:instrText")
            element.text = text
        run._r.append(element)


def _add(document, block):
    if block.kind == "heading":
        document.add_heading(block.text, level=block.level)
    elif block.kind == "paragraph":
        _runs(document.add_paragraph(), block.text)
    elif block.kind == "box":
        _runs(document.add_paragraph(style="Intense Quote"), block.text)
    elif block.kind == "bullets":
        for item in block.items:
            _runs(document.add_paragraph(style="List Bullet"), item)
    elif block.kind == "numbers":
        number = _restarted_numbering(document)
        for item in block.items:
            paragraph = document.add_paragraph(style="List Number")
            properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
            properties.get_or_add_ilvl().val = 0
            properties.get_or_add_numId().val = number
            _runs(paragraph, item)
    elif block.kind == "table":
        _table(document, block.rows)


def _restarted_numbering(document):
    """A new numbering instance of the List Number style that starts at 1 again."""
    numbering = document.part.numbering_part.numbering_definitions._numbering
    style = document.styles["List Number"].element.pPr.numPr.numId.val
    abstract = numbering.num_having_numId(style).abstractNumId.val
    instance = numbering.add_num(abstract)
    instance.add_lvlOverride(ilvl=0).add_startOverride(1)
    return instance.numId


def _table(document, rows):
    table = document.add_table(rows=0, cols=len(rows[0]), style="Light Grid Accent 1")
    for index, row in enumerate(rows):
        cells = table.add_row().cells
        for cell, text in zip(cells, row):
            _runs(cell.paragraphs[0], text)
            if index == 0:
                cell.paragraphs[0].runs[0].font.color.rgb = RGBColor(0x1F, 0x3A, 0x5F)
    header = OxmlElement("w:tblHeader")
    table.rows[0]._tr.get_or_add_trPr().append(header)
    document.add_paragraph()


def _runs(paragraph, text):
    for style, part in spans(text):
        run = paragraph.add_run(part)
        run.bold, run.italic = style == "b" or None, style == "i" or None


def _write_fixed_zip(buffer, path):
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, source.read(name))
