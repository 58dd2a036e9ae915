"""Writes the vectors of retrieval sets: python embed.py DIR FOLDER...   (onnxruntime, tokenizers, numpy)

DIR/<set>.docs.f32 and DIR/<set>.queries.f32: little-endian, 384 numbers each, in file order; a document
is its title, a line feed and its text, cut at 256 tokens.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MODEL = Path(__file__).parents[2] / "models" / "all-MiniLM-L6-v2"


def main():
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(MODEL / "model.int8.onnx"))

    def vectors(texts):
        coded = [tokenizer.encode(text).ids for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(coded[i]))
        out = np.zeros((len(texts), 384), np.float32)
        for start in range(0, len(order), 8):
            batch = order[start : start + 8]
            ids = np.zeros((len(batch), max(len(coded[i]) for i in batch)), np.int64)
            mask = np.zeros_like(ids)
            for row, i in enumerate(batch):
                ids[row, : len(coded[i])], mask[row, : len(coded[i])] = coded[i], 1
            out[batch] = session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
        return out

    place = Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    for folder in map(Path, sys.argv[2:]):
        read = lambda name: [json.loads(line) for line in open(folder / name)]
        docs = [(doc.get("title", "") + "\n" + doc["text"]).strip() for doc in read("corpus.jsonl")]
        vectors(docs).tofile(place / f"{folder.name}.docs.f32")
        vectors([query["text"] for query in read("queries.jsonl")]).tofile(place / f"{folder.name}.queries.f32")
        print(folder.name, len(docs), flush=True)


main()
