#!/usr/bin/env python3
"""What one file costs: seconds until it can be searched, and the peak memory of all processes; and what it costs again
after a change.

    cargo build --release
    python3 benches/documents/make_pdf.py /tmp/large.pdf 400 95
    python3 benches/http/file.py /tmp/large.pdf      # a file of your own
    python3 benches/http/file.py                     # a document of 400 passages, then the same with changes

Without a file a Markdown document is made (as in ingest.py), indexed, and indexed again after each of some changes.
Passages whose text was there before are not embedded again; the figure is the share of them and of the seconds.
Needs Python 3.9 or newer and Linux, nothing else.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from crawl import rss_kb  # noqa: E402
from ingest import documents, passages  # noqa: E402
from quarry_http import FINAL, Client  # noqa: E402


class Server:
    """A server with a folder of its own, and the peak of what it and its children hold."""

    def __init__(self, binary, folder):
        command = [binary, "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]
        env = {"QUARRY_ADMIN_TOKEN": "bench", "PATH": "/usr/bin:/bin"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        self.client = Client(self.process.stdout.readline().decode().split()[-1], "bench", "bench")
        self.client.call("GET", "/v1/files/search", query={"query": "warm"})
        self.peak = 0
        self.open = True
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while self.open:
            self.peak = max(self.peak, rss_kb(self.process.pid))
            time.sleep(0.1)

    def index(self, path):
        """Seconds from the upload until the file can be searched, and the file."""
        began = time.perf_counter()
        file = self.client.upload(path, {})
        while (file := self.client.file(file["id"]))["status"] not in FINAL:
            time.sleep(0.05)
        if file["status"] != "indexing_completed":
            raise SystemExit(f"{path}: {file['status']}: {file.get('failedStatusReason')}")
        return time.perf_counter() - began, file

    def close(self):
        self.open = False
        self.process.terminate()
        self.process.wait(30)


def changes(text):
    """What users do to a document: its name and the text with it."""
    parts = text.split("\n## ")
    middle = len(parts) // 2
    sentence = parts[:middle] + [parts[middle].replace(". ", ". Now it is so. ", 1)] + parts[middle + 1 :]
    yield "a sentence added in the middle", "\n## ".join(sentence)
    paragraph = [parts[0]] + [parts[1].replace("\n\n", "\n\nA paragraph that was not here before. ", 1)] + parts[2:]
    yield "a paragraph added at the start", "\n## ".join(paragraph)
    yield "a section taken out", "\n## ".join(parts[:middle] + parts[middle + 1 :])
    yield "nothing changed", text


def again(server, folder):
    [path] = documents(1, 200, folder)
    original = path.read_text()
    whole, file = server.index(path)
    known = set(passages(server.client, file))
    print(f"indexed: {len(known)} passages in {whole:.1f} s")
    for name, text in changes(original):
        path.write_text(text)
        took, file = server.index(path)
        now = passages(server.client, file)
        new = sum(passage not in known for passage in now)
        known |= set(now)
        print(f"{name}: {new} of {len(now)} passages embedded, {took:.2f} s, {took / whole:.0%} of the time")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/quarry"))
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        server = Server(options.binary, str(folder / "data"))
        try:
            for path in options.files:
                took, file = server.index(path)
                size, count = path.stat().st_size / 1e6, len(passages(server.client, file))
                print(f"{path.name}: {size:.0f} MB, {count} passages, {took:.1f} s")
            if not options.files:
                again(server, folder)
            print(f"peak memory of all processes: {server.peak / 1024:.0f} MiB")
        finally:
            server.close()


if __name__ == "__main__":
    main()
