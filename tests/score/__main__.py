"""``python -m tests.score [FOLDER]``: scores ctcpmon on a folder with labels.json.

Prints the confusion table, precision and recall per class, what was said about direction and loss side,
the delay from the true onset to the finding, and every row that is wrong. Exits with 1 below the floor
of ``floor.toml``; of a part of the folder (``--only``) only false and missed stalls are held against it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .floor import Floor, shortfalls
from .labels import Capture, LabelError, load
from .scoring import CLASS_OF, Row, delays, rows_of, share, strays
from .verdicts import replay

WORKERS = 2


def score(captures: list[Capture]) -> tuple[list[Row], list[str]]:
    """Rows of every capture, and the stalls reported for flows without a label."""
    rows: list[Row] = []
    stray: list[str] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        reports = pool.map(lambda capture: replay([capture.path]), captures)
        for capture, report in zip(captures, reports, strict=True):
            rows += rows_of(capture, report)
            stray += [f"{capture.name} {s.ends} {s.signature}" for s in strays(capture, report)]
    return rows, stray


def table(rows: list[Row]) -> str:
    """One line per capture: expected and reported verdicts."""
    lines = []
    for name in dict.fromkeys(r.capture for r in rows):
        mine = [r for r in rows if r.capture == name]
        want = ", ".join(f"{n} {k}" for k, n in sorted(Counter(r.flow.verdict for r in mine).items()))
        said = ", ".join(f"{n} {k}" for k, n in sorted(Counter(r.said for r in mine).items()))
        mark = "ok" if all(r.is_right for r in mine) else "WRONG"
        lines.append(f"{mark:5} {name:38} want {want:46} said {said}")
    return "\n".join(lines)


def confusion(rows: list[Row]) -> str:
    """Truth down, report across."""
    tunnels = [r for r in rows if r.expected]
    order = ["healthy", "at_risk", "suspect", "stalled", "unknown", "none"]
    lines = [f"{'truth / said':16}" + "".join(f"{o:>9}" for o in order)]
    for truth in ("healthy", "at_risk", "stalled"):
        counts = Counter(r.said for r in tunnels if r.flow.verdict == truth)
        lines.append(f"{truth:16}" + "".join(f"{counts[o]:9}" for o in order))
    counts = Counter(r.said for r in rows if not r.expected)
    lines.append(f"{'not a tunnel':16}" + "".join(f"{counts[o]:9}" for o in order))
    return "\n".join(lines)


def per_class(rows: list[Row]) -> str:
    """Precision and recall of each stall class."""
    lines = [f"{'class':26} {'flows':>6} {'found':>6} {'recall':>7} {'named':>6} {'precision':>9}"]
    for name in sorted(set(CLASS_OF.values())):
        truth = [r for r in rows if r.flow.is_judgeable and r.flow.stall_class == name]
        found = [r for r in truth if r.said == "stalled"]
        named = [r for r in rows if r.class_said == name]
        good = [r for r in named if not r.is_false_stall and r.class_right is not False]
        recall = f"{len(found) / len(truth):7.3f}" if truth else "      -"
        precision = f"{len(good) / len(named):9.3f}" if named else "        -"
        lines.append(f"{name:26} {len(truth):6} {len(found):6} {recall} {len(named):6} {precision}")
    return "\n".join(lines)


def describe(row: Row) -> str:
    """One row for a person."""
    s = row.session
    at = f"{row.delay:+.1f} s" if row.delay is not None else "-"
    found = f"{s.signature} stopped {s.stopped} loss {s.loss_side} at {at}" if s else "no session"
    return f"  {row.capture} {row.flow.name} want {sorted(row.flow.acceptable)} said {row.said} ({found})"


def main(argv: list[str] | None = None) -> int:
    """Runs the score; 0 at or above the floor, 1 below, 2 for labels that cannot be used."""
    shared = os.environ.get("CTCPMON_SHARED", "../shared")
    parser = argparse.ArgumentParser(prog="tests.score", description="Scores ctcpmon on labelled captures.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(shared) / "captures" / "lab")
    parser.add_argument("--only", default="", help="captures whose name contains this")
    parser.add_argument("-v", "--verbose", action="store_true", help="every stalled row")
    options = parser.parse_args(argv)
    try:
        captures = [c for c in load(options.folder) if options.only in c.name]
    except LabelError as error:
        print(f"score: {error}", file=sys.stderr)
        return 2
    rows, stray = score(captures)
    print(table(rows), confusion(rows), per_class(rows), sep="\n\n")
    false_stalls = [r for r in rows if r.is_false_stall]
    missed = [r for r in rows if r.is_missed]
    early = [r for r in rows if r.delay is not None and r.delay < 0.0]
    tell = [r for r in rows if r.expected]
    print(f"\nright {share(r.is_right for r in tell)}, strictly {share(r.is_strict for r in tell)}")
    print(f"false stalls {len(false_stalls) + len(stray)}, missed stalls {len(missed)}")
    print(f"class right {share(r.class_right for r in rows)}")
    print(f"direction right {share(r.direction_right for r in rows)}")
    unsaid = sum(r.loss_unsaid for r in rows)
    print(f"loss side right {share(r.loss_right for r in rows)}, not said {unsaid}")
    if d := delays(rows):
        print(
            f"delay over {d.count} flows whose tap can tell: median {d.median:.1f} s, p95 {d.p95:.1f} s, "
            f"max {d.worst:.1f} s; before the onset {d.early}"
        )
    shown = {
        "false stalls": false_stalls,
        "missed": missed,
        "class wrong": [r for r in rows if r.class_right is False],
        "direction wrong": [r for r in rows if r.direction_right is False],
        "loss side wrong": [r for r in rows if r.loss_right is False],
        "before the onset": early,
        "otherwise wrong": [r for r in rows if not r.is_right and r not in false_stalls + missed],
    }
    if options.verbose:
        shown["all stalled"] = [r for r in rows if r.said == "stalled"]
    for title, some in shown.items():
        if some:
            print(f"\n{title}:", *map(describe, some), sep="\n")
    for line in stray:
        print(f"stall of a flow without label: {line}")
    below = shortfalls(rows, stray, Floor.load(), is_whole=not options.only)
    for line in below:
        print(f"BELOW THE FLOOR {line}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
