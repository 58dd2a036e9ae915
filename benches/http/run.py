#!/usr/bin/env python3
"""Times of the HTTP face, measured from outside: start, idle memory, a filter, a durable upsert.

    cargo build --release && python3 benches/http/run.py [target/release/quarry]

One keep-alive connection over a plain socket; what it costs by itself shows in the /healthz line. The fdatasync
line is a 4 kB append to a file in the same folder, turn by turn with the upserts: compare the upsert with it.
"""

import json
import os
import pathlib
import random
import socket
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


class Connection:
    """HTTP/1.1 on one kept socket, with nothing a request does not need."""

    def __init__(self, host):
        name, port = host.split(":")
        self.socket = socket.create_connection((name, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=None):
        payload = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer bench\r\nx-bot-id: bench\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
        self.socket.sendall(head.encode() + payload)
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += self.socket.recv(1 << 16)
        head, reply = reply.split(b"\r\n\r\n", 1)
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        parts, missing = [reply], int(lengths[0]) - len(reply)
        while missing > 0:
            parts.append(self.socket.recv(1 << 20))
            missing -= len(parts[-1])
        return int(head.split(b" ", 2)[1]), b"".join(parts)


def timed(action):
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e3


def summed_up(times):
    times = sorted(times)
    return {"min": times[0], "p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}


def quantiles(action, rounds=ROUNDS):
    return summed_up([timed(action) for _ in range(rounds)])


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

        connection = Connection(host)

        def call(method, path, body=None):
            status, text = connection.call(method, path, body)
            assert status == 200, text

        while connection.call("GET", "/readyz")[0] != 200:
            time.sleep(0.05)
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
        probe = os.open(f"{folder}/probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        sync = lambda: (os.write(probe, b"x" * 4096), os.fdatasync(probe))
        # Turn by turn, so that both see the same disk.
        pairs = [(timed(sync), timed(upsert)) for _ in range(ROUNDS)]
        syncs, upserts = summed_up([pair[0] for pair in pairs]), summed_up([pair[1] for pair in pairs])
        report["append of 4 kB + fdatasync, same folder (ms)"] = syncs
        report["durable one-row upsert (ms)"] = upserts | {"p50 to p50 of the sync": upserts["p50"] / syncs["p50"]}
        report["GET /healthz, client included (ms)"] = quantiles(lambda: call("GET", "/healthz"))
        report["memory afterwards (MB)"] = {"resident": resident_mb(process)}
        process.terminate()
        assert process.wait() == 0, "the stop was not clean"
    for name, values in report.items():
        print(f"{name:52}", "  ".join(f"{key} {value:8.2f}" for key, value in values.items()))


if __name__ == "__main__":
    main()
