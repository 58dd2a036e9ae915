#!/usr/bin/env python3
"""Search time over 5,000 passages, what is left of it once the question is embedded, as the server measures it.

    cargo build --release && python3 benches/http/search.py [target/release/quarry] [passages]

The passages are sentences of testdata/docs, cut and joined anew so that no two are alike; the questions are
those of testdata/queries. `search_ms` is the server's `timing.searchMs`: vectors, fusion, second stage and reading the
passages from the store, and of the filter and the words what the embedding did not cover. The last line is the whole
request through HTTP, embedding included.
"""

import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from quarry_http import Client  # noqa: E402

PER_FILE = 100


def passages(count):
    rng = random.Random(7)
    text = " ".join(path.read_text() for path in sorted((ROOT / "testdata/docs/src").glob("*.md")))
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+", re.sub(r"[#*|`>-]+", " ", text)) if 30 < len(s) < 300]
    return [f"Note {n}: " + " ".join(rng.sample(sentences, 3)) for n in range(count)]


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/quarry")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    questions = [json.loads(line)["question"] for line in (ROOT / "testdata/queries/questions.jsonl").open()]
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]
        env = {"QUARRY_ADMIN_TOKEN": "bench", "PATH": "/usr/bin:/bin"}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        try:
            url = server.stdout.readline().decode().split()[-1]
            client = Client(url, "bench", "bench")
            made = passages(count)
            began = time.perf_counter()
            for start in range(0, count, PER_FILE):
                key = f"notes-{start}.txt"
                client.call("PUT", "/v1/files", {"key": key, "size": 0})
                body = {"passages": [{"content": text} for text in made[start:start + PER_FILE]]}
                client.call("PUT", f"/v1/files/{key}/passages", body)
            while client.call("GET", "/v1/quarry/status")["counts"]["passages"] < count:
                time.sleep(0.5)
            took = time.perf_counter() - began
            print(f"{count} passages indexed          {count / took:8.0f} passages/s")
            search, whole = [], []
            for round_ in range(3):
                for question in questions:
                    answer = client.call("POST", "/v1/quarry/answer", {"question": question})
                    began = time.perf_counter()
                    client.call("GET", "/v1/files/search", query={"query": question, "limit": 10})
                    whole.append((time.perf_counter() - began) * 1e3)
                    search.append(answer["timing"]["searchMs"])
            for name, times in (("search, in process", search), ("searchFiles through HTTP", whole)):
                times.sort()
                print(f"{name:28} p50 {times[len(times) // 2]:6.2f} ms  p99 {times[len(times) * 99 // 100]:6.2f} ms")
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
