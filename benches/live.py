"""Captures the same traffic with ctcpmon and with others, side by side in one run; prints medians.

    python -m benches.live [--runs 3] [--seconds 3] [--rates 100,300,0] [--frames 1000000] [--ring-mib 64]
                           [--tools NAME,...] [--json FILE] CAPTURE

As root, from the root of the repository. Two network namespaces with a wire between them are made and
removed; frames of CAPTURE (a pcap) are sent in its order, again from the first when there are too few, with
sendmmsg on the first core, and each tool in turn captures on the second. ``--rates`` are thousands a
second, 0 is as fast as the sender can. A round runs every tool once at every rate, so that a slow minute of
the machine meets all of them.

``received`` is what the tool itself measured, ``lost`` what was sent and is not in it. Processor time is
that of the process from its start on, less what it takes from there to its end when one frame is sent. The
kernel's half of the work is done on the sender's core and is not in it.
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
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.namespaces import ENVIRONMENT
from tests.live.sender import Frames, Sender
from tests.live.wire import MONITORED, Wire

ROOT = Path(__file__).parents[1]
CORES = sorted(os.sched_getaffinity(0))
STARTS_S = 0.7
"""From the word that it listens to the first frame: what it still imports is not counted."""
SETTLES_S = 1.0
"""From the end of the traffic to the end of the capture: tcpdump hands its last block over after a second."""
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


def capture(tool: Tool, wire: Wire, frames: Frames, packets: int, per_second: float) -> Run:
    """Runs one tool while ``packets`` frames are sent."""
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
        with Sender(wire.sender) as sender:
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
    _show(runs)
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
    return parser.parse_args()


def _show(runs: dict[tuple[float, str], list[Run]]) -> None:
    head = f"{'wanted':>8}  {'tool':<14}{'offered/s':>11}{'received/s':>12}{'lost %':>8}{'unexplained':>13}"
    print(f"{head}{'CPU s per million':>19}")
    for (rate, name), each in runs.items():
        offered = statistics.median(run.offered / run.seconds for run in each)
        received = statistics.median(run.received / run.seconds for run in each)
        lost = statistics.median(100 * (run.offered - run.received) / run.offered for run in each)
        # What neither the tool nor the kernel accounts for; the worst, not the median.
        open_ = max((run.offered - run.received - run.dropped for run in each), key=abs)
        cpu = statistics.median(1e6 * run.cpu_s / max(run.received, 1) for run in each)
        wanted = f"{rate:.0f}k" if rate else "fastest"
        row = f"{wanted:>8}  {name:<14}{offered:>11,.0f}{received:>12,.0f}{lost:>8.2f}{open_:>13,}"
        print(f"{row}{cpu:>19.2f}")


if __name__ == "__main__":
    sys.exit(main())
