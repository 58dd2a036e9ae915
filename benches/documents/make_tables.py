#!/usr/bin/env python3
"""Writes documents with known tables in many formats: make_tables.py DIR

The same documents as HTML, Markdown, CSV, DOCX, ODT, RTF, XLSX, PPTX, EPUB and PDF: price lists, timetables, faults and
remedies, merged cells, long tables and more, with text around them. NAME.EXT.cells.json beside each is the truth: a
list of tables, each a list of rows; a place is the text of its cell, or [row, column] of the merged cell that covers
it. Lines of one cell are parted by a blank there. The markup follows the habits of the software that writes such
files. The same seed gives the same bytes. PDF needs reportlab and is left out without it; the rest needs nothing but
Python.
"""
import csv, datetime, html, io, json, os, re, sys, zipfile
from make_pages import NAMES, PARTS, PLACES, R, THINGS, para, sentence


class Table:
    """Rows of texts; `<` is a place covered by the cell on its left, `^` by the one above."""

    def __init__(self, rows, head=1, right=(), widths=None):
        self.head, self.right, self.rows = head, set(right), []
        self.widths = widths or [1] * len(rows[0])
        for y, row in enumerate(rows):
            self.rows.append([])
            for x, text in enumerate(row):
                if text == "<":
                    text = self.rows[y][x - 1] if isinstance(self.rows[y][x - 1], tuple) else (y, x - 1)
                elif text == "^":
                    text = self.rows[y - 1][x] if isinstance(self.rows[y - 1][x], tuple) else (y - 1, x)
                self.rows[y].append(text)
        self.size = {}
        for y, row in enumerate(self.rows):
            for x, text in enumerate(row):
                at = text if isinstance(text, tuple) else (y, x)
                down, across = self.size.get(at, (1, 1))
                self.size[at] = (max(down, y - at[0] + 1), max(across, x - at[1] + 1))

    def places(self, y):
        """Of each place in a row: column, text (none where it is covered), rows and columns that it takes."""
        for x, text in enumerate(self.rows[y]):
            if isinstance(text, tuple):
                yield x, None, 0, 0
            else:
                yield x, text, *self.size[(y, x)]

    def once(self):
        """The texts, each where its cell begins."""
        return [["" if isinstance(text, tuple) else text for text in row] for row in self.rows]

    def truth(self):
        return [[text if isinstance(text, tuple) else " ".join(text.split()) for text in row] for row in self.rows]

    def parts(self, rows):
        """Tables of so many rows, each under the header."""
        cut = range(self.head, len(self.rows), rows)
        return [Table(self.rows[: self.head] + self.rows[at : at + rows], self.head, self.right, self.widths) for at in cut]


def money(low=2, high=900):
    return f"{R.randint(low, high)}.{R.choice(['00', '50', '90', '95', '25', '49'])}"


def article():
    return f"{R.choice(['MX', 'TR', 'KB'])}-{R.randint(1000, 9999)}"


def thing():
    return R.choice(PARTS).capitalize() + " for " + R.choice(THINGS)


def prices():
    rows = [["Article no.", "Article", "Pack", "Price EUR", "In stock"]]
    rows += [[article(), thing(), str(R.randint(1, 50)), money(), str(R.randint(0, 400))] for _ in range(18)]
    return [("h", "Spare parts, price list"), ("p", para()), ("t", Table(rows, right=(2, 3, 4), widths=(2, 5, 1, 2, 2))), ("p", para())]


def specs():
    rows = [["Property", "Value"], ["Width", "59.8 cm"], ["Height", "84.5 cm"], ["Depth with the door open", "115 cm"],
            ["Capacity", "13 place settings"], ["Noise", "42 dB(A) re 1 pW"], ["Energy class", "C"], ["Mains voltage", "220-240 V, 50 Hz"],
            ["Fuse", "10 A"], ["Water pressure", "0.5 to 10 bar"], ["Length of the inlet hose", "1.5 m"], ["Weight", "41 kg"],
            ["Languages of the display", "English, German, French, Dutch, Polish"], ["Warranty", "2 years"]]
    return [("h", "Technical data"), ("p", sentence()), ("t", Table(rows, widths=(2, 3))), ("p", para())]


def timetable():
    rows = [["Stop"] + [f"Bus {R.randint(10, 99)}" for _ in range(9)]]
    starts = [300 + 25 * n + R.randint(0, 9) for n in range(9)]
    for at, stop in enumerate(["Harbour", "Old bridge", "Market", "Town hall", "Station", "Hospital", "School", "Works gate", "Airport"]):
        times = [start + 6 * at for start in starts]
        rows.append([stop] + ["" if R.random() < 0.2 else f"{t // 60:02}:{t % 60:02}" for t in times])
    return [("h", "Works bus, Monday to Friday"), ("t", Table(rows, widths=[2] + [1] * 9)), ("p", para())]


def remedies():
    rows = [["Symptom", "Possible cause", "Remedy"]]
    rows += [[sentence(), sentence(), sentence() + " " + sentence()] for _ in range(7)]
    return [("h", "What to do when something goes wrong"), ("p", para()), ("t", Table(rows, widths=(3, 3, 4))), ("p", sentence())]


def merged():
    rows = [["Type", "Model", "Size in mm", "<", "<", "Weight"], ["^", "^", "Width", "Height", "Depth", "^"]]
    for at, group in enumerate(["Washing machines", "Tumble dryers", "Dishwashers"]):
        for n in range(3):
            size = [str(R.randint(440, 910)) for _ in range(3)] + [f"{R.randint(31, 79)} kg"]
            rows.append([group if n == 0 else "^", f"Brook {at + 1}{n}5"] + size)
    rows.append(["Kettles", "Tarn 7", "as a cube of 240", "<", "<", "1 kg"])
    return [("h", "Sizes of our machines"), ("p", sentence()), ("t", Table(rows, head=2, right=(2, 3, 4, 5), widths=(3, 2, 2, 2, 2, 2))), ("p", para())]


def long():
    rows = [["Date", "Order", "Part", "Quantity", "Amount"]]
    day = datetime.date(2026, 1, 2)
    for _ in range(150):
        day += datetime.timedelta(days=R.randint(0, 2))
        rows.append([day.isoformat(), article(), R.choice(PARTS).capitalize(), str(R.randint(1, 90)), money()])
    return [("h", "Orders of the year"), ("p", para()), ("t", Table(rows, right=(3, 4), widths=(2, 2, 3, 2, 2))), ("p", para())]


def two():
    offices = [["City", "Opens", "Closes"]] + [[c, f"0{R.randint(7, 9)}:30", f"{R.randint(16, 19)}:00"] for c in R.sample(PLACES, 5)]
    fees = [["Service", "Within 24 h", "Within a week", "Travel"]]
    fees += [[f"Repair of a {t}", money(80, 200), money(40, 80), R.choice(["free", "12.00", "per km"])] for t in R.sample(THINGS, 6)]
    return [("h", "Workshops"), ("p", sentence()), ("t", Table(offices)), ("h", "Fees"), ("p", sentence()), ("t", Table(fees, right=(1, 2), widths=(3, 2, 2, 1))), ("p", para())]


def matrix():
    models = [f"Ember {R.randint(200, 900)}" for _ in range(5)]
    features = ["Child lock", "Delayed start", "Steam", "Half load", "Wireless network", "Drum light", "Quiet mode", "Leak protection"]
    rows = [[""] + models] + [[f] + [R.choice(["yes", "yes", "", "", "option"]) for _ in models] for f in features]
    return [("h", "Which model can do what"), ("p", sentence()), ("t", Table(rows, widths=[2] + [1] * 5)), ("p", sentence())]


def contacts():
    rows = [["Dealer", "Address", "Reached at"]]
    for place in R.sample(PLACES, 7):
        street = f"{R.choice(['Mill', 'Station', 'Harbour', 'King'])} Street {R.randint(1, 99)}"
        rows.append([f"{R.choice(NAMES).capitalize()} & Sons", f"{street}\n{R.randint(1000, 9999)} {place}", f"+00 {R.randint(100, 999)} {R.randint(1000, 9999)}\n{place.lower()}@marlund.example\nMon to Fri"])
    return [("h", "Dealers"), ("p", sentence()), ("t", Table(rows, widths=(2, 3, 3))), ("p", sentence())]


def sections():
    rows = [["Item", "Hours", "Rate", "Cost"]]
    for group in ["Kitchen", "Laundry room", "Cellar"]:
        rows.append([group, "<", "<", "<"])
        rows += [[f"{R.choice(['Fit', 'Check', 'Replace'])} {R.choice(PARTS)}", str(R.randint(1, 9)), money(30, 70), money(50, 500)] for _ in range(3)]
        rows.append(["Subtotal", "", "", money(300, 900)])
    rows.append(["Total", "", "", money(1200, 3000)])
    return [("h", "Quotation"), ("p", para()), ("t", Table(rows, right=(1, 2, 3), widths=(4, 1, 1, 2))), ("p", sentence())]


def finance():
    rows = [["EUR thousand", "Q1", "Q2", "Q3", "Q4", "2025", "2024", "Change", "Share", "Note"]]
    for at, name in enumerate(["Appliances", "Spare parts", "Repairs", "Rental", "Grants", "Other", "Costs", "Taxes", "Result"]):
        sign = "-" if name in ("Costs", "Taxes") else ""
        parts = [f"{sign}{R.randint(1000, 9999):,}" for _ in range(4)] + [f"{sign}{R.randint(10000, 39999):,}" for _ in range(2)]
        rows.append([name] + parts + [f"{R.choice(['', '-'])}{R.randint(1, 40)}.{R.randint(0, 9)}%", f"{R.randint(1, 60)}%", str(at + 1) if at % 3 else ""])
    return [("h", "Figures of the year"), ("p", para()), ("t", Table(rows, right=range(1, 10), widths=[2] + [1] * 9)), ("p", para())]


def small():
    rows = [["Programme", "Duration"], ["Quick", "29 min"], ["Eco", "3 h 40 min"]]
    return [("h", "Programmes"), ("p", para()), ("t", Table(rows)), ("p", para())]


def beside():
    left = [["Code", "Meaning"]] + [[f"E{n}", f"Check the {R.choice(PARTS)}"] for n in range(10, 17)]
    right = [["Load", "Cups"]] + [[f"{n} kg", str(n * 2)] for n in range(1, 8)]
    return [("h", "Codes and doses"), ("p", sentence()), ("b", [Table(left, widths=(1, 3)), Table(right)]), ("p", sentence())]


def remarks():
    rows = [["Part", "Fits", "Remark", "Price per\npiece EUR"]]
    for at in range(24):
        fits = " and ".join(R.sample(THINGS, 2)) if at % 5 == 2 else R.choice(THINGS)
        rows.append([R.choice(PARTS).capitalize(), fits, sentence() if at % 4 == 1 else R.choice(["", "in stock", "on order"]), money()])
    return [("h", "Parts with remarks"), ("p", sentence()), ("t", Table(rows, right=(3,), widths=(2, 2, 4, 2))), ("p", para())]


DOCUMENTS = [prices, specs, timetable, remedies, merged, long, two, matrix, contacts, sections, finance, small, beside, remarks]
# Tables side by side: what other formats write one after the other.
BESIDE = ("html", "xlsx", "pptx", "pdf")


def tables(items):
    return [table for kind, what in items if kind in "tb" for table in (what if kind == "b" else [what])]


def write_zip(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in parts.items():
            # Of some formats the first part has to be stored.
            kind = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            out.writestr(zipfile.ZipInfo(name), text, kind)


def esc(text):
    return html.escape(text, quote=True)


def html_table(table, style):
    """Head and body parted or not, cells plain, in paragraphs or in blocks, with a caption or without."""
    out = ['<table class="data">' + (f"<caption>{esc(CAPTION)}</caption>" if style == 2 else "")]
    if style == 3:
        out.append("<colgroup>" + "<col>" * len(table.widths) + "</colgroup>")
    for y in range(len(table.rows)):
        if style != 1 and y in (0, table.head):
            out.append("<thead>" if y == 0 else "</thead>\n<tbody>")
        out.append("<tr>")
        for x, text, down, across in table.places(y):
            if text is None:
                continue
            tag = "th" if style != 1 and (y < table.head or (style == 2 and x == 0)) else "td"
            marks = (f' rowspan="{down}"' if down > 1 else "") + (f' colspan="{across}"' if across > 1 else "")
            marks += ' style="text-align: right"' if x in table.right else ""
            body = "<br>\n".join(esc(line) for line in text.split("\n"))
            if style == 1:
                body = "".join(f"<p>{esc(line)}</p>" for line in text.split("\n"))
            elif style == 3:
                body = "\n  " + "".join(f"<div><span>{esc(line)}</span></div>" for line in text.split("\n")) + "\n"
            elif x == 0 and y >= table.head:
                body = f"<strong>{body}</strong>"
            out.append(f"<{tag}{marks}>{body}</{tag}>")
        out.append("</tr>")
    return "\n".join(out) + ("</tbody>" if style != 1 else "") + "</table>"


CAPTION = "Data as of this spring"


def html_body(items, style):
    out = []
    for kind, what in items:
        if kind == "t" and style == 3:
            out.append(f'<div class="table-responsive">{html_table(what, style)}</div>')
        elif kind == "t":
            out.append(html_table(what, style))
        elif kind == "b":
            cells = "".join(f'<td valign="top">{html_table(table, 1)}</td>' for table in what)
            out.append(f'<table border="0" width="100%"><tr>{cells}</tr></table>')
        else:
            out.append(f"<{'h2' if kind == 'h' else 'p'}>{esc(what)}</{'h2' if kind == 'h' else 'p'}>")
    return "\n".join(out)


def write_html(path, items, number):
    with open(path, "w", encoding="utf-8") as out:
        out.write(f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Marlund</title></head><body><main>{html_body(items, number % 4)}</main></body></html>')


def write_epub(path, items, number):
    body = html_body(items, (number + 2) % 4).replace("<br>", "<br/>").replace("<col>", "<col/>")
    page = f'<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Marlund</title></head><body>{body}</body></html>'
    write_zip(path, {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">tables</dc:identifier><dc:title>Marlund</dc:title><dc:language>en</dc:language></metadata><manifest><item id="one" href="one.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="one"/></spine></package>',
        "one.xhtml": page,
    })


def write_md(path, items, number):
    """With bars at the edges or without, set evenly or not; merged cells can be written as HTML alone."""
    out = []
    for kind, what in items:
        if kind == "h":
            out.append(f"## {what}")
        elif kind == "p":
            out.append(what)
        elif any(size != (1, 1) for size in what.size.values()):
            out.append(html_table(what, 1))
        else:
            rows = [[text.replace("\n", "<br>") for text in row] for row in what.rows]
            rows.insert(1, ["---:" if x in what.right else "---" for x in range(len(rows[0]))])
            if number % 3 == 1:
                wide = [max(len(row[x]) for row in rows) for x in range(len(rows[0]))]
                rows = [[text.ljust(w) for text, w in zip(row, wide)] for row in rows]
            if number % 3 == 2 and all(row[0] for row in rows):
                out.append("\n".join(" | ".join(row).rstrip() for row in rows))
            else:
                out.append("\n".join("| " + " | ".join(row) + " |" for row in rows))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n\n".join(out) + "\n")


def write_csv(path, items, number):
    """A table a file, with commas, semicolons or tabs, some with a byte order mark; one under lines of a report."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=",;\t"[number % 3], lineterminator="\r\n" if number % 2 else "\n")
    table = tables(items)[0]
    if number == 0:
        writer.writerows([["Price list"], ["Valid from 2026-03-01"], []])
    writer.writerows(table.once())
    with open(path, "w", encoding="utf-8-sig" if number % 4 == 1 else "utf-8", newline="") as out:
        out.write(text.getvalue())
    return [table]


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def write_docx(path, items, number):
    def paragraph(text, extra=""):
        runs = "<w:r><w:br/></w:r>".join(f'<w:r><w:t xml:space="preserve">{esc(line)}</w:t></w:r>' for line in text.split("\n"))
        return f"<w:p>{extra}{runs}</w:p>"

    out = []
    for kind, what in items:
        if kind in "hp":
            out.append(paragraph(what, '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' if kind == "h" else ""))
            continue
        out.append('<w:tbl><w:tblPr><w:tblW w:w="0" w:type="auto"/></w:tblPr><w:tblGrid>' + "".join(f'<w:gridCol w:w="{w * 900}"/>' for w in what.widths) + "</w:tblGrid>")
        for y in range(len(what.rows)):
            out.append("<w:tr>" + ("<w:trPr><w:tblHeader/></w:trPr>" if y < what.head and number % 2 else ""))
            for x, text, down, across in what.places(y):
                marks = f'<w:gridSpan w:val="{across}"/>' if across > 1 else ""
                if down > 1:
                    marks += '<w:vMerge w:val="restart"/>'
                if text is None:
                    begin = what.rows[y][x]
                    # What a cell covers on its right is not written, what it covers below is.
                    if begin[1] != x or begin[0] == y:
                        continue
                    across = what.size[begin][1]
                    marks = (f'<w:gridSpan w:val="{across}"/>' if across > 1 else "") + "<w:vMerge/>"
                    text = ""
                right = '<w:pPr><w:jc w:val="right"/></w:pPr>' if x in what.right else ""
                lines = text.split("\n") if number % 3 else [text]
                out.append(f'<w:tc><w:tcPr><w:tcW w:w="900" w:type="dxa"/>{marks}</w:tcPr>' + "".join(paragraph(line, right) for line in lines) + "</w:tc>")
            out.append("</w:tr>")
        out.append("</w:tbl>")
    write_zip(path, {
        "[Content_Types].xml": '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/></Types>',
        "_rels/.rels": rels([("officeDocument", "word/document.xml")]),
        "word/_rels/document.xml.rels": rels([("styles", "styles.xml")]),
        "word/styles.xml": f'<?xml version="1.0"?><w:styles {W}><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>',
        "word/document.xml": f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document {W}><w:body>{"".join(out)}</w:body></w:document>',
    })


def rels(links):
    of = "http://schemas.openxmlformats.org"
    body = "".join(f'<Relationship Id="rId{n}" Type="{of}/officeDocument/2006/relationships/{kind}" Target="{target}"/>' for n, (kind, target) in enumerate(links, 1))
    return f'<?xml version="1.0"?><Relationships xmlns="{of}/package/2006/relationships">{body}</Relationships>'


def write_odt(path, items, number):
    out = []
    for kind, what in items:
        if kind in "hp":
            out.append(f'<text:h text:outline-level="1">{esc(what)}</text:h>' if kind == "h" else f"<text:p>{esc(what)}</text:p>")
            continue
        out.append(f'<table:table table:name="T{number}"><table:table-column table:number-columns-repeated="{len(what.widths)}"/>')
        for y in range(len(what.rows)):
            heads = number % 2 == 0
            out.append(("<table:table-header-rows>" if heads and y == 0 else "") + "<table:table-row>")
            for x, text, down, across in what.places(y):
                if text is None:
                    out.append("<table:covered-table-cell/>")
                    continue
                marks = (f' table:number-columns-spanned="{across}"' if across > 1 else "") + (f' table:number-rows-spanned="{down}"' if down > 1 else "")
                lines = text.split("\n")
                body = "".join(f"<text:p>{esc(line)}</text:p>" for line in lines) if number % 3 else "<text:p>" + "<text:line-break/>".join(esc(line) for line in lines) + "</text:p>"
                out.append(f'<table:table-cell office:value-type="string"{marks}>{body}</table:table-cell>')
            out.append("</table:table-row>" + ("</table:table-header-rows>" if heads and y + 1 == what.head else ""))
        out.append("</table:table>")
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table"))
    write_zip(path, {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/><manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>',
        "content.xml": f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces} office:version="1.3"><office:body><office:text>{"".join(out)}</office:text></office:body></office:document-content>',
    })


def write_rtf(path, items, number):
    """Rows as word processors write them: a cell merged across is one wide cell, one merged down is there and empty."""
    def plain(text, line="\\line "):
        text = re.sub(r"([\\{}])", r"\\\1", text)
        text = "".join(c if ord(c) < 128 else f"\\u{ord(c)}?" for c in text)
        return text.replace("\n", line)

    out = ["{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0 Arial;}}{\\stylesheet{\\s1 heading 1;}}"]
    for kind, what in items:
        if kind in "hp":
            out.append(("\\pard\\plain\\s1 " if kind == "h" else "\\pard\\plain ") + plain(what) + "\\par")
            continue
        for y in range(len(what.rows)):
            out.append("\\trowd\\trgaph70" + ("\\trhdr" if y < what.head else ""))
            cells = []
            for x, text, down, across in what.places(y):
                mark = "\\clvmgf" if down > 1 else ""
                if text is None:
                    begin = what.rows[y][x]
                    if begin[1] != x or begin[0] == y:
                        continue
                    across, text, mark = what.size[begin][1], "", "\\clvmrg"
                out.append(f"{mark}\\clbrdrt\\brdrs\\clbrdrb\\brdrs\\cellx{sum(what.widths[: x + across]) * 700}")
                cells.append("\\pard\\intbl" + ("\\qr " if x in what.right else " ") + plain(text, "\\par " if number % 2 else "\\line ") + "\\cell")
            out += cells + ["\\row"]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n}")


def xlsx_cell(at, text, strings):
    """A number, date, time or share as such with the format that shows it like the text; anything else a string."""
    number = lambda value, style: f'<c r="{at}" s="{style}"><v>{value!r}</v></c>'
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return number(int(text), 0)
    if re.fullmatch(r"-?\d+\.\d\d", text):
        return number(float(text), 1)
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+", text):
        return number(int(text.replace(",", "")), 2)
    if re.fullmatch(r"-?\d+%", text):
        return number(int(text[:-1]) / 100, 3)
    if re.fullmatch(r"-?\d+\.\d%", text):
        return number(float(text[:-1]) / 100, 4)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return number((datetime.date.fromisoformat(text) - datetime.date(1899, 12, 30)).days, 5)
    if re.fullmatch(r"\d\d:\d\d", text):
        return number((int(text[:2]) * 60 + int(text[3:])) / 1440, 6)
    return f'<c r="{at}" t="s"><v>{strings.setdefault(text, len(strings))}</v></c>'


def write_xlsx(path, items, number):
    """Text in the first column, tables below it with an empty row between or (some) none; two side by side with a column between."""
    strings, rows, spans, y = {}, {}, [], 1
    name = lambda x, y: "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[x] + str(y)

    def put(table, left, top):
        for dy in range(len(table.rows)):
            for x, text, down, across in table.places(dy):
                if text is None or text == "":
                    continue
                rows.setdefault(top + dy, []).append((left + x, xlsx_cell(name(left + x, top + dy), text, strings)))
                if (down, across) != (1, 1):
                    spans.append(f"{name(left + x, top + dy)}:{name(left + x + across - 1, top + dy + down - 1)}")
        return len(table.rows)

    for kind, what in items:
        if kind in "hp":
            rows[y] = [(0, xlsx_cell(name(0, y), what, strings))]
            y += 2 if kind == "p" or number % 2 else 1
        elif kind == "t":
            y += put(what, 0, y) + 1
        else:
            left, most = 0, 0
            for table in what:
                most = max(most, put(table, left, y))
                left += len(table.widths) + 1
            y += most + 1
    sheet = "".join(f'<row r="{at}">' + "".join(cell for _, cell in sorted(rows[at])) + "</row>" for at in sorted(rows))
    merges = f'<mergeCells count="{len(spans)}">' + "".join(f'<mergeCell ref="{span}"/>' for span in spans) + "</mergeCells>" if spans else ""
    of = "http://schemas.openxmlformats.org"
    codes = ["0.00", "#,##0", "0%", "0.0%", "yyyy\\-mm\\-dd", "hh:mm"]
    formats = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(codes))
    styles = '<xf numFmtId="0"/>' + "".join(f'<xf numFmtId="{164 + n}" applyNumberFormat="1"/>' for n in range(len(codes)))
    write_zip(path, {
        "[Content_Types].xml": f'<?xml version="1.0"?><Types xmlns="{of}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": rels([("officeDocument", "xl/workbook.xml")]),
        "xl/_rels/workbook.xml.rels": rels([("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]),
        "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{of}/spreadsheetml/2006/main" xmlns:r="{of}/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/styles.xml": f'<?xml version="1.0"?><styleSheet xmlns="{of}/spreadsheetml/2006/main"><numFmts count="{len(codes)}">{formats}</numFmts><cellXfs count="{len(codes) + 1}">{styles}</cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'<?xml version="1.0"?><sst xmlns="{of}/spreadsheetml/2006/main" uniqueCount="{len(strings)}">' + "".join(f'<si><t xml:space="preserve">{esc(text)}</t></si>' for text in strings) + "</sst>",
        "xl/worksheets/sheet1.xml": f'<?xml version="1.0"?><worksheet xmlns="{of}/spreadsheetml/2006/main"><sheetData>{sheet}</sheetData>{merges}</worksheet>',
    })


def write_pptx(path, items, number):
    """A slide for each heading; long tables go on on further slides, which are tables of their own."""
    slides, found = [], []
    for kind, what in items:
        if kind == "h":
            slides.append((what, []))
        elif kind == "p":
            slides[-1][1].append(f'<p:sp><p:nvSpPr><p:cNvPr id="3" name="Text"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>{pptx_paragraphs(what)}</p:txBody></p:sp>')
        else:
            parts = what if kind == "b" else what.parts(14) if len(what.rows) > 20 else [what]
            for at, part in enumerate(parts):
                if at and kind == "t":
                    slides.append((f"{slides[0][0]} ({at + 1})", []))
                slides[-1][1].append(pptx_table(part))
            found += parts
    of = "http://schemas.openxmlformats.org"
    spaces = f'xmlns:a="{of}/drawingml/2006/main" xmlns:p="{of}/presentationml/2006/main" xmlns:r="{of}/officeDocument/2006/relationships"'
    parts = {
        "[Content_Types].xml": f'<?xml version="1.0"?><Types xmlns="{of}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.presentationml.slide+xml"/><Override PartName="/ppt/presentation.xml" ContentType="application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"/></Types>',
        "_rels/.rels": rels([("officeDocument", "ppt/presentation.xml")]),
        "ppt/_rels/presentation.xml.rels": rels([("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)]),
        "ppt/presentation.xml": f'<?xml version="1.0"?><p:presentation {spaces}><p:sldIdLst>' + "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in range(1, len(slides) + 1)) + "</p:sldIdLst></p:presentation>",
    }
    for n, (title, shapes) in enumerate(slides, 1):
        head = f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="Title"/><p:cNvSpPr/><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>{pptx_paragraphs(title)}</p:txBody></p:sp>'
        parts[f"ppt/slides/slide{n}.xml"] = f'<?xml version="1.0"?><p:sld {spaces}><p:cSld><p:spTree>{head}{"".join(shapes)}</p:spTree></p:cSld></p:sld>'
    write_zip(path, parts)
    return found


def pptx_paragraphs(text):
    return "".join(f"<a:p><a:r><a:t>{esc(line)}</a:t></a:r></a:p>" for line in text.split("\n"))


def pptx_table(table):
    out = []
    for y in range(len(table.rows)):
        out.append('<a:tr h="370840">')
        for x, text, down, across in table.places(y):
            marks = (f' rowSpan="{down}"' if down > 1 else "") + (f' gridSpan="{across}"' if across > 1 else "")
            if text is None:
                begin = table.rows[y][x]
                marks = (' hMerge="1"' if begin[1] < x else "") + (' vMerge="1"' if begin[0] < y else "")
            out.append(f"<a:tc{marks}><a:txBody><a:bodyPr/>{pptx_paragraphs(text or '')}</a:txBody><a:tcPr/></a:tc>")
        out.append("</a:tr>")
    grid = "".join(f'<a:gridCol w="{width * 900000}"/>' for width in table.widths)
    return f'<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow="1"/><a:tblGrid>{grid}</a:tblGrid>{"".join(out)}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>'


def write_pdf(path, items, number, ruled):
    """Ruled: all lines drawn, texts at the top. Open: no lines but one below the header, texts in the middle of their
    cells' height. What is merged across is centred but for the headings of a ruled table's sections. Long tables repeat their header on each page; pages have a running header and a number."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table as Drawn

    size = 10 if ruled else 9
    text = ParagraphStyle("text", fontName="Helvetica", fontSize=10, leading=13, spaceAfter=8)
    heading = ParagraphStyle("heading", parent=text, fontName="Helvetica-Bold", fontSize=15, leading=20, spaceBefore=8)

    def draw(table, width):
        small = size - 2 if len(table.widths) > 8 else size
        cell = ParagraphStyle("cell", fontName="Helvetica", fontSize=small, leading=small * 1.2)
        right = ParagraphStyle("right", parent=cell, alignment=2)
        style = [("FONT", (0, 0), (-1, -1), "Helvetica", small), ("FONT", (0, 0), (-1, table.head - 1), "Helvetica-Bold", small),
                 ("VALIGN", (0, 0), (-1, -1), "TOP" if ruled else "MIDDLE"), ("LEADING", (0, 0), (-1, -1), small * 1.2)]
        style += [("GRID", (0, 0), (-1, -1), 0.5, colors.black)] if ruled else [("LINEBELOW", (0, table.head - 1), (-1, table.head - 1), 0.7, colors.black)]
        if ruled and number % 2:
            style.append(("ROWBACKGROUNDS", (0, table.head), (-1, -1), [colors.white, colors.whitesmoke]))
        style += [("ALIGN", (x, 0), (x, -1), "RIGHT") for x in table.right]
        if not ruled:
            style += [("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)]
        drawn = []
        for y in range(len(table.rows)):
            drawn.append([])
            for x, words, down, across in table.places(y):
                if (down, across) > (1, 1):
                    style += [("SPAN", (x, y), (x + across - 1, y + down - 1))] + [("ALIGN", (x, y), (x, y), "CENTER")] * (across > 1 and not (ruled and x == 0))
                # Texts that may wrap are paragraphs, as are those with lines.
                wraps = words and (len(words) > 14 or "\n" in words) and y >= table.head and across == 1
                drawn[-1].append(Paragraph(esc(words).replace("\n", "<br/>"), right if x in table.right else cell) if wraps else words or "")
        share = width / sum(table.widths)
        return Drawn(drawn, colWidths=[w * share for w in table.widths], style=style, repeatRows=table.head)

    def furniture(canvas, document):
        canvas.setFont("Helvetica", 8)
        canvas.drawString(56, 810, "Marlund Appliances, service data")
        canvas.drawRightString(539, 30, f"Page {document.page}")

    width, story = 483 if ruled else 430, []
    for kind, what in items:
        if kind == "t":
            story += [draw(what, width), Spacer(1, 12)]
        elif kind == "b":
            both = [draw(table, width / 2 - 20) for table in what]
            story += [Drawn([both], colWidths=[width / 2] * 2, style=[("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]), Spacer(1, 12)]
        else:
            story.append(Paragraph(esc(what), heading if kind == "h" else text))
    document = SimpleDocTemplate(path, pagesize=A4, leftMargin=56, rightMargin=56, topMargin=60, bottomMargin=60, invariant=1)
    document.build(story, onFirstPage=furniture, onLaterPages=furniture)


WRITERS = {"html": write_html, "md": write_md, "csv": write_csv, "docx": write_docx, "odt": write_odt, "rtf": write_rtf,
           "xlsx": write_xlsx, "pptx": write_pptx, "epub": write_epub}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    def write(writer, name, items, *more):
        path = os.path.join(folder, name)
        found = writer(path, items, *more) or tables(items)
        with open(path + ".cells.json", "w", encoding="utf-8") as out:
            json.dump([table.truth() for table in found], out, indent=0)

    try:
        import reportlab
    except ImportError:
        reportlab = None
        print("make_tables.py: no PDF without reportlab (pip install reportlab)", file=sys.stderr)
    for number, make in enumerate(DOCUMENTS):
        items = make()
        for format, writer in WRITERS.items():
            if make is not beside or format in BESIDE:
                write(writer, f"{make.__name__}.{format}", items, number)
        if reportlab:
            for ruled in (True, False):
                write(write_pdf, f"{make.__name__}-{'ruled' if ruled else 'open'}.pdf", items, number, ruled)


if __name__ == "__main__":
    main()
