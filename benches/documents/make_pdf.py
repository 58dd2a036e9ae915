#!/usr/bin/env python3
"""Writes a PDF of many text pages, for speed, or with pictures up to a size, for memory; needs reportlab.

make_pdf.py FILE PAGES [MEGABYTES]
"""
import random, sys
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

R = random.Random(7)
WORDS = """the filter drawer hose valve pump motor seal drum plate lamp glass of and to with under before after every open
close turn press wait clean dry check replace order slow quiet warm cold water power cable socket wall floor door shelf""".split()


def line():
    return " ".join(R.choice(WORDS) for _ in range(R.randint(10, 14))).capitalize() + "."


def main():
    path, pages = sys.argv[1], int(sys.argv[2])
    megabytes = float(sys.argv[3]) if len(sys.argv) > 3 else 0
    canvas = Canvas(path, pagesize=A4, pageCompression=1, invariant=1)
    for number in range(1, pages + 1):
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(60, 780, f"Chapter {number}: {R.choice(WORDS)}")
        canvas.setFont("Helvetica", 10)
        for at in range(45):
            canvas.drawString(60, 750 - at * 14, line())
        canvas.drawString(290, 30, str(number))
        if megabytes:
            # Noise does not compress: three bytes a pixel, a quarter more in the file's encoding.
            from PIL import Image
            side = int((megabytes * 1e6 / pages / 3.75) ** 0.5)
            picture = Image.frombytes("RGB", (side, side), R.randbytes(side * side * 3))
            canvas.drawImage(ImageReader(picture), 400, 60, 100, 100)
        canvas.showPage()
    canvas.save()


main()
