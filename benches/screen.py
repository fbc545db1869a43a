"""What the screen costs, and whether it holds the engine up: CPU by thread, first paint, key to paint, rates.

    python -m benches.screen [--flows 1000000] [--sessions 10000] [--seconds 20] [--hz 10] [--rounds 9]
                             [--size 80x24] [--packets 10000000] [--offered 200000] [--only PART]
                             [--capture FILE]

From the root of the repository, with tmux. Without ``--capture`` a capture is made by the project's own load
generator (some 3 GB in the temporary folder, removed at the end): every flow and session is opened, then
traffic goes on. ``--only`` runs one part: ``cost``, ``rates``, ``offered`` or ``paint``.

``cost``: processor time of the threads that make and paint views (the interpreter's), read from /proc, at a
pace and in a pane of tmux; the engine's threads are apart. ``rates``: the same capture as fast as possible.
``offered``: at a fixed pace, at which every packet must be taken in time.

Rates are of runs without a screen, with the first screen and with the flow list, in turns, each painting into
a terminal that throws it away; from when all flows are open to the end. A change is that of a run beside the
one without a screen in the same round: the median of all rounds, and their quartiles. It is one only if three
quarters of the rounds agree, and more than ``SLOWER_MOST``: two runs of the same differ by more.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctcpmon.engine import Replay
    from ctcpmon.tui.engine_source import EngineSource

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
NAMES = {"": "first screen", "2": "sessions", "3": "flows"}
"""Screens by their key."""
TICKS = os.sysconf("SC_CLK_TCK")
WAIT_S = 120.0
PACKETS_PER_S = 1e6
"""Of packet time, as the load generator spaces them."""
CPU_MOST, PAINT_MOST_S, KEY_MOST_MS, LIST_MOST_S, SLOWER_MOST = 0.10, 1.0, 100.0, 1.0, 0.01
"""What must hold."""
LOOKS = {"no screen": None, "first screen": "", "flow list": "3"}
"""What is looked at, and the key to it; the first is what the others are compared with."""
LEAST_S = 0.5
"""A shorter look at a rate tells nothing."""
LOOK_EVERY_S = 0.4
"""The engine counts anew every 0.1 s."""


def make_capture(folder: str, flows: int, sessions: int, packets: int) -> Path:
    """A capture in which everything is open from the first part on."""
    path = Path(folder) / "screen.pcap"
    words = ["cargo", "run", "-q", "--release", "-p", "ctcpmon-benches", "--bin", "load", "--"]
    words += ["--mix", "tenth-tunnels", "--flows", str(flows), "--sessions", str(sessions)]
    words += ["--packets", str(2 * (flows + sessions) + packets), "--open-first", "--write", str(path)]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return path


class Pane:
    """A terminal of a fixed size with one program in it."""

    def __init__(self, size: str, command: list[str]) -> None:
        width, height = size.split("x")
        # A server of its own: one that is ending takes nothing new.
        self._socket = f"ctcpmon-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.began = time.monotonic()
        words = ["new-session", "-d", "-x", width, "-y", height, "-P", "-F", "#{pane_pid}"]
        self.pid = int(self._tmux(*words, " ".join(command)))

    def _tmux(self, *words: str) -> str:
        call = ["tmux", "-L", self._socket, *words]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout

    def key(self, name: str) -> None:
        """Presses a key."""
        self._tmux("send-keys", name)

    def text(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def wait(self, text: str) -> float:
        """Seconds since the start at which ``text`` was there."""
        while text not in (shown := self.text()):
            if time.monotonic() - self.began > WAIT_S:
                message = f"{text!r} did not come:\n{shown}"
                raise TimeoutError(message)
            time.sleep(0.002)
        return time.monotonic() - self.began

    def close(self) -> None:
        """Ends the program."""
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], check=False, capture_output=True)


@contextmanager
def pane(size: str, *command: str) -> Iterator[Pane]:
    """A pane that goes with its program."""
    one = Pane(size, [f"PYTHONPATH={os.pathsep.join(sys.path)}", "exec", sys.executable, *command])
    try:
        yield one
    finally:
        one.close()


def seconds_by_thread(pid: int) -> dict[str, float]:
    """Processor time of the engine's threads, and of all others: those of the interpreter."""
    spent = {"engine": 0.0, "screen": 0.0}
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = (task / "stat").read_text()
        name, _, rest = text.partition("(")[2].rpartition(")")[0], "", text.rpartition(")")[2].split()
        kind = "engine" if name.startswith("ctcpmon-re") else "screen"
        spent[kind] += (int(rest[11]) + int(rest[12])) / TICKS
    return spent


def inner(capture: str, hz: float, speed: float, flows: int) -> None:
    """The program in the pane: as fast as possible until all flows are open, then at a pace."""
    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.replay_app import ReplayApp

    class Source(EngineSource):
        """Changes pace once."""

        is_slow = False

        def view(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            view = super().view()
            if not self.is_slow and speed and view.conversations >= flows:
                self.is_slow = True
                self.set_speed(speed)
            return view

    source = Source([capture], period_s=1 / hz)
    source.start()
    ReplayApp(source, period_s=1 / hz).run()
    source.close()


def cost(capture: Path, settings: argparse.Namespace, screen: str) -> float:
    """Share of a core that the screen takes while traffic goes on."""
    speed = settings.packets / PACKETS_PER_S / (settings.seconds + 15)
    words = ["-m", "benches.screen", "--inner", str(capture), "--hz", str(settings.hz)]
    words += ["--speed", str(speed), "--flows", str(settings.flows)]
    with pane(settings.size, *words) as one:
        one.wait(f"speed {speed:g}x")
        if screen:
            began = time.monotonic()
            one.key(screen)
            one.wait("  1 of ")
            settings.list_s = time.monotonic() - began
        time.sleep(2.0)
        before, began = seconds_by_thread(one.pid), time.monotonic()
        time.sleep(settings.seconds)
        after, took = seconds_by_thread(one.pid), time.monotonic() - began
        shares = {name: (after[name] - before[name]) / took for name in after}
        name = NAMES[screen]
        there = f"   there after {settings.list_s:.2f} s" if screen else ""
        print(f"  {name:<13} screen {shares['screen']:6.1%}   engine {shares['engine']:6.1%}{there}")
        if screen == "3":
            keys(one, settings)
        return shares["screen"]


def keys(one: Pane, settings: argparse.Namespace) -> None:
    """Time from a key to the pane that shows what it did, the two calls of tmux included."""
    taken: dict[str, list[float]] = {"j": [], "NPage": [], "G": [], "g": []}
    total = settings.flows + settings.sessions
    for key in [*["j"] * 15, *["NPage"] * 5, "G", "g", "G", "g", "G", "g"]:
        # A row may have another place by then, because of the traffic.
        before = position(one)
        wanted = {"G": total, "g": 1}.get(key)
        began = time.monotonic()
        one.key(key)
        while (now := position(one)) == before or (wanted is not None and now != wanted):
            if time.monotonic() - began > 5:
                print(f"  {key}: still at {now:,} of {total:,}")
                break
        taken[key].append((time.monotonic() - began) * 1_000)
    for key, times in taken.items():
        print(
            f"  key {key:<6} to paint  median {statistics.median(times):4.0f} ms  worst {max(times):4.0f} ms"
        )
    settings.worst_key_ms = max(map(statistics.median, taken.values()))


@dataclass(frozen=True)
class Rate:
    """One run, from when all flows were open to its end."""

    packets_per_s: float
    """By the clock."""
    engine_ns: float
    """Of the engine's thread for a packet."""
    screen_share: float
    """Of a core, of all threads of the interpreter."""


def position(one: Pane) -> int:
    """Where the selected row stands in the list; 0 while none is shown."""
    found = re.search(r"  ([\d,]+) of [\d,]+", one.text())
    return int(found[1].replace(",", "")) if found else 0


def rates(capture: Path, settings: argparse.Namespace, offered: float = 0.0) -> bool:
    """Runs of every kind in turns; prints what differs. True when the screen changes nothing.

    ``offered`` are packets a second; without, the capture is read as fast as possible.
    """
    found: dict[str, list[Rate]] = {name: [] for name in LOOKS}
    for number in range(settings.rounds):
        names = list(LOOKS)
        # Not always the same one behind the same other.
        for name in names[number % 3 :] + names[: number % 3]:
            found[name].append(rate(capture, settings, name, offered))
    alone = found["no screen"]
    is_same = True
    for name, seen in found.items():
        wall = statistics.median(one.packets_per_s for one in seen)
        engine = statistics.median(one.engine_ns for one in seen)
        share = statistics.median(one.screen_share for one in seen)
        line = f"  {name:<13}{wall:>11,.0f} packets/s {{}} engine {engine:6.1f} ns a packet {{}}"
        if seen is alone:
            said = ("", "")
        else:
            pairs = list(zip(seen, alone, strict=True))
            clock = Change([one.packets_per_s / other.packets_per_s - 1 for one, other in pairs])
            thread = Change([other.engine_ns / one.engine_ns - 1 for one, other in pairs])
            # At a pace the processor's clock tells more about its own speed than about us.
            is_same &= not (clock.is_slower or (not offered and thread.is_slower))
            said = (str(clock), str(thread))
        print(f"{line.format(*said)}  screen {share:.1%}")
    return is_same


@dataclass(frozen=True)
class Change:
    """Of one figure, in each round: 0.01 is a hundredth faster."""

    each: list[float]

    def __str__(self) -> str:
        first, middle, last = self._quartiles
        return f"{middle:+.1%} [{first:+.1%} {last:+.1%}]"

    @property
    def is_slower(self) -> bool:
        """True when most rounds say so, and by more than nothing."""
        _, middle, last = self._quartiles
        return last < 0 and middle < -SLOWER_MOST

    @property
    def _quartiles(self) -> tuple[float, float, float]:
        if len(self.each) < 2:
            return (self.each[0],) * 3
        first, middle, last = statistics.quantiles(self.each, n=4, method="inclusive")
        return first, middle, last


def rate(capture: Path, settings: argparse.Namespace, look: str, offered: float) -> Rate:
    """Runs this program once more, in a terminal that throws away what is painted."""
    main, its = pty.openpty()
    width, height = map(int, settings.size.split("x"))
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    with tempfile.NamedTemporaryFile("r") as told:
        words = [sys.executable, "-m", "benches.screen", "--rate", str(capture), "--look", look]
        words += ["--into", told.name, "--hz", str(settings.hz), "--flows", str(settings.flows)]
        words += ["--offered", str(offered), "--seconds", str(settings.seconds)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm-256color"}
        with subprocess.Popen(
            words, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True
        ) as process:
            os.close(its)
            said = b""
            while True:
                try:
                    part = os.read(main, 65_536)
                except OSError:
                    break  # its end was closed
                said = (said + part)[-2_000:]
        os.close(main)
        text = told.read()
        if process.returncode or not text:
            raise RuntimeError(said.decode(errors="replace"))
        return Rate(**json.loads(text))


def measured(capture: str, settings: argparse.Namespace) -> None:
    """The program in that terminal: reads, shows, and writes down how fast that went."""
    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.replay_app import ReplayApp

    look, period_s = settings.look, 1 / settings.hz

    class Source(EngineSource):
        """Lends the run."""

        replay: Replay | None = None

        def _follow(self, replay: Replay) -> None:
            self.replay = replay
            super()._follow(replay)

    source = Source([capture], period_s=3_600.0 if look == "no screen" else period_s)
    source.start()
    app = None if look == "no screen" else ReplayApp(source, period_s=period_s)

    def watch() -> None:
        try:
            while source.replay is None or not (app is None or app.is_running):
                time.sleep(0.001)
            if app is not None and LOOKS[look]:
                app.call_from_thread(app.action_go, "flows")
            found = steady(source, source.replay, settings)
            Path(settings.into).write_text(json.dumps(asdict(found)), "utf-8")
        finally:
            # Whoever waits for what is written sees that there is nothing.
            if app is not None:
                app.call_from_thread(app.exit)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    if app is not None:
        app.run()
    watching.join()
    source.close()


def steady(source: EngineSource, replay: Replay, settings: argparse.Namespace) -> Rate:
    """Looks at the engine when all flows are open, and before the end."""
    while replay.stats().tcp_conversations < settings.flows:
        time.sleep(LOOK_EVERY_S / 4)
    if settings.offered:
        source.set_speed(settings.offered / PACKETS_PER_S)
        time.sleep(1.0)
    first = last = sample(replay)
    while not settings.offered or last[0] - first[0] < settings.seconds:
        now = sample(replay)
        if now[4]:
            break
        last = now
    took, packets, engine, screen = (last[n] - first[n] for n in range(4))
    if took < LEAST_S:
        raise RuntimeError(f"all flows were open for {took:.1f} s only: more --packets")
    return Rate(packets / took, engine / packets * 1e9, screen / took)


def sample(replay: Replay) -> tuple[float, int, float, float, bool]:
    """Time, packets, processor time of the engine and of the interpreter, end; when it has just counted."""
    # Looking costs the interpreter's time too, so it is seldom done.
    time.sleep(LOOK_EVERY_S)
    before = replay.stats().packets
    while True:
        stats = replay.stats()
        if stats.packets != before or stats.done:
            engine, screen = processor_seconds()
            return time.monotonic(), stats.packets, engine, screen, stats.done
        time.sleep(0.005)


def processor_seconds() -> tuple[float, float]:
    """Of the engine's thread of this process, and of all others but the one that reads."""
    spent = [0.0, 0.0]
    for task in Path("/proc/self/task").iterdir():
        try:
            name, used = (task / "comm").read_text(), int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it ended under our eyes
        if not name.startswith("ctcpmon-reader"):
            spent[not name.startswith("ctcpmon-replay")] += used / 1e9
    return spent[0], spent[1]


def first_paint(capture: Path, size: str) -> tuple[float, float]:
    """Seconds to the first whole screen, and those of the processor in it: medians of nine."""
    times = []
    for _ in range(9):
        with pane(size, "-m", "ctcpmon", "replay", str(capture)) as one:
            times.append((one.wait("? help"), seconds_by_thread(one.pid)["screen"]))
    wall, processor = (statistics.median(column) for column in zip(*times, strict=True))
    return wall, processor


def main() -> None:
    """Prints every figure, then what must hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", default="80x24")
    parser.add_argument("--packets", type=int, default=22_000_000, help="after the opening")
    parser.add_argument("--offered", type=float, default=200_000.0, help="packets a second")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--capture")
    for name in ("--inner", "--rate", "--look", "--into"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=float, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.inner:
        inner(settings.inner, settings.hz, settings.speed, settings.flows)
        return
    if settings.rate:
        measured(settings.rate, settings)
        return
    held: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as folder:
        counts = settings.flows, settings.sessions, settings.packets
        capture = Path(settings.capture) if settings.capture else make_capture(folder, *counts)
        print(
            f"{settings.flows:,} flows, {settings.sessions:,} sessions, {settings.hz:g} Hz, {settings.size}"
        )
        for part in PARTS if settings.only is None else (settings.only,):
            print(part)
            held |= PARTS[part](capture, settings)
    for words, holds in held.items():
        print(f"{'PASS' if holds else 'FAIL'}  {words}")
    sys.exit(0 if all(held.values()) else 1)


def costs(capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """Shares of a core, keys, and how soon a list is there."""
    shares = [cost(capture, settings, screen) for screen in ("", "2", "3")]
    return {
        f"screen at most {CPU_MOST:.0%} of a core": max(shares) <= CPU_MOST,
        f"a key is painted within {KEY_MOST_MS:.0f} ms": settings.worst_key_ms <= KEY_MOST_MS,
        f"the flow list is there within {LIST_MOST_S:g} s": settings.list_s <= LIST_MOST_S,
    }


def fastest(capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """As fast as possible."""
    return {"a screen does not slow the engine": rates(capture, settings)}


def paced(capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """At a fixed rate."""
    words = f"{settings.offered:,.0f} packets a second are taken with a screen as without"
    return {words: rates(capture, settings, settings.offered)}


def paint(_capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """First screen."""
    wall, processor = first_paint(DEMO, settings.size)
    print(f"  first paint {wall:.2f} s, {processor:.2f} s of it on the processor")
    return {f"first paint within {PAINT_MOST_S:g} s": wall <= PAINT_MOST_S}


PARTS = {"cost": costs, "rates": fastest, "offered": paced, "paint": paint}
"""What is measured, in this order."""


if __name__ == "__main__":
    main()
