"""Prints what each idea for ranking gains on retrieval sets, before any of it is built.

    python tried.py --vectors DIR FOLDER...        (numpy, scipy, PyStemmer; see README.md)

FOLDER: a set in the BEIR layout. DIR/<set>.docs.f32 and DIR/<set>.queries.f32: little-endian vectors
of 384 numbers in file order, as embed.py writes them. Rankings here are close to the engine's, not the
same: its analysis of words differs. What won was then built and measured with `quarry eval`.
"""

import argparse
import json
import math
import random
import re
from pathlib import Path

import numpy as np
import Stemmer
from scipy.sparse import csr_matrix

STOP = set("a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with".split())
ASK = set("about also been can could did do does from had has have he her his how i its me my our please she should so tell than them they us we were what when where which who whom whose why would you your am him any some having".split())
WORD, SENTENCE = re.compile(r"\w+"), re.compile(r"(?<=[.!?])\s+|\n+")
STEM = Stemmer.Stemmer("english")
DISCOUNT = 1 / np.log2(np.arange(2, 12))


def stems(text, drop):
    return STEM.stemWords([word for word in WORD.findall(text.lower()) if word not in drop])


def trigrams(words):
    return {("^" + w + "$")[i : i + 3] for w in words for i in range(len(w))}


def read(folder, vectors):
    lines = lambda name: [json.loads(line) for line in open(folder / name)]
    corpus, queries = lines("corpus.jsonl"), lines("queries.jsonl")
    at = {doc["_id"]: i for i, doc in enumerate(corpus)}
    relevant = {}
    for line in open(folder / "qrels/test.tsv").read().split("\n")[1:]:
        if line.strip():
            query, doc, grade = line.split("\t")
            if doc in at and float(grade) > 0:
                relevant.setdefault(query, {})[at[doc]] = float(grade)
    load = lambda kind: np.fromfile(vectors / f"{folder.name}.{kind}.f32", np.float32).reshape(-1, 384)
    keep = [i for i, query in enumerate(queries) if query["_id"] in relevant]
    return corpus, [queries[i] for i in keep], [relevant[queries[i]["_id"]] for i in keep], load("docs"), load("queries")[keep]


def bm25(docs, k1=1.2, b=0.75):
    vocabulary, rows, columns, values = {}, [], [], []
    mean = sum(map(len, docs)) / len(docs)
    for i, words in enumerate(docs):
        counts = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        for word, count in counts.items():
            rows.append(i)
            columns.append(vocabulary.setdefault(word, len(vocabulary)))
            values.append(count * (k1 + 1) / (count + k1 * (1 - b + b * len(words) / mean)))
    matrix = csr_matrix((values, (rows, columns)), (len(docs), len(vocabulary)), dtype=np.float32)
    held = np.asarray((matrix > 0).sum(0)).ravel()
    return matrix, vocabulary, np.log(1 + (len(docs) - held + 0.5) / (held + 0.5))


def evidence(query, worth, sentences, trigrams_q, words):
    """Share of the query's words at all, in the best sentence, side by side; of its trigrams."""
    total, pairs = sum(worth.values()) or 1, sum(min(worth[a], worth[b]) for a, b in zip(query, query[1:])) or 1
    seen, best, side = set(), 0, set()
    for sentence in sentences:
        here = set(sentence) & worth.keys()
        seen |= here
        best = max(best, sum(worth[word] for word in here))
        side |= set(zip(sentence, sentence[1:]))
    adjacent = sum(min(worth[a], worth[b]) for a, b in zip(query, query[1:]) if (a, b) in side)
    covered = sum(worth[word] for word in seen) / total
    return covered, best / total, adjacent / pairs, len(trigrams_q & trigrams(words)) / max(1, len(trigrams_q))


def features(folder, vectors, most, depth=50):
    corpus, queries, relevant, docs, asked = read(folder, vectors)
    texts = [doc.get("title", "") + "\n" + doc["text"] for doc in corpus]
    words = [stems(text, STOP) for text in texts]
    matrix, vocabulary, idf = bm25(words)
    sentences, split = {}, lambda i: [s for s in (stems(part, STOP) for part in SENTENCE.split(texts[i])) if s]
    titles = {}
    for i, doc in enumerate(corpus):
        titles.setdefault(doc.get("title", ""), []).append(i)
    picked = range(len(queries)) if len(queries) <= most else sorted(random.Random(1).sample(range(len(queries)), most))
    out = []
    for i in picked:
        text = queries[i]["text"]
        query = list(dict.fromkeys(stems(text, STOP | ASK) or stems(text, STOP) or stems(text, set())))
        known = [vocabulary[word] for word in query if word in vocabulary]
        word_scores = np.asarray(matrix[:, known] @ idf[known]).ravel() if known else np.zeros(len(docs))
        cosines = docs @ asked[i]
        pool = np.array(titles.get(queries[i]["scope"], [])) if "scope" in queries[i] else np.arange(len(docs))
        if not len(pool):
            continue
        lexical = pool[np.argsort(-word_scores[pool], kind="stable")[:100]]
        lexical, dense = lexical[word_scores[lexical] > 0], pool[np.argsort(-cosines[pool], kind="stable")[:100]]
        found = np.array(list(dict.fromkeys([*lexical[:depth], *dense[:depth]])))
        stretch = lambda scores, leg: np.where(np.isin(found, leg), np.clip((scores[found] - scores[leg[-1]]) / max(scores[leg[0]] - scores[leg[-1]], 1e-6), 0, 1), 0) if len(leg) else np.zeros(len(found))
        rank = lambda leg: np.array([dict(zip(leg, range(1, 101))).get(j, 10**6) for j in found])
        f = {"bm25": word_scores[found], "dense": cosines[found], "lex01": stretch(word_scores, lexical), "den01": stretch(cosines, dense)}
        f["rrf60"], f["rrf10"] = (1 / (k + rank(lexical)) + 1 / (k + rank(dense)) for k in (60, 10))
        f["cos"] = np.maximum(cosines[found], 0)
        spread = lambda scores, leg: (scores[found] - scores[leg].mean()) / (scores[leg].std() + 1e-6) if len(leg) else np.zeros(len(found))
        f["zscore"] = spread(word_scores, lexical) + spread(cosines, dense)
        top = found[np.argsort(-(f["lex01"] + f["den01"]), kind="stable")[:5]]
        centre = docs[top].sum(0)
        f["rocchio"] = docs[found] @ (centre / (np.linalg.norm(centre) + 1e-9))
        rare = math.log(1 + (len(docs) + 0.5) / 0.5)
        worth = {word: float(idf[vocabulary[word]]) if word in vocabulary else rare for word in query}
        tri = trigrams(set(WORD.findall(text.lower())) - STOP - ASK)
        rows = []
        for j in found:
            if j not in sentences:
                sentences[j] = (split(j), set(WORD.findall(texts[j].lower())))
            rows.append(evidence(query, worth, sentences[j][0], tri, sentences[j][1]))
        f["covered"], f["sentence"], f["adjacent"], f["trigram"] = np.array(rows, dtype=np.float32).T
        sure = min(1, max(0, (cosines[found].max() - 0.65) / 0.3)) * 0.8
        for name in ("lex01", "adjacent", "sentence", "covered", "trigram"):
            f["s:" + name] = f[name] * (1 - sure)
        grades = np.array([relevant[i].get(int(j), 0) for j in found])
        ideal = np.array(sorted(relevant[i].values(), reverse=True)[:10])
        out.append((f, grades, float((ideal * DISCOUNT[: len(ideal)]).sum())))
    return out


def ndcg(rows, score):
    gains = []
    for f, grades, ideal in rows:
        order = np.argsort(-score(f), kind="stable")[:10]
        gains.append((grades[order] * DISCOUNT[: len(order)]).sum() / ideal)
    return float(np.mean(gains))


class Table:
    """Features of a set as one array, to try many weights."""

    def __init__(self, rows, names):
        longest = max(len(grades) for _, grades, _ in rows)
        self.x = np.zeros((len(rows), longest, len(names)), np.float32)
        self.grades, self.out = np.zeros((len(rows), longest)), np.full((len(rows), longest), -1e9)
        self.ideal = np.array([ideal for _, _, ideal in rows])
        for r, (f, grades, _) in enumerate(rows):
            self.x[r, : len(grades)] = np.stack([f[name] for name in names], 1)
            self.grades[r, : len(grades)], self.out[r, : len(grades)] = grades, 0

    def ndcg(self, weights):
        order = np.argsort(-(self.x @ weights + self.out), axis=1, kind="stable")[:, :10]
        return float(((np.take_along_axis(self.grades, order, 1) * DISCOUNT[: order.shape[1]]).sum(1) / self.ideal).mean())


def fit(tables, bars, weights):
    """Coordinate ascent on the mean of nDCG over the best leg's; falling below a leg costs extra."""

    def goal(w):
        shares = [table.ndcg(w) / bar for table, bar in zip(tables, bars)]
        return np.mean(shares) - 0.5 * sum(max(0, 1 - share) for share in shares)

    weights = np.array(weights, np.float32)
    best = goal(weights)
    for _ in range(3):
        before = best
        for j in range(len(weights)):
            for change in (0, 0.5, 0.7, 0.85, 1.2, 1.4, 2):
                tried = weights.copy()
                tried[j] *= change
                if (now := goal(tried)) > best + 5e-5:
                    best, weights = now, tried
        if best == before:
            break
    return weights


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()
    sets = {folder.name: features(folder, args.vectors, args.queries) for folder in args.folders}
    line = lambda name, figures: print(f"| {name} |", " | ".join(f"{x:.4f}" for x in figures), f"| {np.mean(figures):.4f} |", flush=True)
    print("| nDCG@10 |", " | ".join(sets), "| mean |")
    print("|---|" + "---|" * (len(sets) + 1))
    each = lambda score: [ndcg(rows, score) for rows in sets.values()]
    legs = each(lambda f: f["bm25"]), each(lambda f: f["dense"])
    line("BM25", legs[0])
    line("dense", legs[1])
    bars = [max(pair) for pair in zip(*legs)]
    for name in ("rrf60", "rrf10", "zscore"):
        line(f"fusion: {name}", each(lambda f: f[name]))
    for w in (0.3, 0.4, 0.5):
        line(f"fusion: min-max {w}", each(lambda f: (1 - w) * f["lex01"] + w * f["den01"]))
    for name in ("rocchio", "covered", "sentence", "adjacent", "trigram"):
        line(f"min-max .4 + .3 {name}", each(lambda f: 0.6 * f["lex01"] + 0.4 * f["den01"] + 0.3 * f[name]))
    stages = {
        "learned: lexical, cosine": (["lex01", "cos"], [1, 6]),
        "+ sentence, adjacent, covered": (["lex01", "cos", "sentence", "adjacent", "covered"], [1, 6, 1.4, 1.2, 0.7]),
        "+ words count less where cosine is sure": (["s:lex01", "cos", "s:sentence", "s:adjacent", "s:covered"], [1, 6, 1.4, 1.2, 0.7]),
        "+ trigrams": (["s:lex01", "cos", "s:sentence", "s:adjacent", "s:covered", "s:trigram"], [1, 6, 1.4, 1.2, 0.7, 0.7]),
        "+ rocchio": (["s:lex01", "cos", "s:sentence", "s:adjacent", "s:covered", "rocchio"], [1, 6, 1.4, 1.2, 0.7, 0.5]),
    }
    for name, (names, start) in stages.items():
        tables = [Table(rows, names) for rows in sets.values()]
        left_out = []
        for out, table in enumerate(tables):
            rest = [i for i in range(len(tables)) if i != out]
            left_out.append(table.ndcg(fit([tables[i] for i in rest], [bars[i] for i in rest], start)))
        line(f"{name}, set left out", left_out)
        weights = fit(tables, bars, start)
        line(f"{name}, all sets", [table.ndcg(weights) for table in tables])
        print("    weights:", ", ".join(f"{n} {w:.2f}" for n, w in zip(names, weights)))
        print("    of the better leg, set left out:", " ".join(f"{x / bar:.3f}" for x, bar in zip(left_out, bars)))


main()
