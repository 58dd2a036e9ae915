#!/usr/bin/env python3
"""Checks questions.jsonl, and the second set in ../strangers, against their documents.

Each answer must stand in the named file (for a PDF: on the named page), each quote must stand there too and
in no other place of any document. Exit code 1 and one line per fault otherwise.
"""

import html
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
sys.path.insert(0, str(HERE.parent))

import sample_env  # noqa: E402

sample_env.enter()

import docx  # noqa: E402
from pypdf import PdfReader  # noqa: E402

SUFFIXES = (".pdf", ".docx", ".html", ".md", ".txt")


def normal(text):
    """Text with each run of white space as one space."""
    return re.sub(r"\s+", " ", text)


def texts(path):
    """The text of a document as a list: one entry per PDF page, one entry for other formats."""
    if path.suffix == ".pdf":
        return [normal(page.extract_text()) for page in PdfReader(path).pages]
    if path.suffix == ".docx":
        document = docx.Document(str(path))
        cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
        return [normal("\n".join([*(p.text for p in document.paragraphs), *cells]))]
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"(?s)<(script|style)\b.*?</\1>", "", text)))
    if path.suffix == ".md":
        text = text.replace("*", "")
    return [normal(text)]


def faults(question, documents):
    """What is wrong with one question."""
    if not question["answerable"]:
        if question["file"] or question["answer"]:
            yield "not answerable, but names a place"
        return
    pages = documents.get(question["file"])
    if pages is None:
        yield f"no such file: {question['file']}"
        return
    paged = question["file"].endswith(".pdf")
    if paged != isinstance(question["page"], int):
        yield "page must be a number for a PDF and null otherwise"
        return
    place = pages[question["page"] - 1 if paged else 0]
    if question["answer"] not in place:
        yield f"answer is not there: {question['answer']}"
    if quote := question.get("quote"):
        if quote not in place:
            yield f"quote is not there: {quote}"
        if sum(page.count(quote) for document in documents.values() for page in document) != 1:
            yield f"quote stands in more than one place: {quote}"


def check(questions_file, docs):
    """Prints the faults of one set; whether there are any."""
    documents = {path.name: texts(path) for path in sorted(docs.iterdir()) if path.suffix in SUFFIXES}
    questions = [json.loads(line) for line in questions_file.read_text(encoding="utf-8").splitlines()]
    found = [f"{q['id']}: {fault}" for q in questions for fault in faults(q, documents)]
    if len({q["id"] for q in questions}) != len(questions):
        found.append("an id stands twice")
    unused = set(documents) - {q["file"] for q in questions}
    found += [f"no question about {name}" for name in sorted(unused)]
    print("\n".join(found) or f"all answers are where {questions_file.parent.name}/questions.jsonl says")
    answerable = sum(q["answerable"] for q in questions)
    print(f"{len(questions)} questions, {answerable} answerable, {len(documents)} documents")
    return bool(found)


def main():
    strangers = HERE.parent / "strangers"
    sets = [(HERE / "questions.jsonl", DOCS), (strangers / "questions.jsonl", strangers / "docs")]
    faulty = [check(questions, docs) for questions, docs in sets]
    sys.exit(1 if any(faulty) else 0)


if __name__ == "__main__":
    main()
