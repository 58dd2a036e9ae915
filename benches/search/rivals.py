"""Times vector search beside hnswlib, faiss and LanceDB: same vectors, same machine, one thread each, one run.

    python rivals.py BASE.f32 QUERIES.f32 --count 100000 [--alone]      (numpy; hnswlib, faiss-cpu, lancedb unless alone)

BASE.f32 holds real vectors (384 numbers each); more are made by pushing copies aside to about cosine .8.
All use M 16 and efConstruction 200. Recall@10 is against exact search, equal scores standing for one
another. LanceDB searches one partition of 8 bit codes and compares the best again. All are timed twice in turns, ours built
anew each time, and the lesser median counts: the machine may have been slow once. Prints, for each engine, the least time
of an ef that reaches each recall.
Build `cargo build --release --workspace --example vector_sweep` first.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

DIMS, EFS, WANTED = 384, (10, 16, 24, 32, 48, 64, 96, 128, 256, 512), (0.95, 0.98, 0.99)


def made(base, count):
    rng, parts = np.random.default_rng(7), [base[:count]]
    while sum(map(len, parts)) < count:
        noise = rng.standard_normal(base.shape, np.float32) / np.sqrt(DIMS)
        parts.append(base + 0.75 * noise)
    docs = np.concatenate(parts)[:count].astype(np.float32)
    return docs / np.linalg.norm(docs, axis=1, keepdims=True)


def timed(queries, run):
    found, times = [], []
    for query in queries:
        begun = time.perf_counter()
        found.append(run(query))
        times.append((time.perf_counter() - begun) * 1000)
    return np.array(found), float(np.median(times))


def recall(found, docs, queries, floor):
    scores = np.stack([docs[ids] @ query for ids, query in zip(found, queries)])
    return float((scores >= floor[:, None] - 1e-5).sum(1).clip(max=10).mean() / 10)


def rivals(docs):
    """Of each rival, its name, the breadths it can search with and what makes a search of one."""
    import faiss
    import hnswlib

    faiss.omp_set_num_threads(1)
    begun = time.perf_counter()
    graph = hnswlib.Index("ip", DIMS)
    graph.init_index(len(docs), M=16, ef_construction=200)
    graph.set_num_threads(1)
    graph.add_items(docs, num_threads=1)
    print(f"hnswlib built in {time.perf_counter() - begun:.1f} s")

    def by_hnswlib(ef):
        graph.set_ef(ef)
        return lambda query: graph.knn_query(query, 10, num_threads=1)[0][0]

    begun = time.perf_counter()
    flat = faiss.IndexHNSWFlat(DIMS, 16, faiss.METRIC_INNER_PRODUCT)
    flat.hnsw.efConstruction = 200
    flat.add(docs)
    print(f"faiss built in {time.perf_counter() - begun:.1f} s")

    def by_faiss(ef):
        flat.hnsw.efSearch = ef
        return lambda query: flat.search(query[None], 10)[1][0]

    # LanceDB wants a breadth of at least what it compares again.
    broad = [ef for ef in EFS if ef >= 32]
    return {"hnswlib": (EFS, by_hnswlib), "faiss": (EFS, by_faiss), "LanceDB": (broad, lance(docs))}


def lance(docs):
    os.environ["LANCE_CPU_THREADS"] = "1"  # read when it is loaded
    import lancedb
    import pyarrow

    vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(docs.reshape(-1)), DIMS)
    rows = pyarrow.table({"id": pyarrow.array(np.arange(len(docs), dtype=np.int64)), "vector": vectors})
    place = tempfile.TemporaryDirectory()
    begun = time.perf_counter()
    table = lancedb.connect(place.name).create_table("docs", rows)
    table.create_index(metric="cosine", index_type="IVF_HNSW_SQ", num_partitions=1, m=16, ef_construction=200)
    print(f"LanceDB built in {time.perf_counter() - begun:.1f} s")

    def by_lance(ef, _place=place):
        asked = lambda query: table.search(query).distance_type("cosine").nprobes(1).ef(ef).refine_factor(3)
        return lambda query: asked(query).limit(10).select(["id", "_distance"]).to_arrow()["id"].to_numpy()

    return by_lance


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=300)
    parser.add_argument("--alone", action="store_true", help="time Quarry alone")
    parser.add_argument("--planned", action="store_true", help="of Quarry only searches as it plans them, not every breadth")
    parser.add_argument("--ours", default="target/release/examples/vector_sweep")
    args = parser.parse_args()
    load = lambda path: np.fromfile(path, np.float32).reshape(-1, DIMS)
    docs, queries = made(load(args.base), args.count), load(args.queries)[: args.asked]
    queries = np.ascontiguousarray(queries / np.linalg.norm(queries, axis=1, keepdims=True))
    floor = np.stack([np.sort(docs @ query)[-10] for query in queries])
    points, planned, of_rivals = {}, [], {}

    def time_ours():
        with tempfile.TemporaryDirectory() as place:
            docs.tofile(f"{place}/docs.f32")
            queries.tofile(f"{place}/queries.f32")
            command = [args.ours, f"{place}/docs.f32", f"{place}/queries.f32", "--json"] + ["--planned"] * args.planned
            ours = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        print(f"quarry built in {ours['build_s']:.1f} s")
        planned.append(ours["planned"])
        keep("quarry", [(p["ef"] or 0, p["recall"], p["ms"]) for p in ours["sweep"]])

    def keep(name, seen):
        before = points.get(name, seen)
        points[name] = [(ef, r, min(ms, old)) for (ef, r, ms), (_, _, old) in zip(seen, before)]

    print(f"{len(docs)} vectors, {len(queries)} queries")
    time_ours()
    if not args.alone:
        of_rivals = rivals(docs)
    for turn in range(2):
        for name, (breadths, search_of) in of_rivals.items():
            seen = []
            for ef in breadths:
                found, ms = timed(queries, search_of(ef))
                seen.append((ef, recall(found, docs, queries, floor), ms))
            keep(name, seen)
        if of_rivals and turn == 0:
            time_ours()

    for name, of in points.items():
        print(f"{name:8}", "  ".join(f"ef{ef} {r:.3f} {ms:.3f}ms" for ef, r, ms in of))
    for wanted in WANTED:
        best = {name: min((ms for ef, r, ms in of if r >= wanted), default=None) for name, of in points.items()}
        print(f"recall {wanted}:", "  ".join(f"{name} {ms:.3f} ms" if ms else f"{name} not reached" for name, ms in best.items()))
    for of in planned[-1]:
        print(f"quarry, {of['what']}: recall {of['recall']:.4f}, {of['ms']:.3f} ms")


main()
