#!/usr/bin/env python3
"""Makes the sample files of the less common formats from the sample documents beside them.

    apt-get install libreoffice-writer-nogui libreoffice-calc-nogui
    pip install python-pptx
    python3 testdata/formats/build.py

LibreOffice turns the warranty terms (DOCX) into DOC, RTF, ODT and EPUB, and the product list (CSV)
into XLSX, XLS and ODS; the slides are written here. All texts are this project's own.
"""

import pathlib
import shutil
import subprocess
import tempfile

from pptx import Presentation
from pptx.util import Inches

HERE = pathlib.Path(__file__).resolve().parent
TESTDATA = HERE.parent

WRITER = ["doc", "rtf", "odt", "epub"]
CALC = ["xlsx", "xls", "ods"]


def convert(source, formats):
    for name in formats:
        with tempfile.TemporaryDirectory() as folder:
            command = ["soffice", "--headless", "--convert-to", name, "--outdir", folder, str(source)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            shutil.copy(next(pathlib.Path(folder).iterdir()), HERE)


def slides(path):
    deck = Presentation()
    deck.core_properties.title = "Dealer briefing 2026"
    first = deck.slides.add_slide(deck.slide_layouts[0])
    first.shapes.title.text = "Dealer briefing"
    first.placeholders[1].text = "Marlund, spring 2026"
    second = deck.slides.add_slide(deck.slide_layouts[1])
    second.shapes.title.text = "What is new"
    body = second.placeholders[1].text_frame
    body.text = "Brook W950 Pro"
    for level, text in [(1, "nine kilograms"), (1, "steam programme"), (0, "Longer guarantee")]:
        paragraph = body.add_paragraph()
        paragraph.text, paragraph.level = text, level
    second.notes_slide.notes_text_frame.text = "Say that the guarantee needs a registration."
    third = deck.slides.add_slide(deck.slide_layouts[5])
    third.shapes.title.text = "Delivery times"
    table = third.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(6), Inches(2)).table
    for row, cells in enumerate([("Region", "Days"), ("North", "3"), ("South", "5")]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    deck.save(path)


def main():
    convert(TESTDATA / "docs" / "warranty-terms.docx", WRITER)
    convert(TESTDATA / "tables" / "products.csv", CALC)
    slides(HERE / "dealer-briefing.pptx")


if __name__ == "__main__":
    main()
