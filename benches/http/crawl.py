#!/usr/bin/env python3
"""Crawls a generated website and prints pages per second, the peak memory of all processes, and how long
searches take meanwhile.

The site is served by this script on loopback: a start page, index pages with 100 links each, and pages with
words of their own. Needs Python 3.9 or newer, nothing else.
"""

import argparse
import json
import os
import random
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = (ROOT / "README.md").read_text().split()
TOKEN = "bench"
PER_INDEX = 100


def text_of(number, words):
    chosen = random.Random(number).choices(WORDS, k=words)
    return f"Page {number} of the generated site. " + " ".join(chosen).replace("<", "").replace("&", "")


def make_site(pages, words):
    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status, body = self.body()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def body(self):
            kind, _, number = self.path.strip("/").partition("/")
            if self.path == "/":
                links = range((pages + PER_INDEX - 1) // PER_INDEX)
                return 200, html("start", "Everything", [f"/index/{n}" for n in links])
            if kind == "index":
                first = int(number) * PER_INDEX
                links = range(first, min(first + PER_INDEX, pages))
                return 200, html(f"index {number}", f"Index {number}", [f"/page/{n}" for n in links])
            if kind == "page":
                return 200, html(f"page {number}", text_of(int(number), words), [f"/page/{(int(number) + 1) % pages}"])
            return 404, b"no"

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def html(title, text, links):
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><main><h1>{title}</h1><p>{text}</p>"
    return f"{page}<ul>{anchors}</ul></main></body></html>".encode()


def call(base, method, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "x-bot-id": "bench", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.loads(response.read() or b"{}")


def rss_kb(root):
    """Resident memory of a process and all below it."""
    parents, memory = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            status = Path(f"/proc/{entry}/status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        parents[int(entry)] = int(fields["PPid"])
        memory[int(entry)] = int(fields.get("VmRSS", "0 kB").split()[0])
    total = 0
    for process in memory:
        above = process
        while above not in (0, 1, root):
            above = parents.get(above, 0)
        total += memory[process] if above == root else 0
    return total


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else float("nan")


def probe(base, words, times):
    query = urllib.parse.quote(" ".join(words))
    begun = time.monotonic()
    call(base, "GET", f"/v1/files/search?query={query}&limit=5")
    times.append((time.monotonic() - begun) * 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/quarry")
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=40, help="words of a page")
    parser.add_argument("--seconds", type=int, default=3600, help="give up after this long")
    options = parser.parse_args()
    site = make_site(options.pages, options.words)
    port = site.server_address[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "QUARRY_ADMIN_TOKEN": TOKEN,
            "QUARRY_FETCH_ALLOW": "127.0.0.1",
            "QUARRY_FETCH_PORTS": str(port),
            "QUARRY_LOG": "warn",
        }
        command = [str(options.binary), "serve", "--data-dir", f"{folder}/data", "--listen", "127.0.0.1:0"]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            base = server.stdout.readline().strip().removeprefix("quarry ready on ")
            run(base, server.pid, port, options)
        finally:
            server.terminate()
            server.wait()


def run(base, pid, port, options):
    call(base, "POST", "/v1/files/knowledge-bases", {"name": "site"})
    body = {
        "knowledgeBase": "site",
        "type": "website",
        "url": f"http://127.0.0.1:{port}/",
        "maxPages": 50_000,
        "maxDepth": 20,
        "delayMs": 0,
    }
    begun, peak, times, said = time.monotonic(), 0, [], 0
    source = call(base, "POST", "/v1/quarry/sources", body)["source"]
    path = f"/v1/quarry/sources/{source['id']}"
    while "job" in source and time.monotonic() - begun < options.seconds:
        peak = max(peak, rss_kb(pid))
        probe(base, random.choices(WORDS, k=4), times)
        source = call(base, "GET", path)["source"]
        if time.monotonic() - begun > said + 30:
            said = time.monotonic() - begun
            print(f"  {said:5.0f} s  {source['files']['searchable']} searchable, {peak / 1024:.0f} MiB", flush=True)
        time.sleep(0.2)
    took = time.monotonic() - begun
    quiet = []
    for _ in range(100):
        probe(base, random.choices(WORDS, k=4), quiet)
    pages = source.get("lastRun", {}).get("pages", source.get("job", {}).get("pages"))
    print(json.dumps({"status": source["status"], "pages": pages, "files": source["files"]}))
    print(f"{source['files']['searchable'] / took:.1f} pages searchable per second over {took:.0f} s")
    print(f"peak memory of all processes: {peak / 1024:.0f} MiB")
    for name, shown in (("while it runs", times), ("afterwards", quiet)):
        print(f"search {name}: p50 {percentile(shown, 0.5):.1f} ms, p99 {percentile(shown, 0.99):.1f} ms ({len(shown)})")


if __name__ == "__main__":
    main()
