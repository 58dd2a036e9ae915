"""A small HTTP client for Quarry with the standard library only, shared by the scripts of this folder.

It knows the requests the scripts need, and turns every failure into `Failure` with a message for people.
"""

import csv
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

TESTDATA = Path(__file__).resolve().parent.parent / "testdata"
DOCUMENT_SUFFIXES = (".pdf", ".docx", ".html", ".md", ".txt")
FINAL = ("indexing_completed", "indexing_failed", "upload_failed")
KNOWLEDGE_BASE = "Marlund support"


class Failure(Exception):
    """A request or a step that failed; the text says what and why."""


class Client:
    """Talks to one server as one bot."""

    def __init__(self, url, token, bot):
        self.url, self.token, self.bot = url.rstrip("/"), token, bot

    def call(self, method, path, body=None, query=None, timeout=60):
        """One JSON request; the decoded answer, or Failure with the server's message."""
        url = self.url + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {
            "Authorization": f"Bearer {self.token}",
            "x-bot-id": self.bot,
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        return json.loads(_send(urllib.request.Request(url, data, headers, method=method), timeout) or b"{}")

    def upload(self, path, tags, key=None):
        """Uploads one document for indexing, as the official client does: declare it, then PUT its bytes."""
        content = Path(path).read_bytes()
        title = Path(path).stem.replace("-", " ")
        declared = {
            "key": key or Path(path).name,
            "size": len(content),
            "index": True,
            "tags": tags,
            "metadata": {"title": title},
        }
        file = self.call("PUT", "/v1/files", declared)["file"]
        headers = {"Content-Type": file["contentType"]}
        _send(urllib.request.Request(file["uploadUrl"], content, headers, method="PUT"), 300)
        return file

    def file(self, id):
        """The file as the server knows it now."""
        return self.call("GET", f"/v1/files/{urllib.parse.quote(id, safe='')}")["file"]

    def knowledge_base(self, name):
        """The id of the knowledge base with this name; made when there is none."""
        found = self.call("GET", "/v1/files/knowledge-bases")["knowledgeBases"]
        for base in found:
            if base["name"] == name:
                return base["id"]
        return self.call("POST", "/v1/files/knowledge-bases", {"name": name})["knowledgeBase"]["id"]

    def answer(self, question, **options):
        """The cited answer to a question."""
        return self.call("POST", "/v1/quarry/answer", {"question": question, **options})


def _send(request, timeout):
    what = f"{request.get_method()} {urllib.parse.urlsplit(request.full_url).path}"
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            body = json.loads(text)
            text = f"{body['type']}: {body['message']} (error id {body['id']})"
        except (ValueError, KeyError, TypeError):
            text = text[:300]
        raise Failure(f"{what} answered {error.code}: {text}") from None
    except (urllib.error.URLError, OSError) as error:
        raise Failure(f"{what}: {getattr(error, 'reason', error)}") from None


def documents(folder=TESTDATA / "docs"):
    """The sample documents, sorted by name."""
    found = sorted(path for path in Path(folder).iterdir() if path.suffix in DOCUMENT_SUFFIXES)
    if not found:
        raise Failure(f"no documents in {folder}")
    return found


def upload_documents(client, paths, on_upload=lambda path: None):
    """Uploads the documents into the sample knowledge base; returns the files in the same order."""
    base = client.knowledge_base(KNOWLEDGE_BASE)
    tags = {"source": "knowledge-base", "kbId": base, "kbName": KNOWLEDGE_BASE, "dsType": "document"}
    files = []
    for path in paths:
        on_upload(path)
        files.append(client.upload(path, tags))
    return files


def wait_indexed(client, files, on_change=lambda done, total, file: None, timeout=600):
    """Polls until every file is indexed; Failure names the file that fails or is late, and the reason.

    `on_change(done, total, file)` is called at each poll, with the file that has just finished or None.
    """
    waiting = {file["id"]: file["key"] for file in files}
    deadline = time.monotonic() + timeout
    while waiting:
        on_change(len(files) - len(waiting), len(files), None)
        for id in list(waiting):
            file = client.file(id)
            if file["status"] not in FINAL:
                continue
            if file["status"] != "indexing_completed":
                raise Failure(
                    f"{file['key']}: {file['status']}: {file.get('failedStatusReason', 'no reason given')}"
                )
            del waiting[id]
            on_change(len(files) - len(waiting), len(files), file)
        if time.monotonic() > deadline:
            raise Failure(f"not indexed after {timeout} s: {', '.join(waiting.values())}")
        if waiting:
            time.sleep(0.1)


PRODUCT_SCHEMA = {
    "type": "object",
    "properties": {
        "sku": {"type": "string"},
        "name": {"type": "string"},
        "category": {"type": "string"},
        "price": {"type": "number"},
        "stock": {"type": "number"},
        "energy_class": {"type": "string"},
        "noise_db": {"type": "number"},
        "weight_kg": {"type": "number"},
        "launched": {"type": "string", "format": "date-time"},
        "rating": {"type": "number"},
        "discontinued": {"type": "boolean"},
    },
}


def products(path=TESTDATA / "tables/products.csv"):
    """The rows of the CSV with numbers, booleans and nulls typed by PRODUCT_SCHEMA."""
    kinds = {name: column["type"] for name, column in PRODUCT_SCHEMA["properties"].items()}
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: _typed(kinds[name], text) for name, text in row.items()} for row in csv.DictReader(file)
        ]


def _typed(kind, text):
    if text == "":
        return None
    if kind == "number":
        return float(text) if "." in text else int(text)
    return text == "true" if kind == "boolean" else text


def create_products(client, name="ProductsTable", batch=25):
    """Makes the products table and fills it in batches; returns the number of rows."""
    client.call("POST", "/v1/tables", {"name": name, "schema": PRODUCT_SCHEMA, "keyColumn": "sku"})
    rows = products()
    for start in range(0, len(rows), batch):
        written = client.call("POST", f"/v1/tables/{name}/rows", {"rows": rows[start : start + batch]})
        if written.get("errors"):
            raise Failure(f"rows refused: {'; '.join(written['errors'])}")
    return len(rows)
