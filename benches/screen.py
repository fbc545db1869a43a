"""What the screen costs, and whether it holds the engine up: CPU by thread, first paint, key to paint, rates.

    python -m benches.screen [--flows 1000000] [--sessions 10000] [--seconds 20] [--hz 10] [--rounds 40]
                             [--size 80x24] [--packets 22000000] [--offered 200000] [--only PART]
                             [--capture FILE]

From the root of the repository, with tmux. Without ``--capture`` a capture is made by the project's own load
generator (some 3 GB in the temporary folder, removed at the end): every flow and session is opened, then
traffic goes on. ``--only`` runs one part.

``cost``: processor time of the threads that make and paint views (the interpreter's), read from /proc, at a
pace and in a pane of tmux; the engine's threads are apart. ``spare``, ``rates``: how fast the same capture is
read, as fast as possible; with a processor for the engine alone, or with two that reader and engine fill.
``offered``: at a fixed pace, at which every packet must be taken in time.

Rates are those of windows of one run, from when all flows are open and listed to the end: in pairs, one in
which views are made and painted (into a terminal that throws them away) and one in which they are not, every
other pair the other way round. Two runs of the same differ by more than any screen makes. What is told is
the median of all pairs and the interval in which it lies with 95 % certainty (order statistics, as if no pair
knew of another). That a rate is the same is shown where all of that interval lies above ``-SLOWER_MOST``;
where it is too wide for that, nothing is shown and more rounds are needed. ``control`` is the same with no
views in either window: what it tells is the method's own. With no processor to spare the screen's own time
comes out of somebody's: there the interval must not lie wholly below that.
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
    from collections.abc import Callable, Iterator

    from ctcpmon.engine import Replay
    from ctcpmon.tui.view import View

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
LOOKS = {"control": "main", "first screen": "main", "flow list": "flows"}
"""What is looked at, and its screen."""
WINDOW_S = 0.25
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
    from ctcpmon.tui.priority import behind_packets
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
    behind_packets()
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
class Window:
    """A part of a run, in which views are made or not."""

    is_looked_at: bool
    packets_per_s: float
    """By the clock."""
    engine_ns: float
    """Of the engine's thread for a packet."""
    screen_share: float
    """Of a core, of all threads of the interpreter."""

    @property
    def away(self) -> float:
        """Share of the time that the engine was not on a processor."""
        return 1 - self.packets_per_s * self.engine_ns / 1e9


def position(one: Pane) -> int:
    """Where the selected row stands in the list; 0 while none is shown."""
    found = re.search(r"  ([\d,]+) of [\d,]+", one.text())
    return int(found[1].replace(",", "")) if found else 0


def rates(capture: Path, settings: argparse.Namespace, way: str) -> bool:
    """Pairs of windows of several runs; prints what differs. True when the screen costs what it may.

    ``way`` is one of ``spare``, ``rates`` and ``offered``.
    """
    holds = True
    for name in LOOKS:
        runs = [rate(capture, settings, name, way, number) for number in range(settings.rounds)]
        pairs = [pair for run in runs for pair in run]
        with_it, without = zip(*pairs, strict=True)
        shares = [statistics.median(one.screen_share for one in each) for each in (with_it, without)]
        away = [statistics.fmean(one.away for one in each) for each in (with_it, without)]
        rate_s = statistics.median(one.packets_per_s for one in without)
        clock = Change([on.packets_per_s / off.packets_per_s - 1 for on, off in pairs])
        thread = Change([off.engine_ns / on.engine_ns - 1 for on, off in pairs])
        # At a pace the processor's clock tells more about its own speed than about us.
        told = (
            ""
            if way == "offered"
            else f"  engine's thread {thread}, not running {away[1]:.1%} -> {away[0]:.1%}"
        )
        print(
            f"  {name:<13}{rate_s:>11,.0f} packets/s without, with it {clock} in {len(pairs)} pairs{told}"
            f"  screen {shares[1]:.1%} -> {shares[0]:.1%}"
        )
        if name == "control":
            continue
        if way == "rates":
            its_own = (shares[0] - shares[1]) / len(os.sched_getaffinity(0))
            holds &= clock.highest > -max(SLOWER_MOST, its_own)
        else:
            holds &= clock.lowest > -SLOWER_MOST
            if clock.lowest <= -SLOWER_MOST < clock.highest:
                print("  NOT SHOWN either way: more --rounds")
    return holds


@dataclass(frozen=True)
class Change:
    """Of one figure, in each pair: 0.01 is a hundredth faster."""

    each: list[float]

    def __str__(self) -> str:
        return f"{statistics.median(self.each):+.1%} [{self.lowest:+.1%} {self.highest:+.1%}]"

    @property
    def lowest(self) -> float:
        """The median is not below this, with 97.5 % certainty."""
        return sorted(self.each)[self._beyond]

    @property
    def highest(self) -> float:
        """The median is not above this, with 97.5 % certainty."""
        return sorted(self.each)[-1 - self._beyond]

    @property
    def _beyond(self) -> int:
        """Pairs beyond each end of the interval: how many of n fall below their median is binomial."""
        count = len(self.each)
        return max(int(count / 2 - 0.98 * count**0.5), 0)


def rate(
    capture: Path, settings: argparse.Namespace, look: str, way: str, number: int
) -> Iterator[tuple[Window, Window]]:
    """Runs this program once more, in a terminal that throws away what is painted; with, without."""
    main, its = pty.openpty()
    width, height = map(int, settings.size.split("x"))
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    with tempfile.NamedTemporaryFile("r") as told:
        words = [sys.executable, "-m", "benches.screen", "--rate", str(capture), "--look", look]
        words += ["--into", told.name, "--hz", str(settings.hz), "--flows", str(settings.flows)]
        words += [
            "--way",
            way,
            "--number",
            str(number),
            "--offered",
            str(settings.offered),
            "--seconds",
            str(settings.seconds),
        ]
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
    windows = [Window(**each) for each in json.loads(text)]
    for one, other in zip(windows[::2], windows[1::2], strict=False):
        yield (one, other) if one.is_looked_at else (other, one)


def measured(capture: str, settings: argparse.Namespace) -> None:
    """The program in that terminal: reads, shows, and writes down how fast that went."""
    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.priority import behind_packets
    from ctcpmon.tui.replay_app import ReplayApp

    mine = os.sched_getaffinity(0)
    first, *others = sorted(mine)

    class Source(EngineSource):
        """Lends the run, and makes views or not."""

        replay: Replay | None = None

        def _follow(self, replay: Replay) -> None:
            # The engine's threads were made by now.
            os.sched_setaffinity(0, others if settings.way == "spare" else mine)
            self.replay = replay
            super()._follow(replay)

        def look(self, *, is_on: bool) -> None:
            self._period_s = 1 / settings.hz if is_on and settings.look != "control" else 3_600.0

    source = Source([capture], period_s=1 / settings.hz)
    if settings.way == "spare":
        # The engine sees one processor, and reads by itself.
        os.sched_setaffinity(0, {first})
    source.start()
    os.sched_setaffinity(0, others if settings.way == "spare" else mine)
    app = ReplayApp(source, period_s=1 / settings.hz)

    def watch() -> None:
        try:
            while source.replay is None or not app.is_running:
                time.sleep(0.001)
            app.call_from_thread(app.action_go, LOOKS[settings.look])
            replay = source.replay
            while replay.stats().tcp_conversations < settings.flows or not is_listed(source.view(), settings):
                time.sleep(0.1)
            if settings.way == "offered":
                source.set_speed(settings.offered / PACKETS_PER_S)
                time.sleep(1.0)
            windows = [asdict(one) for one in in_turns(replay, source.look, settings)]
            Path(settings.into).write_text(json.dumps(windows), "utf-8")
        finally:
            # Whoever waits for what is written sees that there is nothing.
            app.call_from_thread(app.exit)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    behind_packets()
    app.run()
    watching.join()
    source.close()


def is_listed(view: View, settings: argparse.Namespace) -> bool:
    """True when the list that is looked at is there, if one is: the first pass takes its time once."""
    listing = view.listing
    return LOOKS[settings.look] == "main" or (listing.matching >= settings.flows and listing.progress is None)


def in_turns(replay: Replay, look: Callable[..., None], settings: argparse.Namespace) -> Iterator[Window]:
    """Windows to the end, or for some seconds at a pace: with, without, without, with and so on."""
    ends = time.monotonic() + settings.seconds if settings.way == "offered" else float("inf")
    # Not always the same first.
    number, is_on = 0, bool(settings.number % 2)
    look(is_on=is_on)
    before = sample(replay)
    while time.monotonic() < ends:
        now = sample(replay)
        if now[4]:
            break
        took, packets, engine, screen = (now[n] - before[n] for n in range(4))
        yield Window(is_on, packets / took, engine / packets * 1e9, screen / took)
        number, before = number + 1, now
        if number % 2:
            is_on = not is_on
            look(is_on=is_on)


def sample(replay: Replay) -> tuple[float, int, float, float, bool]:
    """Time, packets, processor time of the engine and of the interpreter, end; when it has just counted."""
    # Looking costs the interpreter's time too, so it is seldom done.
    time.sleep(WINDOW_S)
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
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--size", default="80x24")
    parser.add_argument("--packets", type=int, default=22_000_000, help="after the opening")
    parser.add_argument("--offered", type=float, default=200_000.0, help="packets a second")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--capture")
    for name in ("--inner", "--rate", "--look", "--into", "--way"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, help=argparse.SUPPRESS)
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


def spare(capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """As fast as possible, on a processor of its own."""
    if len(os.sched_getaffinity(0)) < 2:
        print("  NOT MEASURED: one processor")
        return {}
    return {"a screen does not slow an engine with a processor of its own": rates(capture, settings, "spare")}


def fastest(capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """As fast as possible."""
    words = "with all processors busy a screen costs no more than its own time"
    return {words: rates(capture, settings, "rates")}


def paced(capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """At a fixed rate."""
    words = f"{settings.offered:,.0f} packets a second are taken with a screen as without"
    return {words: rates(capture, settings, "offered")}


def paint(_capture: Path, settings: argparse.Namespace) -> dict[str, bool]:
    """First screen."""
    wall, processor = first_paint(DEMO, settings.size)
    print(f"  first paint {wall:.2f} s, {processor:.2f} s of it on the processor")
    return {f"first paint within {PAINT_MOST_S:g} s": wall <= PAINT_MOST_S}


PARTS = {"cost": costs, "spare": spare, "rates": fastest, "offered": paced, "paint": paint}
"""What is measured, in this order."""


if __name__ == "__main__":
    main()
