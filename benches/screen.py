"""What the screen costs, and whether it holds the engine up: CPU by thread, first paint, key to paint, rates.

    python -m benches.screen [--flows 1000000] [--sessions 10000] [--seconds 20] [--hz 10] [--rounds 5]
                             [--size 80x24] [--capture FILE]

From the root of the repository, with tmux. Without ``--capture`` a capture is made by the project's own load
generator (some 500 MB in the temporary folder, removed at the end): every flow and session is opened, then
traffic goes on. The screen runs in a pane of its own and is read from there.

``screen`` is the processor time of the threads that make and paint views (the interpreter's), read from
/proc; the engine's threads are apart. ``rate`` reads the same capture as fast as possible, in turns without a
screen, with the first screen, and with the flow list open.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "python" / "ctcpmon" / "data" / "demo.pcap"
NAMES = {"": "first screen", "2": "sessions", "3": "flows"}
"""Screens by their key."""
TICKS = os.sysconf("SC_CLK_TCK")
WAIT_S = 120.0
MORE_PACKETS = 3_000_000
"""After the opening; a microsecond of packet time each, as the load generator spaces them."""
CPU_MOST, PAINT_MOST_S, KEY_MOST_MS, SLOWER_MOST = 0.10, 1.0, 100.0, 0.05
"""What must hold; the last is what two medians on a shared machine may differ by."""


def make_capture(folder: str, flows: int, sessions: int) -> Path:
    """A capture in which everything is open from the first part on."""
    path = Path(folder) / "screen.pcap"
    words = ["cargo", "run", "-q", "--release", "-p", "ctcpmon-benches", "--bin", "load", "--"]
    words += ["--mix", "tenth-tunnels", "--flows", str(flows), "--sessions", str(sessions)]
    words += ["--packets", str(2 * (flows + sessions) + MORE_PACKETS), "--open-first", "--write", str(path)]
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
    speed = MORE_PACKETS / 1e6 / (settings.seconds + 15)
    words = ["-m", "benches.screen", "--inner", str(capture), "--hz", str(settings.hz)]
    words += ["--speed", str(speed), "--flows", str(settings.flows)]
    with pane(settings.size, *words) as one:
        one.wait(f"speed {speed:g}x")
        if screen:
            one.key(screen)
            one.wait("1 of ")
        time.sleep(2.0)
        before, began = seconds_by_thread(one.pid), time.monotonic()
        time.sleep(settings.seconds)
        after, took = seconds_by_thread(one.pid), time.monotonic() - began
        shares = {name: (after[name] - before[name]) / took for name in after}
        name = NAMES[screen]
        print(f"  {name:<13} screen {shares['screen']:6.1%}   engine {shares['engine']:6.1%}")
        if screen == "3":
            keys(one, settings)
        return shares["screen"]


def keys(one: Pane, settings: argparse.Namespace) -> None:
    """Time from a key to the pane that shows what it did, the two calls of tmux included."""
    taken: dict[str, list[float]] = {"j": [], "NPage": [], "G": [], "g": []}
    rows = int(settings.size.split("x")[1]) - 7
    total = settings.flows + settings.sessions
    at = 1
    for key in [*["j"] * 15, *["NPage"] * 5, "G", "g", "G", "g", "G", "g"]:
        at = {"j": at + 1, "NPage": at + rows, "G": total, "g": 1}[key]
        began = time.monotonic()
        one.key(key)
        text = f"  {at:,} of "
        while text not in one.text():
            if time.monotonic() - began > 5:
                print(f"  {key}: {text!r} did not come; {one.text().splitlines()[2]}")
                break
        taken[key].append((time.monotonic() - began) * 1_000)
    for key, times in taken.items():
        print(
            f"  key {key:<6} to paint  median {statistics.median(times):4.0f} ms  worst {max(times):4.0f} ms"
        )
    settings.worst_key_ms = max(map(statistics.median, taken.values()))


def rates(capture: Path, settings: argparse.Namespace) -> None:
    """Packets a second of the whole capture, in turns."""
    found: dict[str, list[tuple[float, float]]] = {"no screen": [], "first screen": [], "flows": []}
    for _ in range(settings.rounds):
        for name, seen in found.items():
            words = ["-m", "benches.screen", "--rate", str(capture), "--look", name, "--hz", str(settings.hz)]
            said = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout
            wall, engine = said.split()
            seen.append((float(wall), float(engine)))
    alone = [statistics.median(column) for column in zip(*found["no screen"], strict=True)]
    for name, seen in found.items():
        wall, engine = (statistics.median(column) for column in zip(*seen, strict=True))
        print(
            f"  {name:<13} {wall / 1e6:5.2f} M packets/s ({wall / alone[0] - 1:+.1%}), "
            f"{engine / 1e6:5.2f} M a second of the engine's thread ({engine / alone[1] - 1:+.1%})"
        )
    settings.slower = 1 - statistics.median(engine for _, engine in found["flows"]) / alone[1]


def rate(capture: str, look: str, hz: float) -> None:
    """Reads a capture as fast as possible while views are made of it.

    Prints packets a second by the clock, and of the engine's thread: others disturb that less. Nothing
    is painted: on two cores a terminal would take the reader's processor.
    """
    from ctcpmon.tui.engine_source import EngineSource
    from ctcpmon.tui.view import Query, Reach

    source = EngineSource([capture], period_s=1 / hz if look != "no screen" else 3_600.0)
    if look == "flows":
        source.ask(Query(reach=Reach(name="flows", order="bytes", height=54)))
    began, engine_s = time.monotonic(), 0.0
    source.start()
    while source.view().progress.phase not in {"done", "failed"}:
        engine_s = max(engine_s, engine_seconds())
        time.sleep(0.005)
    packets = source.view().packets
    print(packets / (time.monotonic() - began), packets / max(engine_s, 1e-3))
    source.close()


def engine_seconds() -> float:
    """Processor time of the engine's thread of this process."""
    for task in Path("/proc/self/task").iterdir():
        try:
            if (task / "comm").read_text().startswith("ctcpmon-replay"):
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue  # it ended under our eyes
    return 0.0


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="80x24")
    parser.add_argument("--capture")
    for name in ("--inner", "--rate", "--look"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=float, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.inner:
        inner(settings.inner, settings.hz, settings.speed, settings.flows)
        return
    if settings.rate:
        rate(settings.rate, settings.look, settings.hz)
        return
    with tempfile.TemporaryDirectory() as folder:
        given = settings.capture
        capture = Path(given) if given else make_capture(folder, settings.flows, settings.sessions)
        print(
            f"{settings.flows:,} flows, {settings.sessions:,} sessions, {settings.hz:g} Hz, {settings.size}"
        )
        shares = [cost(capture, settings, screen) for screen in ("", "2", "3")]
        rates(capture, settings)
        paint, processor = first_paint(DEMO, settings.size)
        print(f"  first paint {paint:.2f} s, {processor:.2f} s of it on the processor")
    held = {
        f"screen at most {CPU_MOST:.0%} of a core": max(shares) <= CPU_MOST,
        f"a key is painted within {KEY_MOST_MS:.0f} ms": settings.worst_key_ms <= KEY_MOST_MS,
        f"first paint within {PAINT_MOST_S:g} s": paint <= PAINT_MOST_S,
        f"the engine loses at most {SLOWER_MOST:.0%}": settings.slower <= SLOWER_MOST,
    }
    for words, holds in held.items():
        print(f"{'PASS' if holds else 'FAIL'}  {words}")
    sys.exit(0 if all(held.values()) else 1)


if __name__ == "__main__":
    main()
