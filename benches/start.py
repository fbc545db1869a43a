"""Times how fast `ctcpmon replay -o jsonl` starts, and what it adds to the engine; prints medians and ratios.

    python benches/start.py [--runs 15] [CAPTURE...]

Without CAPTURE it takes the one that is shipped. Each round runs, in turn, `python -c pass`, the command,
and the engine alone (opened and polled to the end from Python, no event made), so that a slow minute of the
machine meets all of them. The first event is timed from the start of the process to the end of its first
line; the engine's time counts from opening the capture and includes the rows that Python reads. Ratios are
taken round by round and their median is printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import ctcpmon

ENGINE_ALONE = """
import sys, time
from ctcpmon import engine
started = time.perf_counter()
with engine.open_replay(sys.argv[1:]) as replay:
    while not replay.poll(100).done:
        pass
print(time.perf_counter() - started)
"""


def bare() -> float:
    """Wall time of an empty program, s."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - started


def command(capture: Path) -> tuple[float, float]:
    """Seconds to the first event and to the end of the process."""
    words = [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", str(capture)]
    started = time.perf_counter()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise SystemExit("no output")
        process.stdout.readline()
        first = time.perf_counter() - started
        while process.stdout.read(1 << 20):
            pass
    if process.returncode != 0:
        raise SystemExit(f"replay ended with {process.returncode}")
    return first, time.perf_counter() - started


def engine(capture: Path) -> float:
    """Seconds that the engine takes for the capture."""
    words = [sys.executable, "-c", ENGINE_ALONE, str(capture)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def show(name: str, seconds: list[float], beside: list[float]) -> None:
    """One row: median, spread, median of the ratios to ``beside``."""
    median = statistics.median(seconds)
    ratio = statistics.median(a / b for a, b in zip(seconds, beside, strict=True))
    spread = (max(seconds) - min(seconds)) / median
    print(f"{name:24} {median * 1e3:9.1f} {spread:7.0%} {ratio:10.2f}")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    shipped = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"
    parser.add_argument("captures", nargs="*", type=Path, metavar="CAPTURE", default=[shipped])
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()
    for capture in args.captures:
        command(capture)  # Fills the page cache.
        rounds = [(bare(), *command(capture), engine(capture)) for _ in range(args.runs)]
        nothing, first, whole, alone = (list(column) for column in zip(*rounds, strict=True))
        print(f"\n{capture.name}, {capture.stat().st_size / 1e6:.1f} MB")
        print(f"{'':24} {'median ms':>9} {'spread':>7} {'/ python':>10}")
        show("python -c pass", nothing, nothing)
        show("replay, first event", first, nothing)
        show("replay, whole", whole, nothing)
        show("engine alone", alone, nothing)
        added = statistics.median(a - b for a, b in zip(whole, alone, strict=True))
        share = statistics.median(a / b - 1 for a, b in zip(whole, alone, strict=True))
        print(f"the command adds {added * 1e3:.1f} ms to the engine alone, {share:.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
