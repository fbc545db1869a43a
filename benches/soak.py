"""Half an hour of capture at a steady rate, or longer; PASS or FAIL on what must not grow and not get lost.

    python -m benches.soak [--minutes 48] [--warm-up 16] [--rate 30] [--tunnels 4.0] [--stop-screen 60]
                           [--max-flow-mib 64] [--folder DIR] [--json FILE]
    python -m benches.soak --judge FILE      the samples of an earlier run (--json)

As root, from the root of the repository. Two network namespaces with a wire between them are made and
removed. ``ctcpmon serve`` captures at one end with file (rotated), history (with a bound), metrics and a
screen (``attach``, on a terminal of its own); at the other end ``tests.live.turnover`` sends ``--rate``
thousand frames a second of ordinary conversations that are always new, so that the flow table is full before
the warm-up ends and turns over from then on, and ``--tunnels`` copies a second of the demo: sessions that
come, stall, and go. The limits are set low enough that all that is bounded fills up within the warm-up; the
ten minutes that a screen can go back through are full then, too.

Every 10 s it reads memory, descriptors, threads and processor time of both programs and scrapes the counters.
In the middle the screen is stopped for ``--stop-screen`` seconds (SIGSTOP).

The rules, for both programs, over all samples behind the warm-up:

- memory: a line is laid through the samples (least squares). What it grows by over the measured time is at
  most 1 % of the median or 1 MiB, whichever is more (guess: a leak of 80 bytes a session or 1 byte a flow is
  above it within half an hour);
- descriptors and threads: the usual number of the last third is that of the first, and no sample lies more
  than two above it (a rotation opens the new file before it closes the old);
- balance: sent = received by the kernel = measured + dropped, and the measured frames are the sum of the
  named ends of frames; nothing was dropped while the screen stood still;
- the captured interface sent nothing: ``tx_packets`` of every interface in its namespace but ``lo`` is 0;
- it said nothing of an internal error, and ended with 0.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.namespaces import ENVIRONMENT, command, inside
from tests.live.sender import Sender
from tests.live.turnover import Flows, Tunnels
from tests.live.wire import MONITORED, SENDS, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

EVERY_S = 10.0
METRICS = 9_477
TERMINAL = (30, 100)
"""Rows and columns of the screen."""
GROWS_AT_MOST = 0.01
GROWS_AT_LEAST_MIB = 1.0
MOMENTARY = 2
"""Descriptors that may be open for a moment."""
_METRIC = re.compile(r"^ctcpmon_(\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_CONFIG = """
# Everything that is bounded is to be full before the warm-up ends.
[limits]
max_incidents = 200
max_incident_sessions = 1000
[outputs.file]
path = "{folder}/events.jsonl"
max_mib = 8
keep = 3
[outputs.history]
path = "{folder}/history.db"
max_mib = 16
[outputs.metrics]
address = "127.0.0.1:{port}"
"""


@dataclass(frozen=True)
class Process:
    """One program at one moment."""

    rss_mib: float
    descriptors: int
    threads: int
    cpu_s: float

    @classmethod
    def of(cls, pid: int) -> Process:
        """As the system sees it."""
        base = Path(f"/proc/{pid}")
        status = dict(
            line.split(":", 1) for line in (base / "status").read_text("utf-8", "replace").splitlines()
        )
        words = (base / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        ticks = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        rss = int(status["VmRSS"].split()[0]) / 1_024
        return cls(rss, len([*(base / "fd").iterdir()]), int(status["Threads"]), ticks)


@dataclass
class Sample:
    """Everything at one moment."""

    at_s: float
    serve: Process
    screen: Process
    sent: int
    counters: dict[str, float]


@dataclass
class Soak:
    """What one run gave."""

    samples: list[Sample] = field(default_factory=list)
    sent: int = 0
    lost_while_stopped: float | None = None
    transmitted: dict[str, int] = field(default_factory=dict)
    wire_dropped: int = 0
    last: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    said: str = ""
    code: int | None = None


def scrape(namespace: str) -> dict[str, float]:
    """The metrics of ``serve``, by name or by name and label value."""
    with inside(namespace):
        client = socket.socket()
    with client:
        client.settimeout(10)
        client.connect(("127.0.0.1", METRICS))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")
        parts = []
        while part := client.recv(65_536):
            parts.append(part)
    found = {}
    for name, labels, value in _METRIC.findall(b"".join(parts).decode()):
        words = re.findall(r'="([^"]*)"', labels)
        found[".".join((name, *words))] = float(value)
    return found


def transmitted(namespace: str) -> dict[str, int]:
    """Frames that each interface of a namespace has sent, ``lo`` left out: our scrapes go there."""
    # ``ip netns exec`` shows the namespace's own /sys.
    script = "cd /sys/class/net && for i in *; do echo $i $(cat $i/statistics/tx_packets); done"
    said = command("ip", "netns", "exec", namespace, "sh", "-c", script)
    pairs = (line.split() for line in said.splitlines())
    return {name: int(number) for name, number in pairs if name != "lo"}


class Run:
    """The programs of one soak, and what is read of them."""

    def __init__(self, options: argparse.Namespace, folder: Path, leaving: ExitStack) -> None:
        self._options, self._folder = options, folder
        self.wire = leaving.enter_context(Wire())
        command("ip", "-n", self.wire.monitor, "link", "set", "lo", "up")
        config = folder / "soak.toml"
        config.write_text(_CONFIG.format(folder=folder, port=METRICS), "utf-8")
        self._said = (folder / "serve.err").open("wb")
        leaving.callback(self._said.close)
        sock = folder / "screen.sock"
        words = ("-c", config, "--listen", sock, "--max-flow-mib", options.max_flow_mib)
        self.serve = self._program(leaving, self.wire.monitor, "serve", MONITORED, *words)
        self._wait(sock.exists, "serve does not listen")
        self._wait(lambda: "flows" in scrape(self.wire.monitor), "serve has no metrics")
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", *TERMINAL, 0, 0))
        leaving.callback(os.close, ours)
        self.screen = self._program(leaving, None, "attach", sock, terminal=theirs)
        os.close(theirs)
        threading.Thread(target=_drain, args=(ours,), daemon=True).start()
        self.flows, self.tunnels = Flows(options.rate * 1e3), Tunnels(options.tunnels)
        self._ends = threading.Event()
        self._senders = []
        for one in (self.flows, self.tunnels):
            sender = leaving.enter_context(Sender(self.wire.sender))
            self._senders.append(threading.Thread(target=one.run, args=(sender, self._ends), daemon=True))
        leaving.callback(self._ends.set)

    def _program(
        self, leaving: ExitStack, namespace: str | None, *words: object, terminal: int | None = None
    ) -> subprocess.Popen[bytes]:
        before = () if namespace is None else ("ip", "netns", "exec", namespace)
        process = subprocess.Popen(
            (*before, sys.executable, "-m", "ctcpmon", *map(str, words)),
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.DEVNULL if terminal is None else terminal,
            stderr=self._said if terminal is None else terminal,
            env={**ENVIRONMENT, "TERM": "xterm-256color"},
        )
        leaving.callback(_end, process)
        return process

    def _wait(self, what: Callable[[], bool], text: str) -> None:
        until = time.monotonic() + 60
        while not what():
            if time.monotonic() > until or self.serve.poll() is not None:
                raise RuntimeError(f"{text}: {(self._folder / 'serve.err').read_text('utf-8')}")
            time.sleep(0.1)

    def sample(self, at_s: float) -> Sample:
        """Memory before the scrape: a connection is a descriptor."""
        serve, screen = Process.of(self.serve.pid), Process.of(self.screen.pid)
        counters = scrape(self.wire.monitor)
        return Sample(at_s, serve, screen, self.flows.sent + self.tunnels.sent, counters)

    def go(self, soak: Soak) -> None:
        """To the end."""
        length_s = self._options.minutes * 60
        stops_at = length_s * 0.6 if self._options.stop_screen else None
        goes_on_at, before = None, 0.0
        os.nice(5)
        for one in self._senders:
            one.start()
        began = time.monotonic()
        while (now := time.monotonic() - began) < length_s:
            if self.serve.poll() is not None or self.screen.poll() is not None:
                break
            sample = self.sample(now)
            soak.samples.append(sample)
            _tell(sample)
            dropped = sample.counters[f"interface_dropped.{MONITORED}"]
            if stops_at is not None and now >= stops_at:
                stops_at, goes_on_at, before = None, now + self._options.stop_screen, dropped
                os.kill(self.screen.pid, signal.SIGSTOP)
                print(f"the screen is stopped for {self._options.stop_screen:g} s", flush=True)
            elif goes_on_at is not None and now >= goes_on_at:
                goes_on_at, soak.lost_while_stopped = None, dropped - before
                os.kill(self.screen.pid, signal.SIGCONT)
                print(f"the screen goes on; dropped meanwhile: {dropped - before:,.0f}", flush=True)
            time.sleep(max(0.0, began + (len(soak.samples)) * EVERY_S - time.monotonic()))
        os.kill(self.screen.pid, signal.SIGCONT)
        self._ends.set()
        for sending in self._senders:
            sending.join()
        soak.sent = self.flows.sent + self.tunnels.sent
        soak.transmitted = transmitted(self.wire.monitor)
        shown = json.loads(command("ip", "-n", self.wire.sender, "-s", "-j", "link", "show", SENDS))
        soak.wire_dropped = shown[0]["stats64"]["tx"]["dropped"]
        self.serve.send_signal(signal.SIGTERM)
        soak.code = self.serve.wait(60)
        soak.said = (self._folder / "serve.err").read_text("utf-8")
        last = json.loads((self._folder / "events.jsonl").read_bytes().splitlines()[-1])
        soak.last, soak.outputs = last["data"]["counters"], last["data"]["outputs"]


def _drain(descriptor: int) -> None:
    """Reads what the screen draws, as a terminal does."""
    try:
        while os.read(descriptor, 65_536):
            pass
    except OSError:
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def _tell(sample: Sample) -> None:
    counters = sample.counters
    lived = sum(value for name, value in counters.items() if name.startswith("sessions."))
    open_ = sum(value for name, value in counters.items() if name.startswith("incidents."))
    dropped = counters.get(f"interface_dropped.{MONITORED}", 0)  # not there before the first look
    shown = (
        f"{sample.at_s:6.0f} s  serve {sample.serve.rss_mib:7.2f} MiB {sample.serve.descriptors} fd "
        f"{sample.serve.threads} thr {sample.serve.cpu_s:6.1f} cpu  screen {sample.screen.rss_mib:7.2f} MiB "
        f"{sample.screen.descriptors} fd {sample.screen.threads} thr  sent {sample.sent:,}  "
        f"flows {counters['flows']:,.0f}  evicted {counters['engine.flows_evicted']:,.0f}  "
        f"sessions {lived:,.0f}  incidents {open_:,.0f}  dropped {dropped:,.0f}"
    )
    print(shown, flush=True)


def growth(times_s: Sequence[float], values: Sequence[float]) -> float:
    """What the line through the samples grows by from the first to the last."""
    return statistics.linear_regression(times_s, values).slope * (times_s[-1] - times_s[0])


def verdicts(soak: Soak, warm_up_s: float) -> Iterator[tuple[str, bool]]:
    """Each rule with its numbers, and whether it holds."""
    steady = [one for one in soak.samples if one.at_s >= warm_up_s]
    yield (
        f"ended with {soak.code}; what it said of errors: {_errors(soak.said) or 'nothing'}",
        (soak.code == 0 and not _errors(soak.said)),
    )
    if len(steady) < 3:
        yield "too few samples behind the warm-up", False
        return
    times = [one.at_s for one in steady]
    for name in ("serve", "screen"):
        programs: list[Process] = [getattr(one, name) for one in steady]
        rss = [one.rss_mib for one in programs]
        most = max(GROWS_AT_MOST * statistics.median(rss), GROWS_AT_LEAST_MIB)
        grown = growth(times, rss)
        yield (
            (
                f"{name}: memory {min(rss):.2f} to {max(rss):.2f} MiB, grows by {grown:+.2f} MiB in "
                f"{times[-1] - times[0]:.0f} s ({grown / (times[-1] - times[0]) * 3600:+.2f} MiB/h); "
                f"at most {most:.2f}"
            ),
            grown <= most,
        )
        for what in ("descriptors", "threads"):
            seen = [getattr(one, what) for one in programs]
            third = max(len(seen) // 3, 1)
            usual, at_end = statistics.mode(seen[:third]), statistics.mode(seen[-third:])
            others = (
                f", {sorted(set(seen) - {usual})} in {len(seen) - seen.count(usual)} of {len(seen)} samples"
            )
            yield (
                (f"{name}: {what} {usual} at first, {at_end} at the end{others if len({*seen}) > 1 else ''}"),
                (usual == at_end and max(seen) <= usual + MOMENTARY),
            )
    first, end = steady[0].counters, steady[-1].counters
    turned = end["engine.flows_evicted"] - first["engine.flows_evicted"]
    yield (
        (
            f"the table turned over {turned / max(end['flows'], 1):.1f} times behind the warm-up "
            f"({turned:,.0f} flows made room, {end['flows']:,.0f} in it)"
        ),
        turned >= end["flows"],
    )
    yield from _balance(soak)
    yield (
        f"frames sent by the interfaces of the monitor: {soak.transmitted}",
        not any(soak.transmitted.values()),
    )
    if soak.lost_while_stopped is not None:
        yield (
            f"dropped while the screen stood still: {soak.lost_while_stopped:,.0f}",
            (soak.lost_while_stopped == 0),
        )


def _balance(soak: Soak) -> Iterator[tuple[str, bool]]:
    count = soak.last
    ends = {
        name: value
        for name, value in count.items()
        if name.startswith("frames_") and not name.startswith("frames_time_") and value
    }
    measured, dropped = count["frames"], count["kernel_dropped_packets"]
    received = count["kernel_received_packets"]
    yield (
        (f"sent {soak.sent:,} = received {received:,} + lost by the wire {soak.wire_dropped:,}"),
        soak.sent == received + soak.wire_dropped,
    )
    yield (
        (f"received {received:,} = measured {measured:,} + dropped by the kernel {dropped:,}"),
        received == measured + dropped,
    )
    named = ", ".join(f"{name} {value:,}" for name, value in ends.items())
    yield f"measured {measured:,} = {named}", measured == sum(ends.values())
    lost = {name: value for name, value in soak.outputs.items() if name.endswith("_lost")}
    yield f"events: {soak.outputs}", not any(lost.values())


def _errors(said: str) -> list[str]:
    wrong = re.compile(r"internal error|Traceback|panicked|refused:|could not|cannot be", re.IGNORECASE)
    return [line for line in said.splitlines() if wrong.search(line)]


def _leave(_number: int, _frame: object) -> None:
    raise SystemExit(1)


def main() -> int:
    """Runs, prints every sample and then the verdicts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=48.0)
    parser.add_argument("--warm-up", type=float, default=16.0, help="minutes; a screen keeps ten")
    parser.add_argument("--rate", type=float, default=30.0, help="thousand ordinary frames a second")
    parser.add_argument("--tunnels", type=float, default=4.0, help="copies of the demo begun in a second")
    parser.add_argument("--stop-screen", type=float, default=60.0, help="seconds; 0: it is not stopped")
    parser.add_argument("--max-flow-mib", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    parser.add_argument("--json", type=Path, help="every sample")
    parser.add_argument("--judge", type=Path, help="samples of an earlier run; nothing is captured")
    options = parser.parse_args()
    if options.judge:
        return judge(_read(options.judge), options.warm_up * 60)
    # What was made is removed on every way out; in the background a shell has SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    soak = Soak()
    with ExitStack() as leaving:
        folder = options.folder or Path(leaving.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        # Rotation needs a folder that may be written to without rights, whoever serve goes on as.
        folder.chmod(0o777)
        Run(options, folder, leaving).go(soak)
    if options.json:
        options.json.write_text(json.dumps(asdict(soak), indent=1) + "\n", "utf-8")
    return judge(soak, options.warm_up * 60)


def _read(path: Path) -> Soak:
    stored = json.loads(path.read_bytes())
    samples = [
        Sample(**{**one, "serve": Process(**one["serve"]), "screen": Process(**one["screen"])})
        for one in stored["samples"]
    ]
    return Soak(**{**stored, "samples": samples})


def judge(soak: Soak, warm_up_s: float) -> int:
    """Prints the verdicts; 0 when all rules hold."""
    print(soak.said, end="")
    found = list(verdicts(soak, warm_up_s))
    for text, holds in found:
        print(f"{'PASS' if holds else 'FAIL'}  {text}")
    return 0 if all(holds for _, holds in found) else 1


if __name__ == "__main__":
    sys.exit(main())
