#!/usr/bin/env python3
"""Makes the hostile and broken files of this folder; expected.json says how indexing each of them must end.

Usage: testdata/bad/build.py [--out FOLDER]
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import sample_env  # noqa: E402

sample_env.enter()

from PIL import Image, ImageDraw  # noqa: E402
from reportlab.lib.pagesizes import A5  # noqa: E402
from reportlab.lib.pdfencrypt import StandardEncryption  # noqa: E402
from reportlab.lib.utils import ImageReader  # noqa: E402
from reportlab.pdfgen.canvas import Canvas  # noqa: E402

WORDS = "The filter of the test machine is cleaned every two months."
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(draw, encrypt=None):
    """A one-page PDF; `draw` gets the canvas."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A5, invariant=1, encrypt=encrypt)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def sentence(canvas):
    canvas.drawString(40, 500, WORDS)


def scan(canvas):
    image = Image.new("L", (600, 840), 245)
    pen = ImageDraw.Draw(image)
    for line in range(12):
        pen.text((60, 80 + 40 * line), f"{line + 1}. {WORDS}", fill=30)
    canvas.drawImage(ImageReader(image.rotate(0.7, fillcolor=245)), 0, 0, *A5)


def docx(document, cut=None):
    """A DOCX whose main part is `document`; `cut` shortens the file to that many bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in [
            (
                "[Content_Types].xml",
                '<?xml version="1.0" encoding="UTF-8"?>'
                '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                '<Default Extension="rels" ContentType='
                '"application/vnd.openxmlformats-package.relationships+xml"/>'
                '<Override PartName="/word/document.xml" ContentType='
                '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
            ),
            (
                "_rels/.rels",
                '<?xml version="1.0" encoding="UTF-8"?>'
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                '<Relationship Id="r1" Target="word/document.xml" Type='
                '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>',
            ),
            ("word/document.xml", document),
        ]:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()[:cut]


def body(inner, prolog=""):
    """A main part with `inner` as its body."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<w:document xmlns:w="{WORD}"><w:body>'
    return head + inner + "</w:body></w:document>"


def paragraph(text):
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def files():
    """Name and content of each file."""
    whole = (HERE.parent / "docs/brook-w740-manual.pdf").read_bytes()
    deep = 2000
    yield (
        "encrypted.pdf",
        pdf(sentence, StandardEncryption("open-sesame", ownerPassword="owner", strength=128)),
    )
    yield (
        "owner-password.pdf",
        pdf(sentence, StandardEncryption("", ownerPassword="owner", canPrint=0, strength=128)),
    )
    yield "empty.pdf", pdf(lambda canvas: None)
    yield "scanned.pdf", pdf(scan)
    yield "broken.pdf", whole[: len(whole) // 3]
    yield "not-a-pdf.pdf", bytes(range(256)) * 8
    yield "text-named.pdf", (WORDS + "\n").encode()
    yield "bomb.docx", docx(body(paragraph("a" * 1000) * 40_000))
    yield "doctype.docx", docx(body(paragraph("&x;"), f'<!DOCTYPE w [<!ENTITY x "{WORDS}">]>'))
    yield "deep.docx", docx(body("<w:p><w:sdt>" * deep + WORDS + "</w:sdt></w:p>" * deep))
    yield "cut.docx", docx(body(paragraph(WORDS) * 40), cut=600)
    yield (
        "deep.html",
        b"<!DOCTYPE html><title>Deep</title><p>" + WORDS.encode() + b"</p>" + b"<div>" * 100_000,
    )
    yield (
        "attributes.html",
        b"<p " + b" ".join(b"a%d=1" % n for n in range(20_000)) + b">" + WORDS.encode() + b"</p>",
    )
    yield "empty.txt", b""
    yield "zero.bin", bytes(4096)
    yield (
        "latin1.txt",
        "Die Trommel fasst 9 kg W\xe4sche; Gr\xf6\xdfe 60 cm; \xe9quilibre r\xe9gl\xe9.\n".encode("latin-1"),
    )
    yield "utf16.txt", "\ufeffThe drum holds 9 kg – 63 litres, 40 °C.\r\n".encode("utf-16-le")
    yield "big-line.txt", ("washing-machine" * 14_000).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder to write into (default: beside this script)"
    )
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files():
        (out / name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
