"""Drives the engines in turns and writes the report; see `run`."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time

import plot
from engines import DuckDb, Postgres, Quarry, QuarryHttp, Sqlite
from ops import COLUMNS, operations, upsert_rows, write_rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "benches" / "out"
UPSERT = "upsert 1,000 by key, durable"
UPSERT_ROUNDS = 15
CLIENTS, EACH = 64, 100
TEN = ["key", "month", "day", "dep_delay", "arr_delay", "carrier", "tailnum", "origin", "dest", "time_hour"]


def fsyncs_per_s(folder, seconds=1.0):
    """How often 8 kB appended to a file reach the disk."""
    block, done = b"x" * 8192, 0
    with open(folder / "fsync", "wb", buffering=0) as file:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            file.write(block)
            os.fdatasync(file.fileno())
            done += 1
    return done / seconds


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-5 * max(1.0, abs(a), abs(b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b


def summary(times):
    times = sorted(times)
    return {"min": times[0], "p50": statistics.median(times), "p99": times[int(len(times) * 0.99)]}


def measure(rows, file, options, folder):
    """All operations at one size: {operation: {engine: {min, p50, p99}}} and the loads."""
    engines = [Quarry(folder, rows, options.worker), DuckDb(folder, rows), Sqlite(folder, rows)]
    if options.postgres and rows <= options.postgres_max:
        engines.append(Postgres(folder, rows))
    if options.http:
        engines.append(QuarryHttp(folder, rows, options.binary))
    report = {"rows": rows, "load": {}, "ops": {}, "memory": {}}
    for engine in engines:
        report["load"][engine.name] = engine.load(file, rows)
        print(f"  loaded {rows:,} rows into {engine.name} in {report['load'][engine.name]:.1f} s", flush=True)
    quarry = engines[0]
    served = engines[-1] if options.http else None
    report["memory"]["engine alone, after the load (MB)"] = quarry.call(do="rss")["rss_mb"]
    if served:
        report["memory"]["server idle (MB)"] = served.idle_mb
        report["memory"][f"server with {len(COLUMNS)} columns, after the load (MB)"] = served.resident_mb()
    report["cold"] = quarry.call(do="cold", table="flightsTable")
    for op in operations(rows):
        answers, times = {}, {engine.name: [] for engine in engines}
        for at in range(options.rounds):
            # Each round begins with another engine, so that foreign load meets all alike.
            for engine in engines[at % len(engines):] + engines[: at % len(engines)]:
                took, answer = engine.run(op, 5 if rows < 1_000_000 or at == 0 else 2)
                if took is None:
                    continue
                times[engine.name] += took
                if at == 0:
                    answers[engine.name] = answer
        wanted = answers["DuckDB"]
        for name, answer in answers.items():
            expected = wanted[0] if op.count and name == "Quarry over HTTP" else wanted
            assert same(expected, answer), f"{op.name}: {name} answers {str(answer)[:300]}, DuckDB {str(expected)[:300]}"
        report["ops"][op.name] = {name: summary(each) for name, each in times.items() if each}
        print("  " + op.name + ": " + ", ".join(f"{name} {each['min']:.3f}/{each['p50']:.3f}"
              for name, each in report["ops"][op.name].items()), flush=True)
    times = {engine.name: [] for engine in engines}
    for at in range(UPSERT_ROUNDS):
        for engine in engines[at % len(engines):] + engines[: at % len(engines)]:
            times[engine.name] += engine.upsert(upsert_rows(rows, at), rows + 1 + at * 1000)
    report["ops"][UPSERT] = {name: summary(each) for name, each in times.items()}
    print("  " + UPSERT + ": " + ", ".join(f"{name} {each['min']:.1f}/{each['p50']:.1f}"
          for name, each in report["ops"][UPSERT].items()), flush=True)
    report["clients"] = clients(quarry, served, folder)
    if served and rows >= 1_000_000:
        report["memory"].update(ten_columns(options, file, rows, folder))
    for engine in engines:
        if hasattr(engine, "close"):
            engine.close()
    return report


def clients(quarry, served, folder):
    found = {}
    for at in range(3):
        fsyncs = fsyncs_per_s(folder)
        command = {"do": "clients", "table": "flightsTable", "clients": CLIENTS, "each": EACH}
        rounds = [("in process", quarry.call(**command, tag=f"p{at}"))]
        if served:
            rounds.append(("over HTTP", quarry.call(**command, tag=f"h{at}", addr=served.host)))
        for name, done in rounds:
            best = found.setdefault(name, {"rows_per_s": 0.0})
            if done["rows_per_s"] > best["rows_per_s"]:
                found[name] = done
        found["fsyncs_per_s"] = max(fsyncs, found.get("fsyncs_per_s", 0.0))
    print(f"  {CLIENTS} clients × 1 row: " + ", ".join(
        f"{name} {done['rows_per_s']:.0f} rows/s (p50 {done['p50']:.1f} ms)" for name, done in found.items() if name != "fsyncs_per_s")
        + f"; {found['fsyncs_per_s']:.0f} fdatasync/s × {CLIENTS} = {found['fsyncs_per_s'] * CLIENTS:.0f} rows/s", flush=True)
    return found


def ten_columns(options, file, rows, folder):
    """Memory of a server that holds one table of ten columns: after its load, and started anew."""
    (folder / "ten").mkdir()
    server = QuarryHttp(folder / "ten", rows, options.binary)
    server.load(file, rows, TEN)
    loaded = server.resident_mb()
    server.close()
    server = QuarryHttp(folder / "ten", rows, options.binary)
    server.call("POST", "/v1/tables/flightsTable/rows/find", {"filter": {"origin": "JFK"}, "orderBy": "arr_delay"})
    anew = server.resident_mb()
    idle = server.idle_mb
    server.close()
    found = {"server with 10 columns, after the load (MB)": loaded,
             "server with 10 columns, started anew (MB)": anew,
             "bytes per row, 10 columns, started anew": (anew - idle) * 1024 * 1024 / rows}
    print("  " + ", ".join(f"{name} {value:.0f}" for name, value in found.items()), flush=True)
    return found


def table_of(reports, machine):
    lines = [f"{machine}. Milliseconds, smallest / median of interleaved rounds; the same rows and equal answers in all engines.", ""]
    for report in reports:
        engines = list(report["load"])
        lines += [f"**{report['rows']:,} rows × {len(COLUMNS)} columns**", "",
                  "| operation | " + " | ".join(engines) + " | × fastest rival |", "|---" * (len(engines) + 2) + "|"]
        for name, each in report["ops"].items():
            cells = [f"{each[e]['min']:.3g} / {each[e]['p50']:.3g}" if e in each else "–" for e in engines]
            rival = min((each[e]["min"] for e in engines if e in each and not e.startswith("Quarry")), default=None)
            ratio = f"{rival / each['Quarry']['min']:.2f}" if rival else "–"
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {ratio} |")
        loads = " | ".join(f"{report['load'][e]:.1f} s" for e in engines)
        lines += [f"| load | {loads} | |", ""]
        done = report["clients"]
        rates = ", ".join(f"{name} {each['rows_per_s']:,.0f} rows/s (p50 {each['p50']:.1f} ms)"
                          for name, each in done.items() if name != "fsyncs_per_s")
        lines += [f"{CLIENTS} clients, one durable row at a time: {rates}. The disk: {done['fsyncs_per_s']:,.0f} fdatasync/s, "
                  f"times {CLIENTS} rows a group {done['fsyncs_per_s'] * CLIENTS:,.0f} rows/s.", ""]
        lines += [", ".join(f"{name}: {value:,.0f}" for name, value in report["memory"].items())
                  + f"; loaded from the store in {report['cold']['seconds']:.2f} s, {report['cold']['rss_grew_mb'] * 1048576 / report['rows']:,.0f} bytes per row.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--no-postgres", dest="postgres", action="store_false")
    parser.add_argument("--postgres-max", type=int, default=1_000_000)
    parser.add_argument("--no-http", dest="http", action="store_false")
    options = parser.parse_args()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    options.worker, options.binary = target / "examples" / "bench_worker", target / "quarry"
    if options.postgres and Postgres.programs() is None:
        print("PostgreSQL is not installed (apt-get install postgresql): its column stays empty")
        options.postgres = False
    sizes = [int(size) for size in options.sizes.split(",")]
    file = OUT / "flights-1000000.ndjson"
    if max(sizes) > 1_000_000:
        sys.exit("the largest size is 1000000")
    write_rows(file, 1_000_000)
    reports = []
    for rows in sizes:
        print(f"{rows:,} rows, load average {os.getloadavg()[0]:.1f}", flush=True)
        with tempfile.TemporaryDirectory(prefix="quarry-bench-", ignore_cleanup_errors=True) as folder:
            reports.append(measure(rows, file, options, pathlib.Path(folder)))
        reports[-1]["load_average"] = os.getloadavg()[0]
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release().split('-')[0]}"
        machine += f", load average {min(r['load_average'] for r in reports):.1f}–{max(r['load_average'] for r in reports):.1f}"
        (OUT / "tables.json").write_text(json.dumps(reports, indent=1) + "\n")
        (OUT / "tables.md").write_text(table_of(reports, machine) + "\n")
        (OUT / "tables.svg").write_text(plot.growth(reports))
    print(f"wrote {OUT}/tables.json, tables.md, tables.svg")


if __name__ == "__main__":
    main()
