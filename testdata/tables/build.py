#!/usr/bin/env python3
"""Makes products.csv and ../queries/tables.jsonl (requests over it with their expected answers).

Python's standard library only. Prices of accessories and spare parts come from the price list's source, so
that the table and the document agree. The expected answers are worked out row by row, in the plainest way.
"""

import csv
import hashlib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "docs"))

from blocks import parse  # noqa: E402

COLUMNS = [
    "sku", "name", "category", "price", "stock", "energy_class", "noise_db", "weight_kg",
    "launched", "rating", "discontinued",
]  # fmt: skip

APPLIANCES = """
BRK-410|Brook W410|washing machine|399|0|D|79|62|2017-04-10|3.9|yes
BRK-430|Brook W430|washing machine|449|3|C|77|63|2019-03-18|4.1|yes
BRK-520|Brook W520|washing machine|549|41|B|76|66|2022-09-05|4.2|no
BRK-525|Brook W525 Slim, 45 cm|washing machine|579|12|C|77|58|2023-02-13|3.8|no
BRK-640|Brook W640|washing machine|699|0|B|74|69|2020-10-01|4.4|yes
BRK-740|Brook W740|washing machine|829|58|A|72|71|2025-01-20|4.6|no
BRK-740B|Brook W740 Black|washing machine|869|7|A|72|71|2025-06-02|4.7|no
BRK-900|Brook W900|washing machine|1149|15|A|69|78|2024-05-14|4.5|no
BRK-950|Brook W950 Pro|washing machine|1399|4|A|70|81|2026-02-09||no
CIN-240|Cinder D240 24" compact|dryer|379|0|C|66|31|2018-11-26|3.6|yes
CIN-310|Cinder D310 vented|dryer|349|0|C|67|35|2016-08-15|3.5|yes
CIN-410|Cinder D410|dryer|499|22|B|65|42|2021-09-20|4.0|no
CIN-520|Cinder D520|dryer|699|0|A+|65|49|2019-09-09|4.3|yes
CIN-620|Cinder D620|dryer|879|33|A++|64|54|2023-10-02|4.5|no
CIN-625|Cinder D625 Stack|dryer|929|9|A++|64|56|2024-10-07|4.4|no
CIN-800|Cinder D800|dryer|1099|18|A+++|62|57|2024-05-14|4.7|no
TRN-300|Tarn S300|dishwasher|519|27|E|47|33|2021-03-01|3.9|no
TRN-310|Tarn S310 Compact|dishwasher|429|5|E|49|22|2022-06-13|3.7|no
TRN-400|Tarn S400|dishwasher|649|0|D|45|37|2018-02-19|4.2|yes
TRN-450|Tarn S450|dishwasher|799|36|C|42|38.5|2024-11-04|4.5|no
TRN-455|Tarn S455 XXL|dishwasher|849|11|C|42|40|2025-03-03|4.4|no
TRN-600|Tarn S600|dishwasher|1079|8|A|40|44|2025-09-15|4.8|no
EMB-100|Ember E100|coffee|179|0|||4.2|2015-10-12|3.8|yes
EMB-110|Ember E110|coffee|219|64|||4.6|2020-11-09|4.1|no
EMB-210|Ember E210|coffee|469|45|||9.8|2023-10-16|4.6|no
EMB-210R|Ember E210 Red|coffee|479|2|||9.8|2024-02-05|4.6|no
EMB-340|Ember E340|coffee|749|19|||10.9|2024-09-02|4.3|no
EMB-500|Ember E500 Bean & Milk|coffee|1190|6|||13.4|2026-01-12||no
WRN-20|Wren R20|robot|199|0||68|2.9|2018-05-07|3.2|yes
WRN-60|Wren R60|robot|329|71||63|3.4|2021-05-17|4.0|no
WRN-75|Wren R75|robot|449|0||60|3.6|2022-08-22|4.2|yes
WRN-90|Wren R90|robot|689|29||57|4.1|2024-08-26|4.5|no
WRN-95|Wren R95 Edge|robot|899|10||55|4.4|2026-02-23|4.9|no
"""

CATEGORY = {"MA": "accessory"}  # everything else in the price list with a number is a spare part


def appliances():
    """The appliances written above, as typed rows."""
    for line in APPLIANCES.strip().splitlines():
        sku, name, category, price, stock, energy, noise, weight, launched, rating, gone = line.split("|")
        yield [
            sku, name, category, float(price), int(stock), energy or None, int(noise) if noise else None,
            float(weight), launched, float(rating) if rating else None, gone == "yes",
        ]  # fmt: skip


def parts():
    """Accessories and spare parts of the price list; the rest is drawn from a hash of the number."""
    source = parse((HERE.parent / "docs/src/price-list-2026.md").read_text(encoding="utf-8"))
    for block in source.blocks:
        if block.kind != "table" or block.rows[0][0] != "Number":
            continue
        for sku, name, _fits, price in block.rows[1:]:
            draw = hashlib.sha256(sku.encode()).digest()
            launched = f"{2014 + draw[0] % 12}-{draw[1] % 12 + 1:02}-{draw[2] % 28 + 1:02}"
            category = CATEGORY.get(sku[:2], "spare part")
            rating = None if category == "spare part" else round(3.5 + draw[3] % 15 / 10, 1)
            stock = draw[4] % 180 if draw[5] % 7 else 0
            yield [
                sku,
                name,
                category,
                float(price),
                stock,
                None,
                None,
                None,
                launched,
                rating,
                draw[6] % 9 == 0,
            ]


def table():
    """All rows as dictionaries by column."""
    return [dict(zip(COLUMNS, row)) for row in [*appliances(), *parts()]]


def cell(value):
    """A value as it stands in the CSV: empty for none, true/false, no trailing zeros."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def matches(row, test):
    """The filter language, as far as the requests below use it."""
    for key, want in test.items():
        if key == "$and":
            ok = all(matches(row, part) for part in want)
        elif key == "$or":
            ok = any(matches(row, part) for part in want)
        elif key == "$not":
            ok = not matches(row, want)
        elif isinstance(want, dict):
            ok = all(compare(row[key], op, value, want) for op, value in want.items())
        else:
            ok = row[key] == want
        if not ok:
            return False
    return True


def compare(value, op, want, test):
    """One operator on one value; a missing value matches only $exists: false, $ne and $nin."""
    if op == "$options":
        return True
    if op == "$exists":
        return (value is not None) == want
    if op == "$ne":
        return value != want
    if op == "$nin":
        return value not in want
    if value is None:
        return False
    return {
        "$gt": lambda: value > want,
        "$gte": lambda: value >= want,
        "$lt": lambda: value < want,
        "$lte": lambda: value <= want,
        "$in": lambda: value in want,
        "$mod": lambda: value % want[0] == want[1],
        "$regex": lambda: re.search(want, value, re.I if test.get("$options") == "i" else 0) is not None,
    }[op]()


FINDS = [
    ("dishwashers", {"filter": {"category": "dishwasher"}}),
    (
        "cheap and in stock",
        {"filter": {"price": {"$lt": 300}, "stock": {"$gt": 0}, "category": {"$ne": "spare part"}}},
    ),
    ("price between two bounds", {"filter": {"price": {"$gte": 500, "$lte": 850}}, "orderBy": "price"}),
    ("best energy classes", {"filter": {"energy_class": {"$in": ["A", "A++", "A+++"]}}}),
    ("launched since 2025", {"filter": {"launched": {"$gte": "2025-01-01"}}, "orderBy": "launched"}),
    ("discontinued, with stock left", {"filter": {"discontinued": True, "stock": {"$gt": 0}}}),
    (
        "not yet rated, not a spare part",
        {"filter": {"rating": {"$exists": False}, "category": {"$ne": "spare part"}}},
    ),
    ("either quiet or light", {"filter": {"$or": [{"noise_db": {"$lte": 42}}, {"weight_kg": {"$lt": 4}}]}}),
    ("name begins with Brook W7", {"filter": {"name": {"$regex": "^Brook W7"}}}),
    ("name contains filter, any case", {"filter": {"name": {"$regex": "FILTER", "$options": "i"}}}),
    (
        "neither machine nor part",
        {
            "filter": {
                "$not": {
                    "category": {"$in": ["washing machine", "dryer", "dishwasher", "spare part", "accessory"]}
                }
            }
        },
    ),
    (
        "stock divides by seven",
        {"filter": {"stock": {"$mod": [7, 0]}, "category": {"$nin": ["spare part", "accessory"]}}},
    ),
    ("five dearest", {"orderBy": "price", "orderDirection": "desc", "limit": 5}),
    (
        "second page of three",
        {"filter": {"category": "washing machine"}, "orderBy": "price", "limit": 3, "offset": 3},
    ),
    (
        "nested and, or",
        {
            "filter": {
                "$and": [
                    {"$or": [{"category": "coffee"}, {"category": "robot"}]},
                    {"price": {"$gt": 400}},
                    {"$not": {"discontinued": True}},
                ]
            }
        },
    ),
    ("no row", {"filter": {"category": "oven"}}),
]

GROUPS = [
    ("rows per category", {"group": {"category": ["key"], "sku": ["count"]}}),
    (
        "price figures per category",
        {"group": {"category": ["key"], "price": ["avg", "min", "max"], "stock": ["sum"]}},
    ),
    ("whole table", {"group": {"stock": ["sum"], "price": ["max"], "rating": ["count"]}}),
    (
        "dryers per energy class",
        {"filter": {"category": "dryer"}, "group": {"energy_class": ["key"], "noise_db": ["avg"]}},
    ),
]


def find(rows, request):
    """Expected answer of a request without a group: the skus, and whether their order is fixed."""
    hits = [row for row in rows if matches(row, request.get("filter", {}))]
    if order := request.get("orderBy"):
        hits.sort(key=lambda row: row[order], reverse=request.get("orderDirection") == "desc")
    start = request.get("offset", 0)
    page = hits[start : start + request.get("limit", 100)]
    return {
        "ordered": "orderBy" in request,
        "skus": [row["sku"] for row in page],
        "hasMore": start + len(page) < len(hits),
    }


def group(rows, request):
    """Expected rows of a request with a group."""
    hits = [row for row in rows if matches(row, request.get("filter", {}))]
    keys = [column for column, ops in request["group"].items() if "key" in ops]
    groups = {}
    for row in hits:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return {"rows": [figures(key, members, request["group"]) for key, members in groups.items()]}


def figures(key, members, wanted):
    """One result row: column name in camel case plus the operation."""
    result = {}
    for column, ops in wanted.items():
        values = [row[column] for row in members if row[column] is not None]
        camel = re.sub(r"_(.)", lambda m: m[1].upper(), column)
        for op in ops:
            result[camel + op.capitalize()] = {
                "key": lambda: key[[c for c, o in wanted.items() if "key" in o].index(column)],
                "count": lambda: len(values),
                "sum": lambda: round(sum(values), 6),
                "avg": lambda: round(sum(values) / len(values), 6),
                "min": lambda: min(values),
                "max": lambda: max(values),
            }[op]()
    return result


def main():
    rows = table()
    with open(HERE / "products.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([cell(row[column]) for column in COLUMNS] for row in rows)
    with open(HERE.parent / "queries/tables.jsonl", "w", encoding="utf-8") as file:
        for number, (about, request) in enumerate(FINDS, 1):
            expect = find(rows, request)
            file.write(
                json.dumps({"id": f"t{number:02}", "about": about, "request": request, "expect": expect})
                + "\n"
            )
        for number, (about, request) in enumerate(GROUPS, len(FINDS) + 1):
            expect = group(rows, request)
            file.write(
                json.dumps({"id": f"t{number:02}", "about": about, "request": request, "expect": expect})
                + "\n"
            )
    print(f"products.csv: {len(rows)} rows; tables.jsonl: {len(FINDS) + len(GROUPS)} requests")


if __name__ == "__main__":
    main()
