#!/usr/bin/env python3
"""Make the token space of models/all-MiniLM-L6-v2: how vectors of single tokens are shortened for late interaction.

    python models/build/token_space.py FOLDER...     (packages of requirements.txt)

FOLDER: retrieval sets in the BEIR layout; only their passages are read, no questions and no grades. Writes
token_space.bin beside the model: one line of JSON (sha256 of the graph it was made with, tensor, width, dims, vocabulary,
sha256 of the rest), then
little-endian float32: the mean (width) and the main directions (dims x width, each divided by the fourth root of the
variance along it, which is half a whitening), then a byte for each token of the vocabulary: 0 marks and punctuation,
1 words that say nothing, 2 all others.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

MODEL = Path(__file__).resolve().parent.parent / "all-MiniLM-L6-v2"
TENSOR, DIMS, LIMIT = "layer5.out", 32, 256
TOKENS_PER_SET = 15_000
SILENT = set("a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with".split())


def kinds(tokenizer):
    names = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    mark = lambda name: (name[0] == "[" and name[-1] == "]") or not any(c.isalnum() for c in name.removeprefix("##"))
    return np.array([0 if mark(name) else 1 if name in SILENT else 2 for name in names], np.uint8)


def main():
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(LIMIT)
    tokenizer.no_padding()
    kind = kinds(tokenizer)
    model = (MODEL / "model.int8.onnx").read_bytes()
    graph = onnx.load_from_string(model)
    graph.graph.output.append(onnx.helper.make_tensor_value_info(TENSOR, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    sample, choice = [], random.Random(1)
    for folder in sys.argv[1:]:
        corpus = [json.loads(line) for line in open(Path(folder) / "corpus.jsonl")]
        choice.shuffle(corpus)
        count = 0
        for doc in corpus:
            encoding = tokenizer.encode((doc.get("title", "") + "\n" + doc["text"]).strip())
            ids = np.array([encoding.ids], np.int64)
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            vectors = session.run([TENSOR], feed)[0][0][kind[ids[0]] == 2]
            sample.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
            count += len(vectors)
            if count >= TOKENS_PER_SET:
                break
        print(f"{folder}: {count} tokens")
    sample = np.concatenate(sample).astype(np.float64)
    mean = sample.mean(0)
    variances, directions = np.linalg.eigh(np.cov((sample - mean).T))
    variances, directions = variances[::-1][:DIMS], directions[:, ::-1][:, :DIMS].T
    # The sign of a direction is free; fixed, so that equal inputs give equal files.
    directions *= np.sign(directions[np.arange(DIMS), np.abs(directions).argmax(1)])[:, None]
    body = mean.astype("<f4").tobytes() + (directions / variances[:, None] ** 0.25).astype("<f4").tobytes() + kind.tobytes()
    head = {
        "graph": hashlib.sha256(model).hexdigest(),
        "tensor": TENSOR,
        "width": sample.shape[1],
        "dims": DIMS,
        "vocabulary": len(kind),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    (MODEL / "token_space.bin").write_bytes(json.dumps(head).encode() + b"\n" + body)
    print(head)


if __name__ == "__main__":
    main()
