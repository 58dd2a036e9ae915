"""The same ONNX file run by ONNX Runtime directly: the control of the embedding bench.

Runs in the environment that `run` makes. Same texts, same tokenizer, same threads and the very
batches that Quarry makes (read from its plan). One round per line of input, so that `run` can let
Quarry and the control take turns; prints one JSON object per round. Measures two sessions: one with
the runtime's default settings, whose idle threads spin, and one whose idle threads sleep, as
Quarry's do.

usage: control.py MODEL_DIR TEXTS.json PLAN.json THREADS
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


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

    def embed_all(session):
        ids = [tokenizer.encode(text).ids for text in texts]
        for batch in batches:
            width = max(len(ids[at]) for at in batch)
            rows = np.zeros((len(batch), width), np.int64)
            mask = np.zeros_like(rows)
            for row, at in enumerate(batch):
                rows[row, : len(ids[at])] = ids[at]
                mask[row, : len(ids[at])] = 1
            session.run(
                ["sentence_embedding"],
                {"input_ids": rows, "attention_mask": mask, "token_type_ids": np.zeros_like(rows)},
            )

    sessions = {"spinning": session("1"), "sleeping": session("0")}
    for _ in sys.stdin:
        rates = {}
        for name, each in sessions.items():
            start = time.perf_counter()
            embed_all(each)
            rates[name] = len(texts) / (time.perf_counter() - start)
        print(json.dumps(rates), flush=True)


if __name__ == "__main__":
    main()
