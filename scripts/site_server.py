#!/usr/bin/env python3
"""Serves the recorded website of testdata/site on loopback, for the demo and for trying sources by hand.

Needs Python 3.9 or newer, nothing else. Prints its address and serves until it is ended.
"""

import argparse
import gzip
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "testdata" / "site"


class Page(BaseHTTPRequestHandler):
    """Answers from the manifest."""

    protocol_version = "HTTP/1.1"
    manifest = json.loads((SITE / "site.json").read_text())

    def do_GET(self):
        entry = self.manifest.get(self.path.split("?")[0], {"status": 404})
        if "redirect" in entry:
            return self.answer(301, b"", [("Location", entry["redirect"])])
        if "status" in entry:
            return self.answer(entry["status"], b"nothing here\n", [("Content-Type", "text/plain")])
        content = (SITE / entry["file"]).read_bytes()
        if entry["file"].endswith(".xml"):
            base = f"http://{self.headers['Host']}".encode()
            content = content.replace(b"{{base}}", base)
        if entry.get("gzip"):
            content = gzip.compress(content, mtime=0)
        headers = [("Content-Type", entry["type"])]
        if entry.get("etag"):
            headers.append(("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"'))
        if "lastModified" in entry:
            headers.append(("Last-Modified", entry["lastModified"]))
        known = [self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")]
        if any(value in known for name, value in headers if name in ("ETag", "Last-Modified")):
            return self.answer(304, b"", headers[1:])
        return self.answer(200, content, headers)

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def serve(port=0):
    """Starts the site on a thread; returns the server and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    _, address = serve(parser.parse_args().port)
    print(address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
