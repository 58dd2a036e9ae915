#!/usr/bin/env python3
"""What indexing costs beside embedding: documents through the server against their passages embedded alone.

    cargo build --release && cargo build --release -p quarry-embed --example throughput
    python3 benches/http/ingest.py [--documents 12] [--passages 12] [--rounds 9]

The documents are Markdown and HTML files made of the sentences of testdata/docs, in an order of their own so that no
passage is known from another document. Their texts, with the headings the server puts before them, are then embedded by
the same model with as many threads, vectors of tokens included on both sides. Both take turns; the last line is the
median of the ratios, less one.
"""

import argparse
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from quarry_http import Client  # noqa: E402


def documents(count, each, folder):
    """Markdown and HTML files of about so many passages each, of sentences in an order of their own."""
    text = " ".join(path.read_text() for path in sorted((ROOT / "testdata/docs/src").glob("*.md")))
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+", re.sub(r"[#*|`>-]+", " ", text)) if 30 < len(s) < 300]
    paths = []
    for number in range(count):
        rng = random.Random(number)
        sections = [
            (f"Part {part} of {number}", [f"Note {number}.{part}.{n}: " + " ".join(rng.sample(sentences, 3)) for n in range(3)])
            for part in range(each)
        ]
        if number % 2:
            body = "".join(f"<h2>{title}</h2>" + "".join(f"<p>{p}</p>" for p in parts) for title, parts in sections)
            path, page = folder / f"note-{number}.html", f"<html><body><h1>Note {number}</h1>{body}</body></html>"
        else:
            body = "".join(f"## {title}\n\n" + "\n\n".join(parts) + "\n\n" for title, parts in sections)
            path, page = folder / f"note-{number}.md", f"# Note {number}\n\n{body}"
        path.write_text(page)
        paths.append(path)
    return paths


def headed(texts):
    """Passages in order as the server embeds them: every paragraph says of which note and part it is."""
    place, found = None, []
    for text in texts:
        # What goes on a paragraph that was cut belongs where that one does.
        named = re.search(r"Note (\d+)\.(\d+)\.", text)
        place = named.groups() if named else place
        if not place:
            raise SystemExit(f"a passage does not say where it belongs: {text[:80]}")
        found.append(f"Note {place[0]} > Part {place[1]} of {place[0]}\n{text}")
    return found


def passages(client, file):
    """The texts of a file's passages, in order."""
    found, token = [], None
    while True:
        query = {"nextToken": token} if token else None
        page = client.call("GET", f"/v1/files/{file['id']}/passages", query=query)
        found += [passage["content"] for passage in page["passages"]]
        token = page.get("meta", {}).get("nextToken")
        if not token:
            return found


def indexed(binary, paths):
    """Seconds from the first upload until all is indexed, and the texts of the passages."""
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]
        env = {"QUARRY_ADMIN_TOKEN": "bench", "PATH": "/usr/bin:/bin"}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        try:
            client = Client(server.stdout.readline().decode().split()[-1], "bench", "bench")
            client.call("GET", "/v1/files/search", query={"query": "warm"})
            began = time.perf_counter()
            files = [client.upload(path, {}) for path in paths]
            while any(client.call("GET", "/v1/quarry/status")["jobs"].values()):
                time.sleep(0.05)
            took = time.perf_counter() - began
            failed = [file["key"] for file in files if client.file(file["id"])["status"] != "indexing_completed"]
            if failed:
                raise SystemExit(f"not indexed: {failed}")
            return took, [text for file in files for text in headed(passages(client, file))]
        finally:
            server.terminate()
            server.wait(10)


def embedded(example, texts, folder):
    """Seconds of embedding the texts, model loaded."""
    listed = folder / "texts.json"
    listed.write_text(json.dumps(texts))
    printed = subprocess.run([example, listed, "--tokens", "--rounds", "1"], check=True, capture_output=True, text=True).stdout
    return len(texts) / json.loads(printed.splitlines()[-1])["passages_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=str(ROOT / "target/release/quarry"))
    parser.add_argument("--throughput", default=str(ROOT / "target/release/examples/throughput"))
    parser.add_argument("--documents", type=int, default=12)
    parser.add_argument("--passages", type=int, default=12, help="of a document, about")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        paths = documents(options.documents, options.passages, folder)
        for _ in range(options.rounds):
            whole, texts = indexed(options.binary, paths)
            alone = embedded(options.throughput, texts, folder)
            ratios.append(whole / alone)
            said = f"{len(paths)} documents, {len(texts)} passages"
            print(f"{said}: indexed in {whole:.1f} s, embedded alone in {alone:.1f} s", flush=True)
    print(f"indexing over embedding: {statistics.median(ratios) - 1:+.1%}")


if __name__ == "__main__":
    main()
