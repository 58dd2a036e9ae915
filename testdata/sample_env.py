"""Runs the calling script in testdata/.venv, which it makes on first use.

The versions are pinned because the committed documents were made with them.
"""

import os
import subprocess
import sys
from pathlib import Path

PACKAGES = [
    "reportlab==5.1.0",
    "python-docx==1.2.0",
    "pypdf==7.1.0",
    "pillow==13.0.0",
]
FOLDER = Path(__file__).resolve().parent / ".venv"


def enter():
    """Replaces this process by the same script under the venv's Python; returns if it runs there already."""
    if Path(sys.prefix) == FOLDER:
        return
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "packages.txt"
    wanted = "\n".join(PACKAGES)
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"making {FOLDER} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.write_text(wanted)
    os.execv(python, [str(python), *sys.argv])
