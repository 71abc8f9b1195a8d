"""What benchmarks share: one core, one thread, two sides that take turns, and tables for docs/peers.md.

To be imported before NumPy, which sizes its pool of threads once.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[pool] = "1"

ROUNDS = 7
PAGE = Path(__file__).parents[1] / "docs/peers.md"
TIMES = ("what, against whom", "ours, ms", "theirs, ms", "theirs / ours", "target", "agreement")


def absent(packages):
    """Those packages that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def turns(first, second):
    """Median seconds of both, which take turns, so that another load meets both; median of second / first."""
    times = []
    for _ in range(ROUNDS):
        pair = []
        for run in (first, second):
            start = time.perf_counter()
            run()
            pair.append(time.perf_counter() - start)
        times.append(pair)
    return *map(statistics.median, zip(*times, strict=True)), statistics.median(b / a for a, b in times)


def timing(name, packages, one, other, judge, sense="", target=None):
    """A row of `TIMES`; one() and other() prepare what is timed, judge(ours, theirs) says how well they agree."""
    if gone := absent(packages):
        return name, "", "", "", "", f"skipped: {', '.join(gone)} not installed"
    ours, theirs = one(), other()
    agreement = judge(ours(), theirs())
    a, b, ratio = turns(ours, theirs)
    met = target is None or (ratio >= target if sense == "at least" else ratio <= target)
    goal = f"{sense} {target:.3g}{'' if met else ': MISSED'}" if target else ""
    return name, f"{1e3 * a:.1f}", f"{1e3 * b:.1f}", f"{ratio:.2f}", goal, agreement


def table(head, rows):
    """A Markdown table, padded so that a terminal shows it well."""
    lines = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def versions(*packages):
    """Names and versions of those that are installed, and of Python."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in packages if not absent([name])]
    return ", ".join([f"Python {sys.version.split()[0]}", *found])


def replaced(page, name, text):
    """The page with the text between `<!-- name -->` and `<!-- end of name -->`."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, opened, rest = page.partition(start)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise SystemExit(f"{PAGE.name} lacks the lines {start} and {end}, between which the table stands")
    return f"{before}{start}\n\n{text}\n\n{end}{after}"


def main(name, doc, sections, argv):
    """Print what sections() yields, (title, text); with --write put it on the page as well."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description=doc)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/peers.md")
    write = parser.parse_args(argv).write
    parts = []
    for title, text in sections():
        parts.append(f"**{title}**\n\n{text}")
        print(f"{parts[-1]}\n", flush=True)
    if write:
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), name, "\n\n".join(parts)), "utf-8")
