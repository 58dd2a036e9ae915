#!/usr/bin/env python3
"""Makes the sample documents from src/*.md.

Usage: testdata/docs/build.py [--out FOLDER]
The output is the same byte for byte on each run with the same package versions.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import sample_env  # noqa: E402

sample_env.enter()

from blocks import parse  # noqa: E402
from writers import pdf, text, web, word  # noqa: E402

WRITERS = {
    ".pdf": pdf.write,
    ".docx": word.write,
    ".html": web.write,
    ".md": text.write_markdown,
    ".txt": text.write_text,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder to write into (default: beside this script)"
    )
    parser.add_argument("--src", type=Path, default=HERE / "src", help="folder of the sources")
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(options.src.glob("*.md")):
        source = parse(path.read_text(encoding="utf-8"))
        target = out / source.meta["output"]
        WRITERS[target.suffix](source, target)
        print(f"{target.name}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
