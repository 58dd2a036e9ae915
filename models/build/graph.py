"""Turns the safetensors weights of a BERT-shaped sentence encoder into one ONNX file.

Runs inside the environment that build.py makes (numpy, onnx, safetensors). Weight matrices are
stored as int8 with one float32 scale per output column, word embeddings as int8 with one scale per
row, and both are dequantised inside the graph by Cast and Mul. Activations stay float32: a vector
never depends on the texts that share its batch. Nodes, names and bytes come out the same each time.
"""

import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET = 17
IR_VERSION = 8
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "sentence_embedding"
# Added to the score of a padded position; exp() of it is exactly 0 in float32.
MASKED = -10000.0


def quantise(matrix, scale_per):
    """int8 values and float32 scales; `scale_per` is the axis that keeps a scale of its own."""
    peak = np.abs(matrix).max(axis=1 - scale_per, keepdims=True)
    scale = np.where(peak == 0, 1, peak / 127).astype(np.float32)
    return np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8), scale


class Graph:
    """Collects nodes and constants; every method returns the name of the tensor it made."""

    def __init__(self):
        self.nodes = []
        self.constants = {}

    def op(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name, value, dtype=None):
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def dequantised(self, name, matrix, scale_per):
        values, scale = quantise(matrix, scale_per)
        wide = self.op("Cast", [self.constant(f"{name}.int8", values)], f"{name}.wide", to=TensorProto.FLOAT)
        return self.op("Mul", [wide, self.constant(f"{name}.scale", scale)], name)

    def finish(self, name, inputs, outputs):
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        model.producer_name = "quarry"
        onnx.checker.check_model(model, full_check=True)
        return model


class Encoder:
    """The layers of the encoder, written into a Graph."""

    def __init__(self, config, weights):
        self.graph = Graph()
        self.weights = weights
        self.layers = config["num_hidden_layers"]
        self.width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        if config["hidden_act"] != "gelu" or config["position_embedding_type"] != "absolute":
            raise ValueError("only BERT with erf-gelu and absolute positions is known here")

    def norm(self, tensor, source, output):
        g = self.graph
        gain = g.constant(f"{source}.gain", self.weights[f"{source}.weight"], np.float32)
        bias = g.constant(f"{source}.bias", self.weights[f"{source}.bias"], np.float32)
        return g.op("LayerNormalization", [tensor, gain, bias], output, axis=-1, epsilon=self.epsilon)

    def linear(self, tensor, source, output):
        g = self.graph
        # Stored [out, in]; MatMul wants [in, out], so the scale per output is the one per column.
        matrix = g.dequantised(f"{source}.weight", self.weights[f"{source}.weight"].T, scale_per=1)
        bias = g.constant(f"{source}.bias", self.weights[f"{source}.bias"], np.float32)
        return g.op("Add", [g.op("MatMul", [tensor, matrix], f"{output}.product"), bias], output)

    def embeddings(self):
        g = self.graph
        table, scale = quantise(self.weights["embeddings.word_embeddings.weight"], scale_per=0)
        rows = g.op("Gather", [g.constant("words.int8", table), "input_ids"], "words.rows")
        rows = g.op("Cast", [rows], "words.wide", to=TensorProto.FLOAT)
        scales = g.op("Gather", [g.constant("words.scale", scale), "input_ids"], "words.scales")
        words = g.op("Mul", [rows, scales], "words")
        kinds = g.constant("kinds.table", self.weights["embeddings.token_type_embeddings.weight"], np.float32)
        words = g.op("Add", [words, g.op("Gather", [kinds, "token_type_ids"], "kinds")], "words.kinds")
        places = g.constant("places.table", self.weights["embeddings.position_embeddings.weight"], np.float32)
        g.constant("first", [0], np.int64)
        g.constant("second", [1], np.int64)
        length = g.op("Gather", [g.op("Shape", ["input_ids"], "shape"), "second"], "length", axis=0)
        places = g.op("Slice", [places, "first", length, "first"], "places")
        return self.norm(g.op("Add", [words, places], "embedded"), "embeddings.LayerNorm", "embedded.normed")

    def attention(self, hidden, at):
        g = self.graph

        def heads(part, order):
            flat = self.linear(hidden, f"encoder.layer.{at}.attention.self.{part}", f"layer{at}.{part}")
            split = g.op("Reshape", [flat, "split"], f"{flat}.split")
            return g.op("Transpose", [split], f"{flat}.heads", perm=order)

        query = heads("query", [0, 2, 1, 3])
        key = heads("key", [0, 2, 3, 1])
        value = heads("value", [0, 2, 1, 3])
        scores = g.op("Div", [g.op("MatMul", [query, key], f"layer{at}.raw"), "root"], f"layer{at}.scaled")
        scores = g.op("Add", [scores, "penalty"], f"layer{at}.scores")
        shares = g.op("Softmax", [scores], f"layer{at}.shares", axis=-1)
        mixed = g.op("MatMul", [shares, value], f"layer{at}.mixed")
        mixed = g.op("Transpose", [mixed], f"layer{at}.mixed.rows", perm=[0, 2, 1, 3])
        mixed = g.op("Reshape", [mixed, "merge"], f"layer{at}.context")
        return self.linear(mixed, f"encoder.layer.{at}.attention.output.dense", f"layer{at}.attended")

    def layer(self, hidden, at):
        g = self.graph
        source = f"encoder.layer.{at}"
        attended = g.op("Add", [self.attention(hidden, at), hidden], f"layer{at}.attended.sum")
        attended = self.norm(attended, f"{source}.attention.output.LayerNorm", f"layer{at}.attended.normed")
        wide = self.linear(attended, f"{source}.intermediate.dense", f"layer{at}.wide")
        # Erf-gelu spelled in the order that runtimes recognise and fuse.
        gate = g.op("Erf", [g.op("Div", [wide, "sqrt2"], f"layer{at}.gelu.arg")], f"layer{at}.gelu.erf")
        gate = g.op("Mul", [wide, g.op("Add", [gate, "one"], f"layer{at}.gelu.sum")], f"layer{at}.gelu.gate")
        active = g.op("Mul", [gate, "half"], f"layer{at}.gelu")
        narrow = self.linear(active, f"{source}.output.dense", f"layer{at}.narrow")
        narrow = g.op("Add", [narrow, attended], f"layer{at}.sum")
        return self.norm(narrow, f"{source}.output.LayerNorm", f"layer{at}.out")

    def pooled(self, hidden):
        """Mean over the unmasked tokens, then L2 norm."""
        g = self.graph
        mask = g.op("Unsqueeze", ["mask", "last"], "mask.column")
        total = g.op("ReduceSum", [g.op("Mul", [hidden, mask], "pool.kept"), "second"], "pool.sum", keepdims=0)
        count = g.op("ReduceSum", ["mask", "second"], "pool.count", keepdims=1)
        mean = g.op("Div", [total, count], "pool.mean")
        square = g.op("ReduceSum", [g.op("Mul", [mean, mean], "pool.square"), "last"], "pool.squares", keepdims=1)
        return g.op("Div", [mean, g.op("Sqrt", [square], "pool.norm")], OUTPUT)

    def build(self, name):
        g = self.graph
        for word, value in (("one", 1.0), ("half", 0.5), ("sqrt2", math.sqrt(2.0)), ("masked", MASKED)):
            g.constant(word, value, np.float32)
        g.constant("root", math.sqrt(self.width // self.heads), np.float32)
        g.constant("split", [0, 0, self.heads, self.width // self.heads], np.int64)
        g.constant("merge", [0, 0, self.width], np.int64)
        g.constant("last", [-1], np.int64)
        g.constant("middle", [1, 2], np.int64)
        hidden = self.embeddings()
        g.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
        padded = g.op("Sub", ["one", g.op("Unsqueeze", ["mask", "middle"], "mask.square")], "mask.padded")
        g.op("Mul", [padded, "masked"], "penalty")
        for at in range(self.layers):
            hidden = self.layer(hidden, at)
        self.pooled(hidden)
        tokens = ["batch", "sequence"]
        inputs = [helper.make_tensor_value_info(i, TensorProto.INT64, tokens) for i in INPUTS]
        output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", self.width])
        return g.finish(name, inputs, [output])


def export(source, target, name):
    """Write the quantised graph of the weights in folder `source` to the file `target`."""
    config = json.loads((Path(source) / "config.json").read_text())
    model = Encoder(config, load_file(Path(source) / "model.safetensors")).build(name)
    Path(target).write_bytes(model.SerializeToString(deterministic=True))


def compare(folder, reference):
    """Worst and mean cosine of the exported model to the reference vectors; token counts must agree."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(Path(folder) / "model.int8.onnx"), providers=["CPUExecutionProvider"])
    cosines = []
    for entry in json.loads(Path(reference).read_text())["sentences"]:
        encoding = tokenizer.encode(entry["text"])
        if len(encoding.ids) != entry["tokens"]:
            raise ValueError(f"{len(encoding.ids)} tokens, the reference has {entry['tokens']}: {entry['text']!r}")
        fields = zip(INPUTS, (encoding.ids, encoding.attention_mask, encoding.type_ids))
        vector = session.run([OUTPUT], {name: np.array([field], np.int64) for name, field in fields})[0][0]
        wanted = np.array(entry["vector"], np.float64)
        cosines.append(float(vector @ wanted / np.linalg.norm(vector) / np.linalg.norm(wanted)))
    return min(cosines), sum(cosines) / len(cosines)


if __name__ == "__main__":
    import sys

    weights, folder, reference, name = sys.argv[1:]
    export(weights, Path(folder) / "model.int8.onnx", name)
    worst, mean = compare(folder, reference)
    print(json.dumps({"worst": worst, "mean": mean}))
