#!/usr/bin/env python3
"""Times of the HTTP face, measured from outside: start, idle memory, a filter, a durable upsert.

    cargo build --release && python3 benches/http/run.py [target/release/quarry]

One keep-alive connection, Python's own client; its share shows in the /healthz line. The fdatasync
line is a 4 kB write to a file in the same folder, in the same run: compare the upsert with it.
"""

import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS, COLUMNS, ROUNDS, STARTS = 10_000, 20, 300, 5


def start(binary, folder):
    """Starts a server; returns the process, its host and the milliseconds to the ready line."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("QUARRY_")}
    env["QUARRY_ADMIN_TOKEN"] = "bench"
    command = [binary, "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
    line = process.stdout.readline().decode()
    took = (time.perf_counter() - began) * 1e3
    return process, line.strip().removeprefix("quarry ready on http://"), took


def quantiles(action, rounds=ROUNDS):
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1e3)
    times.sort()
    return {"min": times[0], "p50": times[rounds // 2], "p99": times[int(rounds * 0.99)]}


def resident_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/quarry")
    random.seed(1)
    report = {}
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as folder:
        starts = []
        for n in range(STARTS):
            process, host, took = start(binary, f"{folder}/start{n}")
            starts.append(took)
            if n + 1 < STARTS:
                process.terminate()
                assert process.wait() == 0, "the stop was not clean"
        report["ready after start, empty folder (ms)"] = {"min": min(starts), "max": max(starts)}

        connection = http.client.HTTPConnection(host)
        headers = {"authorization": "Bearer bench", "x-bot-id": "bench", "content-type": "application/json"}

        def call(method, path, body=None, status=200):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read()
            assert reply.status == status, text
            return text

        while connection.request("GET", "/readyz") or (reply := connection.getresponse()).status != 200:
            reply.read()
            time.sleep(0.05)
        reply.read()
        report["idle memory, model loaded (MB)"] = {"resident": resident_mb(process)}

        def row():
            return {f"c{i}": f"text {random.randrange(1000)}" if i % 2 else random.randrange(1000) for i in range(COLUMNS)}

        columns = {f"c{i}": {"type": "string" if i % 2 else "number"} for i in range(COLUMNS)}
        call("POST", "/v1/tables", {"name": "BenchTable", "schema": columns})
        for _ in range(ROWS // 1000):
            call("POST", "/v1/tables/BenchTable/rows", {"rows": [row() for _ in range(1000)]})
        query = {"filter": {"c0": {"$gt": 500}, "c1": {"$regex": "7"}}, "limit": 50}
        find = "/v1/tables/BenchTable/rows/find"
        report[f"filter, limit 50, {ROWS} rows x {COLUMNS} columns (ms)"] = quantiles(lambda: call("POST", find, query))

        keyed = {"name": "KeyTable", "keyColumn": "k", "schema": {"k": {"type": "string"}, "v": {"type": "number"}}}
        call("POST", "/v1/tables", keyed)
        upsert = lambda: call(
            "POST",
            "/v1/tables/KeyTable/rows/upsert",
            {"keyColumn": "k", "rows": [{"k": f"key {random.randrange(100)}", "v": random.random()}]},
        )
        probe = os.open(f"{folder}/probe", os.O_RDWR | os.O_CREAT)
        sync = lambda: (os.pwrite(probe, b"x" * 4096, 0), os.fdatasync(probe))
        # In turns, so that both see the same disk.
        halves = [(quantiles(sync, 100), quantiles(upsert, 100)) for _ in range(3)]
        halves.sort(key=lambda pair: pair[1]["p50"] / pair[0]["p50"])
        report["fdatasync of 4 kB, same folder (ms)"], report["durable one-row upsert (ms)"] = halves[1]
        report["GET /healthz, client included (ms)"] = quantiles(lambda: call("GET", "/healthz"))
        report["memory afterwards (MB)"] = {"resident": resident_mb(process)}
        process.terminate()
        assert process.wait() == 0, "the stop was not clean"
    for name, values in report.items():
        print(f"{name:52}", "  ".join(f"{key} {value:8.2f}" for key, value in values.items()))


if __name__ == "__main__":
    main()
