"""The same ONNX file run by ONNX Runtime directly: the control of the embedding bench.

Runs in the environment that `run` makes. Same texts, same tokenizer, same threads and the very
batches that Quarry makes (read from its plan). For every line of input, `passages` or `queries`, it
measures one of the two and prints one JSON object, so that `run` can let Quarry and the control take
turns: passages per second, or the median time of one query in milliseconds, for two sessions: one
with the runtime's default settings, whose idle threads spin, and one whose idle threads sleep.

usage: control.py MODEL_DIR TEXTS.json PLAN.json THREADS
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

QUERY = "how do I clean the filter of the dryer?"  # that of crates/embed/examples/throughput.rs


def main():
    folder, texts, plan, threads = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    texts = json.loads(Path(texts).read_text())
    batches = json.loads(Path(plan).read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    def session(spin):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", spin)
        model = str(folder / "model.int8.onnx")
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def embed(session, rows):
        width = max(len(ids) for ids in rows)
        numbers = np.zeros((len(rows), width), np.int64)
        mask = np.zeros_like(numbers)
        for at, ids in enumerate(rows):
            numbers[at, : len(ids)] = ids
            mask[at, : len(ids)] = 1
        inputs = {"input_ids": numbers, "attention_mask": mask, "token_type_ids": np.zeros_like(numbers)}
        session.run(["sentence_embedding"], inputs)

    def passages_per_s(session):
        start = time.perf_counter()
        ids = [tokenizer.encode(text).ids for text in texts]
        for batch in batches:
            embed(session, [ids[at] for at in batch])
        return len(texts) / (time.perf_counter() - start)

    def query_p50_ms(session):
        times = []
        for _ in range(31):
            start = time.perf_counter()
            embed(session, [tokenizer.encode(QUERY).ids])
            times.append((time.perf_counter() - start) * 1000)
        return statistics.median(times)

    measures = {"passages": passages_per_s, "queries": query_p50_ms}
    sessions = {"spinning": session("1"), "sleeping": session("0")}
    for line in sys.stdin:
        measure = measures[line.strip()]
        print(json.dumps({name: measure(each) for name, each in sessions.items()}), flush=True)


if __name__ == "__main__":
    main()
