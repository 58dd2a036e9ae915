"""The engines, each with load, run and upsert; answers in one common form for comparison."""

import http.client
import itertools
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import time

import duckdb

from ops import COLUMNS, NUMBERS, REGEX, schema

CHUNK = 1000


def resident_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def timed(action, rounds):
    times, answer = [], None
    for _ in range(rounds):
        began = time.perf_counter()
        answer = action()
        times.append((time.perf_counter() - began) * 1e3)
    return times, answer


def number(value):
    return None if value is None else round(float(value), 6)


class Sql:
    """What the SQL engines share: statements of an operation and its answer in the common form."""

    def statements(self, op):
        def column(match):
            name = match.group(1)
            if name == "*":
                return self.all
            return self.regex(name[1:]) if name.startswith("~") else self.column(name)
        return [re.sub(r"\{([^}]+)\}", column, text) for text in op.sql.split(";")]

    def column(self, name):
        return name

    all = "id, " + ", ".join(COLUMNS)

    def answer(self, op, results):
        if op.kind == "count":
            return results[0][0][0]
        if op.kind == "groups":
            return [[number(v) if not isinstance(v, str) else v for v in row] for row in results[0]]
        keys = [self.key(row) for row in results[0]]
        return (keys, results[1][0][0]) if op.count else keys

    def key(self, row):
        return row[1]

    def run(self, op, rounds):
        statements = self.statements(op)
        times, results = timed(lambda: [self.query(text) for text in statements], rounds)
        return times, self.answer(op, results)


class DuckDb(Sql):
    name = "DuckDB"

    def __init__(self, folder, rows):
        self.connection = duckdb.connect(str(folder / "flights.duckdb"))
        self.connection.execute("set threads = 2")

    def regex(self, name):
        return f"regexp_matches({name}, '{REGEX}')"

    def load(self, file, rows):
        began = time.perf_counter()
        types = ", ".join(f"{c} {'double' if c in NUMBERS else 'timestamp' if c == 'time_hour' else 'varchar'}" for c in COLUMNS)
        self.connection.execute(f"create table flights (id integer primary key, {types})")
        self.connection.execute("create unique index by_key on flights (key)")
        self.connection.execute(
            f"insert into flights select row_number() over () as id, {', '.join(COLUMNS)} "
            f"from read_json('{file}', format = 'newline_delimited') limit {rows}")
        self.connection.execute("checkpoint")
        return time.perf_counter() - began

    def query(self, text):
        return self.connection.execute(text).fetchall()

    def upsert(self, rows, next_id):
        def action():
            values = ", ".join(f"({next_id + at}, '{r['key']}', {r['dep_delay']}, '{r['tailnum']}')" for at, r in enumerate(rows))
            self.connection.execute(
                f"insert into flights (id, key, dep_delay, tailnum) values {values} on conflict (key) "
                "do update set dep_delay = excluded.dep_delay, tailnum = excluded.tailnum")
        return timed(action, 1)[0]


class Sqlite(Sql):
    name = "SQLite"

    def __init__(self, folder, rows):
        self.connection = sqlite3.connect(folder / "flights.sqlite", isolation_level=None)
        self.connection.execute("pragma journal_mode = wal")
        self.connection.execute("pragma synchronous = full")
        self.connection.execute("pragma cache_size = -262144")
        pattern = re.compile(REGEX)
        search = lambda _, text: text is not None and pattern.search(text) is not None
        self.connection.create_function("regexp", 2, search, deterministic=True)

    def regex(self, name):
        return f"{name} regexp '{REGEX}'"

    def load(self, file, rows):
        began = time.perf_counter()
        types = ", ".join(f"{c} {'real' if c in NUMBERS else 'text'}" for c in COLUMNS)
        self.connection.execute(f"create table flights (id integer primary key, {types})")
        for index in ("unique index by_key on flights (key)", "index by_day on flights (month, day, carrier)",
                      "index by_delay on flights (dep_delay)", "index by_carrier on flights (carrier, arr_delay)"):
            self.connection.execute(f"create {index}")
        insert = f"insert into flights values (null, {', '.join('?' for _ in COLUMNS)})"
        with open(file) as lines:
            chunk = []
            for at, line in enumerate(lines):
                if at >= rows:
                    break
                row = json.loads(line)
                chunk.append([row[c] for c in COLUMNS])
                if len(chunk) == CHUNK:
                    self.insert(insert, chunk)
                    chunk = []
            self.insert(insert, chunk)
        self.connection.execute("analyze")
        return time.perf_counter() - began

    def insert(self, text, rows):
        self.connection.execute("begin")
        self.connection.executemany(text, rows)
        self.connection.execute("commit")

    def query(self, text):
        return self.connection.execute(text).fetchall()

    def upsert(self, rows, next_id):
        values = [(r["key"], r["dep_delay"], r["tailnum"]) for r in rows]
        text = ("insert into flights (key, dep_delay, tailnum) values (?, ?, ?) on conflict (key) "
                "do update set dep_delay = excluded.dep_delay, tailnum = excluded.tailnum")
        return timed(lambda: self.insert(text, values), 1)[0]


class Postgres(Sql):
    """One JSONB document a row, with indexes that fit the queries."""

    name = "PostgreSQL"
    all = "id, doc"

    @staticmethod
    def programs():
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        return found[-1].parent if found else (pathlib.Path(shutil.which("initdb")).parent if shutil.which("initdb") else None)

    def __init__(self, folder, rows):
        import psycopg
        programs = self.programs()
        self.folder = folder / "postgres"
        self.folder.mkdir()
        user = {}
        if os.geteuid() == 0:
            # The server refuses to run as root.
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            for parent in self.folder.parents:
                if parent == pathlib.Path("/tmp"):
                    break
                parent.chmod(parent.stat().st_mode | 0o011)
            user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        data = str(self.folder / "data")
        subprocess.run([programs / "initdb", "-D", data, "-U", "bench", "--auth", "trust", "-E", "UTF8", "--locale", "C"],
                       check=True, **quiet, **user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(self.folder),
             "-c", "shared_buffers=512MB", "-c", "work_mem=64MB", "-c", "max_wal_size=4GB", "-c", "jit=off"], **quiet, **user)
        for _ in range(200):
            try:
                self.connection = psycopg.connect(host="127.0.0.1", port=port, user="bench", dbname="postgres", autocommit=True)
                break
            except psycopg.OperationalError:
                time.sleep(0.05)

    def column(self, name):
        return f"(doc->>'{name}')::float8" if name in NUMBERS else f"doc->>'{name}'"

    def regex(self, name):
        return f"doc->>'{name}' ~ '{REGEX}'"

    def key(self, row):
        return row[1]["key"]

    def load(self, file, rows):
        began = time.perf_counter()
        self.connection.execute("create table flights (id serial primary key, doc jsonb not null)")
        with open(file) as lines, self.connection.cursor().copy("copy flights (doc) from stdin") as copy:
            for at, line in enumerate(lines):
                if at >= rows:
                    break
                copy.write_row([line])
        day = f"({self.column('month')}), ({self.column('day')}), ({self.column('carrier')})"
        for index in ("unique index by_key on flights ((doc->>'key'))", f"index by_day on flights ({day})",
                      f"index by_delay on flights (({self.column('dep_delay')}))"):
            self.connection.execute(f"create {index}")
        self.connection.execute("analyze flights")
        return time.perf_counter() - began

    def query(self, text):
        return self.connection.execute(text).fetchall()

    def upsert(self, rows, next_id):
        texts = [json.dumps(row) for row in rows]
        text = ("insert into flights (doc) select v::jsonb from unnest(%s::text[]) as v "
                "on conflict ((doc->>'key')) do update set doc = flights.doc || excluded.doc")
        return timed(lambda: self.connection.execute(text, [texts]), 1)[0]

    def close(self):
        self.connection.close()
        self.server.terminate()
        self.server.wait()


def quarry_answer(op, rows, count):
    if op.kind == "count":
        return count
    if op.kind == "groups":
        return [[number(v) if not isinstance(v, str) else v for v in row.values()] for row in rows]
    keys = [row["key"] for row in rows]
    return (keys, count) if op.count else keys


class Quarry:
    """The engine in a process of its own; times are taken inside it, around the calls."""

    name = "Quarry"

    def __init__(self, folder, rows, worker):
        self.process = subprocess.Popen([worker, folder / "quarry"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the worker ended at {command.get('do')}"
        return json.loads(line)

    def load(self, file, rows, columns=COLUMNS, table="flightsTable"):
        return self.call(do="load", table=table, file=str(file), rows=rows, key="key", schema=schema(columns))["seconds"]

    def run(self, op, rounds):
        command = {"do": "find", "table": "flightsTable", "find": op.find, "count": op.count,
                   "only_count": op.kind == "count", "answer": True}
        done = self.call(**command, rounds=rounds)
        return done["times"], quarry_answer(op, done["rows"], done["count"])

    def upsert(self, rows, next_id):
        done = self.call(do="upsert", table="flightsTable", rows=rows)
        assert not done["errors"], done["errors"][:3]
        return done["times"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class QuarryHttp:
    """`quarry serve` over one kept connection. A page and its count are two requests."""

    name = "Quarry over HTTP"

    def __init__(self, folder, rows, binary):
        env = {k: v for k, v in os.environ.items() if not k.startswith("QUARRY_")}
        env |= {"QUARRY_ADMIN_TOKEN": "bench", "QUARRY_TABLE_ROW_QUOTA": str(10**9)}
        self.process = subprocess.Popen(
            [binary, "serve", "--data-dir", folder / "served", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        line = self.process.stdout.readline().decode()
        self.host = line.strip().removeprefix("quarry ready on http://")
        self.connection = http.client.HTTPConnection(self.host)
        self.idle_mb = resident_mb(self.process.pid)

    def call(self, method, path, body):
        headers = {"authorization": "Bearer bench", "x-bot-id": "bench", "content-type": "application/json"}
        body = body if isinstance(body, str) else json.dumps(body)
        try:
            self.connection.request(method, path, body, headers)
            reply = self.connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            # The server closes connections that are idle for long, as while another engine takes its time.
            self.connection = http.client.HTTPConnection(self.host)
            self.connection.request(method, path, body, headers)
            reply = self.connection.getresponse()
        text = reply.read()
        assert reply.status == 200, text[:500]
        return text

    def load(self, file, rows, columns=COLUMNS, table="flightsTable"):
        self.call("POST", "/v1/tables", {"name": table, "schema": schema(columns), "keyColumn": "key"})
        seconds = 0.0
        with open(file) as lines:
            left = rows
            while left:
                chunk = list(itertools.islice(lines, min(CHUNK, left)))
                if columns is not COLUMNS:
                    chunk = [json.dumps({c: v for c, v in json.loads(line).items() if c in columns}) for line in chunk]
                left -= len(chunk)
                body = '{"rows":[' + ",".join(chunk) + "]}"
                began = time.perf_counter()
                self.call("POST", f"/v1/tables/{table}/rows", body)
                seconds += time.perf_counter() - began
        return seconds

    def run(self, op, rounds):
        if op.kind == "count":
            # The wire has no count of its own.
            return None, None
        body = json.dumps(op.find)
        times, text = timed(lambda: self.call("POST", "/v1/tables/flightsTable/rows/find", body), rounds)
        keys = quarry_answer(op, json.loads(text)["rows"], None)
        return times, keys[0] if op.count else keys

    def upsert(self, rows, next_id):
        body = json.dumps({"rows": rows, "keyColumn": "key"})
        times, text = timed(lambda: self.call("POST", "/v1/tables/flightsTable/rows/upsert", body), 1)
        assert not json.loads(text).get("errors"), text[:500]
        return times

    def resident_mb(self):
        return resident_mb(self.process.pid)

    def close(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()
