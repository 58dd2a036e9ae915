#!/usr/bin/env python3
"""Puts the documents of unpacked packages into folders by format, each content once: collect.py FOLDER

FOLDER/packages/PACKAGE/… becomes FOLDER/files/FORMAT/PACKAGE-NAME. Pages come as source.html with expected.html
beside it; the words of the latter are written as the reference. Needs nothing but Python.
"""
import hashlib, html.parser, os, shutil, sys

FORMATS = {"pdf", "doc", "docx"}
SILENT = {"script", "style", "noscript"}
INLINE = set("a abbr b cite code em font i mark q s small span strong sub sup time u".split())


class Text(html.parser.HTMLParser):
    """The words of a page."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts, self.silent = [], 0

    def handle_starttag(self, name, _):
        self.silent += name in SILENT
        self.parts.append("" if name in INLINE else " ")

    def handle_endtag(self, name):
        self.silent -= name in SILENT and self.silent > 0
        self.parts.append("" if name in INLINE else " ")

    def handle_data(self, text):
        if not self.silent:
            self.parts.append(text)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def main():
    folder = sys.argv[1]
    counts, seen = {}, set()
    shutil.rmtree(os.path.join(folder, "files"), ignore_errors=True)
    for place, folders, names in os.walk(os.path.join(folder, "packages")):
        folders.sort()
        package = os.path.relpath(place, os.path.join(folder, "packages")).split(os.sep)[0]
        for name in sorted(names):
            path = os.path.join(place, name)
            page = name == "source.html" and "expected.html" in names
            format = "html" if page else name.rsplit(".", 1)[-1].lower()
            if os.path.islink(path) or not (page or format in FORMATS) or os.path.getsize(path) == 0:
                continue
            digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
            if digest in seen:
                continue
            seen.add(digest)
            own = f"article-{os.path.basename(place)}.html" if page else f"{package}-{name}".replace(" ", "_")
            target = os.path.join(folder, "files", format, own)
            if os.path.exists(target):
                target = os.path.join(folder, "files", format, f"{package}-{digest[:6]}-{name}".replace(" ", "_"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(path, target)
            counts[format] = counts.get(format, 0) + 1
            if page:
                text = Text()
                text.feed(read(os.path.join(place, "expected.html")))
                references = os.path.join(folder, "references", "html")
                os.makedirs(references, exist_ok=True)
                with open(os.path.join(references, own + ".ref.txt"), "w", encoding="utf-8") as file:
                    file.write("".join(text.parts))
    print(", ".join(f"{count} {format}" for format, count in sorted(counts.items())))


main()
