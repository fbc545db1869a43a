"""Captures the same traffic with ctcpmon and with others, side by side in one run; prints medians.

    python -m benches.live [--runs 3] [--seconds 3] [--rates 100,300,0] [--frames 1000000] [--ring-mib 64]
                           [--tools NAME,...] [--json FILE] [--write] CAPTURE
    python -m benches.live --twice 20 [--awake 0.02] [--write] CAPTURE

As root, from the root of the repository. Two network namespaces with a wire between them are made and
removed; frames of CAPTURE (a pcap) are sent in its order, again from the first when there are too few, with
sendmmsg on the first core, and each tool in turn captures on the second. ``--rates`` are thousands a
second, 0 is as fast as the sender can. A round runs every tool once at every rate, so that a slow minute of
the machine meets all of them.

``received`` is what the tool itself measured, ``lost`` what was sent and is not in it. Processor time is
that of the process from its start on, less what it takes from there to its end when one frame is sent. The
kernel's half of the work is done on the sender's core and is not in it.

``--twice`` N: the highest rate at which ctcpmon loses nothing is looked for, then N runs at twice that rate,
each a line: sent - read - reported drops must be 0 in all of them, with real drops in each. The sender of a
machine of two cores is too slow for that, so ctcpmon gets ``--awake`` of a core: it is stopped (SIGSTOP) for
the rest of every 50 ms, as a quota would do, with a ring of 4 MiB.

``--write`` puts the table, or the lines, into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.namespaces import ENVIRONMENT
from tests.live.sender import Frames, Sender
from tests.live.wire import MONITORED, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
CORES = sorted(os.sched_getaffinity(0))
STARTS_S = 0.7
"""From the word that it listens to the first frame: what it still imports is not counted."""
SETTLES_S = 1.0
"""From the end of the traffic to the end of the capture: tcpdump hands its last block over after a second."""
PERIOD_S = 0.05
LEAST_RATE, RATE_STEP = 20_000.0, 1.4
TWICE = 1.95
"""Of the sustainable rate, what a sender on a busy machine must have reached to be called twice."""
_COUNT = re.compile(r'"taken":(\d+),"dropped":(\d+)')
_CTCPMON = re.compile(r"([\d,]+) received, ([\d,]+) measured, (?:([\d,]+)|none) dropped")
_TCPDUMP = re.compile(r"(\d+) packets? captured.*?(\d+) packets? dropped by kernel", re.DOTALL)
_DUMPCAP = re.compile(r"Packets received/dropped on interface '\S+': (\d+)/(\d+)")


@dataclass(frozen=True)
class Tool:
    """A program that captures until it is told to end, and says how much."""

    name: str
    command: tuple[str, ...]
    is_ready: str
    """What it says once it captures."""
    ends_with_input: bool = False

    def counts(self, said: str) -> tuple[int, int]:
        """Frames that it measured, and those that the kernel dropped."""
        for pattern in (_COUNT, _TCPDUMP, _DUMPCAP):
            if found := pattern.findall(said):
                return int(found[-1][0]), int(found[-1][1])
        if found := _CTCPMON.findall(said):
            return int(found[-1][1].replace(",", "")), int((found[-1][2] or "0").replace(",", ""))
        raise RuntimeError(f"{self.name} gave no count: {said[-300:]!r}")


@dataclass
class Run:
    """One tool at one rate."""

    offered: int
    seconds: float
    received: int
    dropped: int
    cpu_s: float


def tools(ring_mib: int) -> list[Tool]:
    """Those that there are; says which are missing."""
    count = ROOT / "target" / "release" / "examples" / "count"
    subprocess.run(
        ("cargo", "build", "-q", "--release", "-p", "ctcpmon-live", "--example", "count"),
        cwd=ROOT,
        check=True,
    )
    ring = str(ring_mib)
    live = (sys.executable, "-m", "ctcpmon", "live", MONITORED, "-o", "jsonl", "--ring-mib", ring)
    every = [
        Tool("ctcpmon live", live, "listening on"),
        Tool("ring reader", (str(count), MONITORED, ring), "listening on", ends_with_input=True),
        Tool(
            "tcpdump",
            ("tcpdump", "-i", MONITORED, "-B", str(ring_mib << 10), "-w", "/dev/null"),
            "listening on",
        ),
        Tool("dumpcap", ("dumpcap", "-q", "-i", MONITORED, "-B", ring, "-w", "/dev/null"), "File:"),
    ]
    for tool in every:
        if shutil.which(tool.command[0]) is None:
            print(f"not installed: {tool.name}", file=sys.stderr)
    return [tool for tool in every if shutil.which(tool.command[0])]


def cpu_of(pid: int) -> float:
    """Processor time of a process so far, s."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) / 1e9


def capture(
    tool: Tool, wire: Wire, frames: Frames, packets: int, per_second: float, *, awake: float = 1.0
) -> Run:
    """Runs one tool while ``packets`` frames are sent; it gets the share ``awake`` of its core meanwhile."""
    words = ("ip", "netns", "exec", wire.monitor, "taskset", "-c", str(CORES[-1]), *tool.command)
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        said = bytearray()
        # Lines of ctcpmon's events come in between; what is asked for is on stderr.
        while tool.is_ready.encode() not in said:
            part = os.read(process.stdout.fileno(), 65_536)
            if not part:
                raise RuntimeError(f"{tool.name} ended: {said.decode(errors='replace')}")
            said += part
        time.sleep(STARTS_S)
        before = cpu_of(process.pid)
        with Sender(wire.sender) as sender, _Throttle(process.pid, awake):
            began = time.perf_counter()
            sent = sender.send_all(frames, packets=packets, per_second=per_second)
            seconds = time.perf_counter() - began
        time.sleep(SETTLES_S)
        if tool.ends_with_input:
            process.stdin.close()
        else:
            process.send_signal(signal.SIGINT)
        while part := os.read(process.stdout.fileno(), 1 << 20):
            said = (said + part)[-65_536:]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    received, dropped = tool.counts(said.decode(errors="replace"))
    return Run(sent, seconds, received, dropped, usage.ru_utime + usage.ru_stime - before)


def main() -> int:
    """Prints one table for each rate."""
    options = _options()
    os.sched_setaffinity(0, {CORES[0]})
    frames = Frames.of_capture(options.capture, options.frames)
    if options.twice:
        return twice(options, frames)
    chosen = options.tools.split(",") if options.tools else None
    every = [tool for tool in tools(options.ring_mib) if chosen is None or tool.name in chosen]
    rates = [float(rate) for rate in options.rates.split(",")]
    idle: dict[str, float] = {}
    runs: dict[tuple[float, str], list[Run]] = {}
    with Wire(mtu=3_000) as wire:
        with Sender(wire.sender) as sender:
            began = time.perf_counter()
            sender.send_all(frames, packets=500_000)
            fastest = 500_000 / (time.perf_counter() - began)
        for tool in every:
            idle[tool.name] = capture(tool, wire, frames, 1, 0.0).cpu_s
        for _ in range(options.runs):
            for rate in rates:
                packets = max(int((rate * 1e3 or fastest) * options.seconds), frames.count if not rate else 0)
                for tool in every:
                    run = capture(tool, wire, frames, packets, rate * 1e3)
                    run.cpu_s = max(run.cpu_s - idle[tool.name], 0.0)
                    runs.setdefault((rate, tool.name), []).append(run)
    lines = [*_table(runs)]
    print("\n".join(lines))
    if options.write:
        _write("live", _TABLE_WORDS.format(options=options, load=os.getloadavg()[0]), _markdown(runs))
    if options.json:
        rows = [
            {"rate": rate, "tool": name, "runs": list(map(asdict, each))}
            for (rate, name), each in runs.items()
        ]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("capture", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rates", default="100,300,0", help="thousands a second; 0: as fast as it goes")
    parser.add_argument("--frames", type=int, default=1_000_000, help="of the capture")
    parser.add_argument("--ring-mib", type=int, default=64)
    parser.add_argument("--tools", default="")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--twice", type=int, default=0, metavar="N", help="N runs at twice what ctcpmon can take"
    )
    parser.add_argument(
        "--awake", type=float, default=0.02, help="share of a core that ctcpmon gets for that"
    )
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    return parser.parse_args()


class _Throttle:
    """Stops a process for the rest of every period."""

    def __init__(self, pid: int, awake: float) -> None:
        self._pid, self._awake = pid, awake
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        if self._awake < 1.0:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            os.kill(self._pid, signal.SIGSTOP)
            time.sleep(PERIOD_S * (1 - self._awake))
            os.kill(self._pid, signal.SIGCONT)
            time.sleep(PERIOD_S * self._awake)


def twice(options: argparse.Namespace, frames: Frames) -> int:
    """Runs at twice the rate that ctcpmon can take; 0 when every frame is accounted for in each."""
    live = (sys.executable, "-m", "ctcpmon", "live", MONITORED, "-o", "jsonl", "--ring-mib", "4")
    tool = Tool("ctcpmon live", live, "listening on")

    def run(wire: Wire, rate: float) -> Run:
        packets = int(rate * options.seconds)
        return capture(tool, wire, frames, packets, rate, awake=options.awake)

    with Wire(mtu=3_000) as wire:
        with Sender(wire.sender) as sender:
            began = time.perf_counter()
            sender.send_all(frames, packets=500_000)
            fastest = 500_000 / (time.perf_counter() - began)
        lossless, rate = 0.0, LEAST_RATE
        while rate * 2 <= fastest * 0.9:
            found = run(wire, rate)
            sent = found.offered / found.seconds
            print(f"{rate:>9,.0f}/s asked for, {sent:,.0f}/s sent: {found.dropped:,} dropped", flush=True)
            if found.dropped:
                break
            lossless, rate = sent, rate * RATE_STEP
        else:
            print(
                f"the sender gives {fastest:,.0f}/s, too few for twice {rate:,.0f}/s: lower --awake",
                file=sys.stderr,
            )
            return 2
        if not lossless:
            print(f"it drops at {LEAST_RATE:,.0f}/s already: raise --awake", file=sys.stderr)
            return 2
        lines = [f"sustainable: {lossless:,.0f}/s, with {options.awake:.0%} of a core and a ring of 4 MiB"]
        print(lines[0], flush=True)
        good = number = 0
        for _ in range(3 * options.twice):
            one = run(wire, lossless * 2)
            sent = one.offered / one.seconds
            open_ = one.offered - one.received - one.dropped
            is_twice = sent >= lossless * TWICE
            number += is_twice
            good += is_twice and open_ == 0 and one.dropped > 0
            line = (
                f"{number if is_twice else '--':>2}  {sent:>9,.0f}/s  sent {one.offered:,} "
                f"- read {one.received:,} - dropped {one.dropped:,} = {open_}"
            )
            lines.append(line if is_twice else f"{line}  (the sender was held up: not twice)")
            print(lines[-1], flush=True)
            # A frame that is missing counts at any rate.
            if number == options.twice or open_:
                break
    lines.append(f"{good} of {options.twice} runs: nothing is missing, and frames were dropped")
    print(("PASS  " if good == options.twice else "FAIL  ") + lines[-1])
    if options.write:
        _write("live twice", _TWICE_WORDS.format(options=options), ["```", *lines, "```"])
    return 0 if good == options.twice else 1


_TWICE_WORDS = """\
Written by `python -m benches.live --twice {options.twice} --awake {options.awake} --seconds
{options.seconds:g} --write {options.capture.name}`: ctcpmon gets that share of a core (stopped for the rest
of every 50 ms) and a ring of 4 MiB, the highest rate without a drop is looked for, and the runs are at twice
that rate."""
_TABLE_WORDS = """\
Written by `python -m benches.live --runs {options.runs} --rates {options.rates} --frames {options.frames}
--write {options.capture.name}`: two namespaces with a wire, the sender on one core, the tool on the other, a
ring of {options.ring_mib} MiB for each; medians. `fastest` is the whole capture once, as fast as the sender
can. CPU is that of the process, without its start and end. Load average at the end: {load:.1f}."""


def _write(name: str, words: str, lines: Sequence[str]) -> None:
    """Replaces what stands between the marks of ``name`` in docs/performance.md."""
    page = ROOT / "docs" / "performance.md"
    text = page.read_text("utf-8")
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise RuntimeError(f"{page.name} has no marks of {name}")
    page.write_text(before + begin + words + "\n\n" + "\n".join(lines) + "\n" + end + after, "utf-8")


def _rows(runs: dict[tuple[float, str], list[Run]]) -> Iterator[tuple[str, ...]]:
    for (rate, name), each in runs.items():
        offered = statistics.median(run.offered / run.seconds for run in each)
        received = statistics.median(run.received / run.seconds for run in each)
        lost = statistics.median(100 * (run.offered - run.received) / run.offered for run in each)
        # What neither the tool nor the kernel accounts for; the worst, not the median.
        open_ = max((run.offered - run.received - run.dropped for run in each), key=abs)
        cpu = statistics.median(1e6 * run.cpu_s / max(run.received, 1) for run in each)
        wanted = f"{rate:.0f}k" if rate else "fastest"
        yield wanted, name, f"{offered:,.0f}", f"{received:,.0f}", f"{lost:.2f}", f"{open_:,}", f"{cpu:.2f}"


_HEAD = ("wanted", "tool", "offered/s", "received/s", "lost %", "unexplained", "CPU s per million")


def _table(runs: dict[tuple[float, str], list[Run]]) -> Iterator[str]:
    for row in (_HEAD, *_rows(runs)):
        wanted, name, *numbers = row
        yield f"{wanted:>8}  {name:<14}" + "".join(f"{one:>19}" for one in numbers)


def _markdown(runs: dict[tuple[float, str], list[Run]]) -> list[str]:
    rows = [_HEAD, ("---",) * len(_HEAD), *_rows(runs)]
    return ["| " + " | ".join(row) + " |" for row in rows]


if __name__ == "__main__":
    sys.exit(main())
