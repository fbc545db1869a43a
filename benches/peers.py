"""Times ctcpmon beside its peers on the same captures, in one run; prints medians and ratios.

    python benches/peers.py [--runs 5] [--walker PATH] [--json FILE] [--markdown FILE] CAPTURE...

Each round runs every tool once, in turn, so that a slow minute of the machine meets all of them; ratios are
taken round by round and their median is printed. A ratio above 1 means that ctcpmon is faster. Tools that are
not installed are named. ``--walker`` is the reference walker, which marks what the machine allows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SLOW = {"tshark": 60 << 20}
"""Largest capture, bytes, for tools that take microseconds a packet."""


@dataclass(frozen=True)
class Tool:
    """One way to read a capture."""

    name: str
    command: tuple[str, ...]
    one_core: bool = False

    def run(self, capture: Path, folder: Path) -> tuple[float, int]:
        """Wall time, s, and peak memory of the process, KiB."""
        words = [w.replace("{capture}", str(capture)).replace("{out}", str(folder)) for w in self.command]
        core = {max(os.sched_getaffinity(0))}
        started = time.perf_counter()
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=(lambda: os.sched_setaffinity(0, core)) if self.one_core else None,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{self.name} ended with {process.returncode}: {' '.join(words)}")
        return time.perf_counter() - started, usage.ru_maxrss


@dataclass
class Times:
    """What the rounds gave for one tool."""

    seconds: list[float] = field(default_factory=list)
    memory_kib: int = 0


def tools(walker: Path | None) -> list[Tool]:
    """Our own first; the order of the others is that of the table."""
    ours = (sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", "--max-flow-mib", "1024", "{capture}")
    found = [Tool("ctcpmon", ours), Tool("ctcpmon, one core", ours, one_core=True)]
    if walker is not None:
        found.append(Tool("reference walker, one core", (str(walker), "flow", "{capture}"), one_core=True))
        found.append(
            Tool("reference walker, two threads", (str(walker), "flow", "{capture}", "--threads", "2"))
        )
    peers = {
        "tcpdump -w /dev/null": ("tcpdump", "-r", "{capture}", "-w", "/dev/null"),
        "tcptrace": ("tcptrace", "-n", "{capture}"),
        "tstat": ("tstat", "-s", "{out}", "{capture}"),
        "yaf": ("yaf", "--in", "{capture}", "--out", "{out}/yaf"),
        "argus": ("argus", "-r", "{capture}", "-w", "{out}/argus"),
        "softflowd": ("softflowd", "-r", "{capture}", "-m", "8000000", "-D"),
        "suricata": ("suricata", "-r", "{capture}", "-l", "{out}", "-k", "none"),
        "tshark": ("tshark", "-n", "-r", "{capture}", "-q", "-z", "conv,tcp"),
    }
    for name, command in peers.items():
        if shutil.which(command[0]) is None:
            print(f"not installed, not timed: {command[0]}", file=sys.stderr)
        else:
            found.append(Tool(name, command))
    return found


def measured(capture: Path, among: list[Tool], runs: int) -> dict[str, Times]:
    """Runs every tool ``runs`` times, in turn, after one reading that fills the page cache."""
    with capture.open("rb") as file:
        while file.read(1 << 22):
            pass
    times = {t.name: Times() for t in among if capture.stat().st_size <= SLOW.get(t.name, 1 << 62)}
    for _ in range(runs):
        for tool in among:
            if tool.name not in times:
                continue
            with tempfile.TemporaryDirectory() as folder:
                seconds, memory = tool.run(capture, Path(folder))
            times[tool.name].seconds.append(seconds)
            times[tool.name].memory_kib = max(times[tool.name].memory_kib, memory)
    return times


def table(capture: Path, times: dict[str, Times]) -> list[dict[str, object]]:
    """Prints one capture's rows; the same as data."""
    rows: list[dict[str, object]] = []
    ours = {core: times[name].seconds for core, name in (("one", "ctcpmon, one core"), ("two", "ctcpmon"))}
    print(f"\n{capture.name}, {capture.stat().st_size / 1e6:.0f} MB")
    print(f"{'':32} {'median s':>9} {'spread':>7} {'MiB':>6} {'/ ctcpmon':>10}")
    for name, got in times.items():
        own = ours["one" if "one core" in name else "two"]
        ratio = statistics.median(a / b for a, b in zip(got.seconds, own, strict=True))
        median = statistics.median(got.seconds)
        spread = (max(got.seconds) - min(got.seconds)) / median
        print(f"{name:32} {median:9.3f} {spread:7.0%} {got.memory_kib / 1024:6.0f} {ratio:10.2f}")
        rows.append(
            {
                "capture": re.sub(r"[^\w.-]", "_", capture.name),
                "tool": name,
                "median_s": median,
                "seconds": got.seconds,
                "ratio": ratio,
                "peak_kib": got.memory_kib,
            }
        )
    return rows


def markdown(rows: list[dict[str, object]]) -> str:
    """The rows as a table, one for each capture."""
    out: list[str] = []
    for capture in dict.fromkeys(row["capture"] for row in rows):
        out += [f"\n### {capture}\n", "| | median s | peak MiB | time / ctcpmon |", "|---|---|---|---|"]
        out += [
            f"| {r['tool']} | {r['median_s']:.3f} | {int(str(r['peak_kib'])) // 1024} | {r['ratio']:.2f} |"
            for r in rows
            if r["capture"] == capture
        ]
    return "\n".join(out) + "\n"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--walker", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    among = tools(args.walker)
    rows = [row for c in args.captures for row in table(c, measured(c, among, args.runs))]
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if args.markdown is not None:
        args.markdown.write_text(markdown(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
