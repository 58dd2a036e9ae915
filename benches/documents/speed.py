#!/usr/bin/env python3
"""Times `quarry extract` against pdfium called directly, and its memory: speed.py QUARRY FILE.pdf…

The fastest of three runs each, wall and CPU seconds; the peak resident memory is the sum over all processes of the command,
sampled every 5 ms.
"""
import os, resource, subprocess, sys, tempfile, time

DIRECT = """
import sys, pypdfium2
document = pypdfium2.PdfDocument(sys.argv[1])
print(sum(len(document[at].get_textpage().get_text_range()) for at in range(len(document))))
"""


def family(root):
    """Resident bytes of a process and those it started."""
    parents, sizes = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()
                parents[int(name)] = int(stat[1])
                sizes[int(name)] = int(stat[21]) * resource.getpagesize()
            except (OSError, IndexError):
                continue
    total = 0
    for pid, size in sizes.items():
        at = pid
        while at and at != root:
            at = parents.get(at, 0)
        total += size if at == root else 0
    return total


def run(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, peak = time.perf_counter(), 0
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while child.poll() is None:
        peak = max(peak, family(child.pid))
        time.sleep(0.005)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak, child.returncode


def main():
    quarry, files = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as out:
        for path in files:
            ours = [run([quarry, "extract", path, "--out", out]) for _ in range(3)]
            theirs = [run([sys.executable, "-c", DIRECT, path]) for _ in range(3)]
            best = lambda runs, at: min(r[at] for r in runs)
            print(f"{os.path.basename(path)} ({os.path.getsize(path) / 1e6:.0f} MB): quarry wall {best(ours, 0):.2f} s cpu {best(ours, 1):.2f} s "
                  f"peak {max(r[2] for r in ours) / 1e6:.0f} MB exit {ours[0][3]}; pdfium wall {best(theirs, 0):.2f} s cpu {best(theirs, 1):.2f} s; "
                  f"speed {best(theirs, 0) / best(ours, 0):.2f} x wall, {best(theirs, 1) / best(ours, 1):.2f} x cpu")


main()
