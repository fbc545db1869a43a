"""Times ctcpmon beside its peers on the same captures, in one run; prints medians and ratios.

    python benches/peers.py [--runs 5] [--walker PATH] [--tools NAME,...]
                            [--json FILE] [--markdown FILE] CAPTURE...

Each round runs every tool once, in an order of its own, so that a slow minute of the machine meets all of
them; ratios are taken round by round and their median is printed. A ratio above 1 means that ctcpmon is
faster. Tools that are not installed are named. ``--walker`` is the reference walker: what the machine allows.
``--tools`` chooses by the first word of a name; ctcpmon always runs, for the ratio.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SLOW = {"tshark": 300 << 20, "nfstream": 300 << 20}
"""Largest capture, bytes, for tools that take microseconds a packet, by the first word of their names."""

NFSTREAM = """
import sys
from nfstream import NFStreamer
if __name__ == "__main__":
    print(sum(1 for _ in NFStreamer(source=sys.argv[1], n_dissections=0)))
"""
"""Flows alone, without looking into payloads: the fastest that it does."""


@dataclass(frozen=True)
class Tool:
    """One way to read a capture."""

    name: str
    command: tuple[str, ...]
    one_core: bool = False

    def kind(self) -> str:
        """First word of its name: the program."""
        return re.split("[ ,]", self.name)[0]

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


PEERS: dict[str, tuple[str, ...]] = {
    "tcpdump -w /dev/null": ("tcpdump", "-r", "{capture}", "-w", "/dev/null"),
    "tcptrace": ("tcptrace", "-n", "{capture}"),
    "tstat": ("tstat", "-s", "{out}", "{capture}"),
    "yaf": ("yaf", "--in", "{capture}", "--out", "{out}/yaf"),
    "argus": ("argus", "-r", "{capture}", "-w", "{out}/argus"),
    "softflowd": ("softflowd", "-r", "{capture}", "-m", "8000000", "-D"),
    "nfpcapd": ("nfpcapd", "-r", "{capture}", "-w", "{out}", "-B", "8000000", "-e", "1800,600"),
    "suricata": ("suricata", "-r", "{capture}", "-l", "{out}", "-k", "none"),
    "nfstream": (sys.executable, "-c", NFSTREAM, "{capture}"),
    "tshark -q -z conv,tcp": ("tshark", "-n", "-r", "{capture}", "-q", "-z", "conv,tcp"),
    "tshark -Y tcp.analysis.retransmission": (
        "tshark",
        "-n",
        "-r",
        "{capture}",
        "-Y",
        "tcp.analysis.retransmission",
    ),
}
"""Each with the options that make it follow every flow of a large capture. The order is that of the table."""


def is_installed(name: str) -> bool:
    """True when the program, or the module, of a peer is there."""
    if name == "nfstream":
        return importlib.util.find_spec("nfstream") is not None
    return shutil.which(PEERS[name][0]) is not None


def tools(walker: Path | None, wanted: set[str] | None) -> tuple[list[Tool], list[str]]:
    """What can be timed, our own first, and the names of the peers that are not installed."""
    # What a user types; `python -m` takes some milliseconds more to begin.
    command = Path(sys.executable).with_name("ctcpmon")
    program = (str(command),) if command.exists() else (sys.executable, "-m", "ctcpmon")
    ours = (*program, "replay", "-o", "jsonl", "--max-flow-mib", "1024", "{capture}")
    found = [Tool("ctcpmon", ours), Tool("ctcpmon, one core", ours, one_core=True)]
    if walker is not None:
        found.append(Tool("reference walker, one core", (str(walker), "flow", "{capture}"), one_core=True))
        found.append(
            Tool("reference walker, two threads", (str(walker), "flow", "{capture}", "--threads", "2"))
        )
    found += [Tool(name, command) for name, command in PEERS.items() if is_installed(name)]
    missing = sorted({name.split()[0] for name in PEERS if not is_installed(name)})
    if wanted is not None:
        found = [tool for tool in found if tool.kind() in wanted | {"ctcpmon"}]
    return found, missing


def measured(capture: Path, among: list[Tool], runs: int) -> dict[str, Times]:
    """Runs every tool ``runs`` times, in turn, after one reading that fills the page cache."""
    with capture.open("rb") as file:
        while file.read(1 << 22):
            pass
    times = {t.name: Times() for t in among if capture.stat().st_size <= SLOW.get(t.kind(), 1 << 62)}
    present = [tool for tool in among if tool.name in times]
    for turn in range(runs):
        # Another order each round, the same in each run: one that follows a large program finds memory
        # that the system has just been given back, one that follows a small one waits for its own, on a
        # virtual machine for its host. In a circle everybody would always follow the same.
        for tool in random.Random(turn).sample(present, len(present)):  # noqa: S311 no secret
            with tempfile.TemporaryDirectory() as folder:
                seconds, memory = tool.run(capture, Path(folder))
            times[tool.name].seconds.append(seconds)
            times[tool.name].memory_kib = max(times[tool.name].memory_kib, memory)
    return times


def measured_on_copy(capture: Path, among: list[Tool], runs: int) -> dict[str, Times]:
    """The same with a copy of the capture, made just before, in a folder beside it."""
    with tempfile.TemporaryDirectory(dir=capture.parent) as folder:
        copy = Path(folder) / capture.name
        shutil.copyfile(capture, copy)
        return measured(copy, among, runs)


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


def markdown(rows: list[dict[str, object]], missing: list[str]) -> str:
    """The rows as a table, one for each capture; which peers were not there."""
    out: list[str] = []
    for capture in dict.fromkeys(row["capture"] for row in rows):
        out += [f"\n### {capture}\n", "| | median s | peak MiB | time / ctcpmon |", "|---|---|---|---|"]
        out += [
            f"| {r['tool']} | {r['median_s']:.3f} | {int(str(r['peak_kib'])) // 1024} | {r['ratio']:.2f} |"
            for r in rows
            if r["capture"] == capture
        ]
    if missing:
        out.append(f"\nNot installed, not timed: {', '.join(missing)}.")
    return "\n".join(out) + "\n"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--walker", type=Path)
    parser.add_argument("--tools", metavar="NAME,...")
    parser.add_argument(
        "--copied",
        action="store_true",
        help="work on copies made just before: on a virtual machine a file that lies in the page cache\n"
        "for an hour was read at half the speed",
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    among, missing = tools(args.walker, set(args.tools.split(",")) if args.tools else None)
    if missing:
        print(f"not installed, not timed: {', '.join(missing)}", file=sys.stderr)
    measure = measured_on_copy if args.copied else measured
    rows = [row for c in args.captures for row in table(c, measure(c, among, args.runs))]
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if args.markdown is not None:
        args.markdown.write_text(markdown(rows, missing), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
