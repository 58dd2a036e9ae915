#!/usr/bin/env python3
"""Which passage sizes serve best: long documents cut by several settings, the sets' questions asked of each.

    cargo build --release && python3 benches/search/passages.py FOLDER [--questions 500] [--binary target/release/quarry]

FOLDER holds retrieval sets in the BEIR layout; those of covidqa, policyqa_dev, squad_sent, xquad_en and xquad_de that are
there are used. Their paragraphs are put together again in order, so that the cutter decides what a passage is: volumes of
eight titles each (xquad; a heading for the volume, one for each title), a file per website (policyqa, asked with its tag),
whole scientific articles (covidqa), runs of 150 sentences, five a paragraph (squad_sent). Sampled with a fixed seed.

Of each question it is known which paragraph answers it. What is handed out is scored by the letters and digits of that
paragraph it holds, so that settings of any length compare:
  first   share of questions whose paragraph is held to half by the first result
  MRR     of the first result that lies in the paragraph, or holds a tenth of it (of twenty)
  1,000   share of the paragraph within the first 1,000 characters of all results, one after another; 3,000 likewise
  +1      the same with a neighbour on each side of every result (`contextDepth` 1, what searchFiles does unasked)
"equal budget" is the mean of 1,000 and 3,000; what is recommended beats the default by a hundredth of it and beyond chance
(as many tries allowed for), or is the default.
`first` and MRR favour long passages, whatever else is handed out with the paragraph, and no passage shorter than half a
paragraph counts as `first`. A figure after ± is 1.96 standard errors of the difference to the default
setting, question by question, those of one paragraph counted as one.
"""

import argparse
import collections
import json
import math
import pathlib
import random
import re
import statistics
import string
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from quarry_http import Client  # noqa: E402

SEED = 11
SIZES = (200, 400, 600, 800, 1000, 1500, 2500)
PARAGRAPHS = (50, 120, 300)
LEVELS = (0, 1, 2, 3)
DEFAULT = (1000, 120, 3)
BUDGETS = (1000, 3000)
# What a default is changed for.
WORTH = 0.01
FIGURES = ("first", "MRR", "1,000", "3,000", "3,000 +1")
SHOWN = 20


def letters(text):
    """What of a text is compared: markup, blanks and hyphens may come out otherwise than they went in."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if c.isalnum())


class Document:
    """A Markdown file, its letters, and where its paragraphs lie among them."""

    def __init__(self, key, tags=None):
        self.key, self.tags, self.parts, self.letters = key, tags or {}, [], ""

    def add(self, text, level=0):
        """A paragraph, or a heading; the range of its letters."""
        lines = [" ".join(line.split()) for line in text.strip().split("\n")]
        plain = re.sub(f"([{re.escape(string.punctuation)}])", r"\\\1", (" " if level else "\n").join(filter(None, lines)))
        self.parts.append("#" * level + " " * bool(level) + plain)
        start = len(self.letters)
        self.letters += letters(text)
        return start, len(self.letters)

    def content(self):
        return "\n\n".join(self.parts).encode()


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def xquad(data, name, _):
    """Volumes of eight titles."""
    titles = collections.defaultdict(list)
    for row in lines_of(data / name / "corpus.jsonl"):
        titles[row["title"]].append(row)
    documents, places = [], {}
    for number, (title, rows) in enumerate(titles.items()):
        if number % 8 == 0:
            documents.append(Document(f"volume-{number // 8 + 1}.md"))
            documents[-1].add(f"Reader, volume {number // 8 + 1}", 1)
        documents[-1].add(title, 2)
        for row in rows:
            places[row["_id"]] = (documents[-1].key, *documents[-1].add(row["text"]))
    return documents, places


def policyqa(data, name, _):
    """A file per website, with its name as tag."""
    documents, places = {}, {}
    for row in lines_of(data / name / "corpus.jsonl"):
        site = row["title"]
        if site not in documents:
            documents[site] = Document(f"{site}.md", {"scope": site})
            documents[site].add(site, 1)
        places[row["_id"]] = (documents[site].key, *documents[site].add(row["text"]))
    return list(documents.values()), places


def covidqa(data, name, rng):
    """24 whole articles; what is asked for are their pieces of 150 words."""
    whole = {row["_id"]: row for row in lines_of(data / "covidqa_docs" / "corpus.jsonl")}
    documents, places, starts = {}, {}, {}
    for id in rng.sample(sorted(whole), 24):
        documents[id] = Document(f"article-{id}.md")
        starts[id] = documents[id].add(whole[id]["title"], 1)[1]
        for paragraph in re.split(r"\n\s*\n", whole[id]["text"]):
            if paragraph.strip():
                documents[id].add(paragraph)
    for row in lines_of(data / name / "corpus.jsonl"):
        id = row["_id"].split("#")[0]
        if id in documents:
            at = whole[id]["text"].find(row["text"])
            start = starts[id] + len(letters(whole[id]["text"][:at]))
            places[row["_id"]] = (documents[id].key, start, start + len(letters(row["text"])))
    return list(documents.values()), places


def written(tokens):
    """A sentence of lower-case words and signs, all with blanks between, as people write it: the cutter looks for its end."""
    text = re.sub(r" ([.,;:!?%)\]]|'s\b|n't\b)", r"\1", tokens.strip())
    return re.sub(r"([(\[$]) ", r"\1", text[:1].upper() + text[1:])


def squad(data, name, rng):
    """Eight runs of 150 sentences; what is asked for is one sentence."""
    rows = lines_of(data / name / "corpus.jsonl")
    documents, places = [], {}
    for first in sorted(rng.sample(range(0, len(rows) - 150, 150), 8)):
        document = Document(f"run-{first}.md")
        documents.append(document)
        for start in range(first, first + 150, 5):
            base = len(document.letters)
            document.add(" ".join(written(row["text"]) for row in rows[start : start + 5]))
            for row in rows[start : start + 5]:
                places[row["_id"]] = (document.key, base, base + len(letters(written(row["text"]))))
                base = places[row["_id"]][2]
    return documents, places


SETS = {"xquad_en": xquad, "xquad_de": xquad, "policyqa_dev": policyqa, "covidqa_chunks": covidqa, "squad_sent": squad}


def questions_of(data, name, places, count, rng):
    """(text, scope, places of the paragraphs any of which answers it); the same question asked twice is one."""
    answers = collections.defaultdict(list)
    for line in (data / name / "qrels/test.tsv").read_text().split("\n")[1:]:
        if line.strip():
            query, paragraph, _ = line.split("\t")
            answers[query].append(paragraph)
    asked = collections.defaultdict(set)
    for query in lines_of(data / name / "queries.jsonl"):
        found = answers.get(query["_id"], [])
        if found and all(paragraph in places for paragraph in found):
            asked[query["text"], query.get("scope")].update(places[paragraph] for paragraph in found)
    all_of_them = [(text, scope, sorted(where)) for (text, scope), where in asked.items()]
    return rng.sample(all_of_them, min(count, len(all_of_them)))


def held(spans, place):
    """Share of a place that these spans of letters hold together."""
    key, start, end = place
    reached, total = start, 0
    for from_, to in sorted((a, b) for of, a, b in spans if of == key):
        from_, to = max(from_, reached), min(to, end)
        if to > from_:
            total += to - from_
            reached = to
    return total / (end - start)


class Knowledge:
    """One set in the server under one setting."""

    def __init__(self, url, name, documents, setting):
        size, paragraph, levels = setting
        self.client = Client(url, "bench", name)
        configuration = {
            "chunking": {"maximumChunkLength": size, "embeddedContextLevels": levels},
            "parsing": {"minimumParagraphLength": paragraph},
        }
        self.client.call("GET", "/v1/files/search", query={"query": "warm"})
        began = time.perf_counter()
        files = [self.upload(document, configuration) for document in documents]
        while any(self.client.call("GET", "/v1/quarry/status")["jobs"].values()):
            time.sleep(0.05)
        self.seconds = time.perf_counter() - began
        self.starts, self.lengths = {}, []
        for document, file in zip(documents, files):
            self.place(document, file)

    def upload(self, document, configuration):
        content = document.content()
        declared = {
            "key": document.key,
            "size": len(content),
            "index": True,
            "tags": document.tags,
            "indexing": {"configuration": configuration},
        }
        file = self.client.call("PUT", "/v1/files", declared)["file"]
        headers = {"Content-Type": file["contentType"]}
        urllib.request.urlopen(urllib.request.Request(file["uploadUrl"], content, headers, method="PUT"), timeout=300).close()
        return file

    def place(self, document, file):
        """Where every passage of a file begins among the document's letters."""
        if self.client.file(file["id"])["status"] != "indexing_completed":
            raise SystemExit(f"not indexed: {document.key}")
        token, reached = None, 0
        while True:
            query = {"limit": 200, **({"nextToken": token} if token else {})}
            page = self.client.call("GET", f"/v1/files/{file['id']}/passages", query=query)
            for passage in page["passages"]:
                found = document.letters.find(letters(passage["content"]), reached)
                if found < 0:
                    raise SystemExit(f"{document.key} does not say: {passage['content'][:200]}")
                self.starts[passage["id"]] = (document.key, found)
                self.lengths.append(len(passage["content"]))
                reached = found + 1
            token = page.get("meta", {}).get("nextToken")
            if not token:
                return

    def span(self, item, chars=None):
        key, start = self.starts[item["id"]]
        return key, start, start + len(letters(item["text"][:chars]))

    def within(self, items, budget):
        """Spans of what a budget of characters lets through."""
        spans = []
        for item in items:
            if budget <= 0:
                break
            spans.append(self.span(item, budget))
            budget -= len(item["text"]) + 2
        return spans

    def figures(self, question):
        text, scope, places = question
        query = {"query": text, "limit": 50, "contextDepth": 1, "withContext": "true"}
        if scope:
            query["tags.scope"] = scope
        hits = self.client.call("GET", "/v1/files/search", query=query)["passages"]
        windows = [[item for item in hit["context"] if item["type"] != "breadcrumb"] for hit in hits]
        own = [item for window in windows for item in window if item["type"] == "current"]
        near = [item for window in windows for item in window]
        best = lambda spans: max(held(spans, place) for place in places)
        rank = next((n for n, item in enumerate(own[:SHOWN], 1) if meets(self.span(item), places)), None)
        found = [float(bool(own) and best([self.span(own[0])]) >= 0.5), 1 / rank if rank else 0.0]
        small, large = (best(self.within(own, budget)) for budget in BUDGETS)
        found += [small, large, best(self.within(near, BUDGETS[1]))]
        return dict(zip(FIGURES, found)) | {"equal budget": (small + large) / 2}


def meets(span, places):
    """Whether a passage lies in one of the places, half of it at least, or holds a tenth of it."""
    key, start, end = span
    for of, from_, to in places:
        common = min(end, to) - max(start, from_)
        if of == key and common > 0 and (common * 10 >= to - from_ or common * 2 >= end - start):
            return True
    return False


def measure(binary, sets, setting):
    """For each set: passages, their mean length, seconds of indexing, figures of each question."""
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "serve", "--data-dir", folder, "--listen", "127.0.0.1:0"]
        env = {"QUARRY_ADMIN_TOKEN": "bench", "PATH": "/usr/bin:/bin"}
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        try:
            url = server.stdout.readline().decode().split()[-1]
            results = {}
            for name, (documents, questions) in sets.items():
                known = Knowledge(url, name.replace("_", "-"), documents, setting)
                results[name] = {
                    "passages": len(known.lengths),
                    "chars": sum(known.lengths) / len(known.lengths),
                    "seconds": known.seconds,
                    "figures": [known.figures(question) for question in questions],
                }
            return results
        finally:
            server.terminate()
            server.wait(10)


def mean(results, sets, figure):
    """Of the means of each set."""
    of_set = lambda name: sum(f[figure] for f in results[name]["figures"]) / len(results[name]["figures"])
    return sum(map(of_set, sets)) / len(sets)


def difference(results, base, sets, figure):
    """To the base, and 1.96 standard errors of it; questions about the same paragraph are one draw."""
    total, variance = 0.0, 0.0
    for name, (_, questions) in sets.items():
        pairs = zip(results[name]["figures"], base[name]["figures"])
        apart = [a[figure] - b[figure] for a, b in pairs]
        middle = sum(apart) / len(apart)
        draws = collections.defaultdict(float)
        for (_, _, places), value in zip(questions, apart):
            draws[places[0]] += value - middle
        total += middle
        variance += sum(value * value for value in draws.values()) / len(apart) ** 2
    return total / len(sets), 1.96 * math.sqrt(variance) / len(sets)


def best_of(measured, sets):
    return max(measured, key=lambda setting: mean(measured[setting], sets, "equal budget"))


def better(measured, sets):
    """The best setting if it is worth a change and beats the default beyond chance for as many tries, else the default."""
    best = best_of(measured, sets)
    apart, error = difference(measured[best], measured[DEFAULT], sets, "equal budget")
    tries = statistics.NormalDist().inv_cdf(1 - 0.025 / max(1, len(measured) - 1)) / 1.96
    return best if apart > error * tries and apart >= WORTH else DEFAULT


def named(setting):
    return "{:,} / {} / {}".format(*setting) + (" (default)" if setting == DEFAULT else "")


def print_tables(measured, sets):
    base = measured[DEFAULT]
    print(f"\nMean over {len(sets)} sets; setting: maximumChunkLength / minimumParagraphLength / embeddedContextLevels\n")
    print("| setting | passages | mean chars | indexing s |", " | ".join(FIGURES), "| equal budget |")
    print("|---" * (5 + len(FIGURES)) + "|")
    for setting, results in measured.items():
        passages = sum(r["passages"] for r in results.values())
        chars = sum(r["chars"] * r["passages"] for r in results.values()) / passages
        seconds = sum(r["seconds"] for r in results.values())
        cells = [f"{mean(results, sets, figure):.3f}" for figure in (*FIGURES, "equal budget")]
        print(f"| {named(setting)} | {passages:,} | {chars:.0f} | {seconds:.0f} |", " | ".join(cells), "|")
    print("\nDifference to the default, in hundredths\n")
    print("| setting |", " | ".join(FIGURES), "| equal budget |")
    print("|---" * (2 + len(FIGURES)) + "|")
    for setting, results in measured.items():
        if setting != DEFAULT:
            apart = [difference(results, base, sets, figure) for figure in (*FIGURES, "equal budget")]
            print(f"| {named(setting)} |", " | ".join(f"{100 * d:+.1f} ± {100 * e:.1f}" for d, e in apart), "|")
    for figure in ("equal budget", "first"):
        print(f"\n{figure}, set by set, and the difference to the default in hundredths\n")
        print("| setting |", " | ".join(sets), "|")
        print("|---" * (1 + len(sets)) + "|")
        for setting, results in measured.items():
            cells = [f"{mean(results, [name], figure):.3f}" for name in sets]
            if setting != DEFAULT:
                apart = [difference(results, base, {name: sets[name]}, figure) for name in sets]
                cells = [f"{cell} ({100 * d:+.1f} ± {100 * e:.1f})" for cell, (d, e) in zip(cells, apart)]
            print(f"| {named(setting)} |", " | ".join(cells), "|")
    print("\npassages (their mean characters), set by set\n")
    print("| setting |", " | ".join(sets), "|")
    print("|---" * (1 + len(sets)) + "|")
    for setting, results in measured.items():
        cells = [f"{results[name]['passages']:,} ({results[name]['chars']:.0f})" for name in sets]
        print(f"| {named(setting)} |", " | ".join(cells), "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--binary", default=str(ROOT / "target/release/quarry"))
    parser.add_argument("--questions", type=int, default=500, help="of a set, at most")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the figures of every question")
    options = parser.parse_args()
    sets = {}
    for name, build in SETS.items():
        if (options.folder / name).is_dir():
            rng = random.Random(f"{SEED} {name}")
            documents, places = build(options.folder, name, rng)
            questions = questions_of(options.folder, name, places, options.questions, rng)
            sets[name] = documents, questions
            chars = sum(len(document.content()) for document in documents)
            print(f"{name}: {len(documents)} documents, {len(places)} paragraphs, {chars:,} bytes, {len(questions)} questions")
    if not sets:
        raise SystemExit(f"none of {', '.join(SETS)} in {options.folder}")
    measured = {}

    def run(setting):
        if setting not in measured:
            began = time.perf_counter()
            measured[setting] = measure(options.binary, sets, setting)
            print(f"{named(setting)}: {mean(measured[setting], sets, 'equal budget'):.3f}, {time.perf_counter() - began:.0f} s", flush=True)

    for size in SIZES:
        run((size, *DEFAULT[1:]))
    size = better(measured, sets)[0]
    for paragraph in PARAGRAPHS:
        run((size, paragraph, DEFAULT[2]))
    for levels in LEVELS:
        run((size, DEFAULT[1], levels))
    print_tables(measured, sets)
    if options.json:
        plain = {named(setting): results for setting, results in measured.items()}
        options.json.write_text(json.dumps(plain))
    best = best_of(measured, sets)
    apart, error = difference(measured[best], measured[DEFAULT], sets, "equal budget")
    print(f"\nBest by equal budget: {named(best)}, {100 * apart:+.1f} ± {100 * error:.1f} hundredths to the default")
    print("Recommended:", named(better(measured, sets)))


if __name__ == "__main__":
    main()
