"""What a bad tap does to a capture, done on purpose: ``python -m tests.score.damage [FOLDER]``.

Frames are lost at random, shown twice, shown out of order, cut short, or one direction is not shown. No
damage may make a session look stalled that was not, and none may make a stalled one look healthy with
confidence. Classic little-endian microsecond pcap only: that is what the lab writes.
"""

from __future__ import annotations

import argparse
import os
import random
import struct
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctcpmon import replay

from .labels import Capture, Flow, load
from .scoring import TUNNELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ctcpmon.engine import Session

HEADER = 24
RECORD = struct.Struct("<IIII")


@dataclass(frozen=True)
class Frame:
    """One record: seconds, microseconds, length on the wire, bytes."""

    s: int
    us: int
    wire: int
    data: bytes

    def later(self, us: int) -> Frame:
        """The same frame ``us`` microseconds later."""
        total = self.s * 1_000_000 + self.us + us
        return Frame(total // 1_000_000, total % 1_000_000, self.wire, self.data)

    def at(self, other: Frame) -> Frame:
        """The same frame with the time of ``other``."""
        return Frame(other.s, other.us, self.wire, self.data)


def read(path: Path) -> tuple[bytes, list[Frame]]:
    """File header and records."""
    raw = path.read_bytes()
    if raw[:4] != b"\xd4\xc3\xb2\xa1":
        raise ValueError(f"{path.name}: not a little-endian microsecond pcap")
    frames, at = [], HEADER
    while at + RECORD.size <= len(raw):
        s, us, length, wire = RECORD.unpack_from(raw, at)
        at += RECORD.size
        if at + length > len(raw):
            break
        frames.append(Frame(s, us, wire, raw[at : at + length]))
        at += length
    return raw[:HEADER], frames


def write(path: Path, header: bytes, frames: Iterable[Frame]) -> None:
    """The other way round."""
    with path.open("wb") as out:
        out.write(header)
        for f in frames:
            out.write(RECORD.pack(f.s, f.us, len(f.data), f.wire) + f.data)


def lost(share: float, seed: int) -> Callable[[list[Frame]], list[Frame]]:
    """Each frame is missing with this probability."""

    def change(frames: list[Frame]) -> list[Frame]:
        dice = random.Random(seed)
        return [f for f in frames if dice.random() >= share]

    return change


def doubled(frames: list[Frame]) -> list[Frame]:
    """Each frame is shown again 20 microseconds later, as a mirror of two ports does on one switch."""
    return [copy for f in frames for copy in (f, f.later(20))]


def routed(frames: list[Frame]) -> list[Frame]:
    """Each frame is shown again 60 microseconds later behind a router: TTL one lower."""
    out = []
    for f in frames:
        out.append(f)
        data = bytearray(f.data)
        if data[12:14] == b"\x08\x00" and len(data) > 34 and data[22] > 1:
            data[22] -= 1
            check = (struct.unpack_from(">H", data, 24)[0] + 0x0100) % 0xFFFF
            struct.pack_into(">H", data, 24, check)
            out.append(Frame(f.s, f.us, f.wire, bytes(data)).later(60))
    return out


def reordered(seed: int) -> Callable[[list[Frame]], list[Frame]]:
    """Frames change places with one of the next three; times stay in order."""

    def change(frames: list[Frame]) -> list[Frame]:
        dice = random.Random(seed)
        order = list(range(len(frames)))
        for i in range(len(order) - 3):
            if dice.random() < 0.1:
                j = i + dice.randint(1, 3)
                order[i], order[j] = order[j], order[i]
        return [frames[j].at(frames[i]) for i, j in enumerate(order)]

    return change


def from_part(share: float) -> Callable[[list[Frame]], list[Frame]]:
    """The capture begins when this share of it has passed."""
    return lambda frames: frames[int(len(frames) * share) :]


def cut(snaplen: int) -> Callable[[list[Frame]], list[Frame]]:
    """A snap length."""
    return lambda frames: [Frame(f.s, f.us, f.wire, f.data[:snaplen]) for f in frames]


def one_way(ports: frozenset[int], *, to_server: bool) -> Callable[[list[Frame]], list[Frame]]:
    """Only frames to (or from) one of the server ports."""

    def keep(f: Frame) -> bool:
        at = 12
        while f.data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
        if f.data[at : at + 2] != b"\x08\x00":
            return True
        tcp = at + 2 + 4 * (f.data[at + 2] & 15)
        if len(f.data) < tcp + 4:
            return True
        source, destination = struct.unpack_from(">HH", f.data, tcp)
        return (destination if to_server else source) in ports

    return lambda frames: [f for f in frames if keep(f)]


TIME_CUT = "begins late"
"""Prefix of damages after which a stall may lie outside the capture."""


def damages(capture: Capture, round_no: int) -> dict[str, Callable[[list[Frame]], list[Frame]]]:
    """Every kind of damage, by name."""
    ports = frozenset(f.server_port for f in capture.flows)
    seed = sum(capture.name.encode()) + 7919 * round_no
    return {
        "as it is": lambda frames: frames,
        "0.1 % lost": lost(0.001, seed),
        "1 % lost": lost(0.01, seed),
        "5 % lost": lost(0.05, seed),
        "doubled": doubled,
        "routed copy": routed,
        "reordered": reordered(seed),
        "snaplen 96": cut(96),
        "lost and reordered": lambda frames: reordered(seed)(lost(0.02, seed)(frames)),
        TIME_CUT: from_part(0.1 + 0.1 * (round_no % 8)),
        "to the headend only": one_way(ports, to_server=True),
        "from the headend only": one_way(ports, to_server=False),
    }


def sessions_of(flow: Flow, sessions: Iterable[Session]) -> list[Session]:
    """The sessions of one labelled flow; several when damage split it."""
    ends = {(flow.client, flow.client_port), (flow.server, flow.server_port)}
    return [
        s
        for s in sessions
        if {(s.client_ip, s.client_port), (s.headend_ip, s.headend_port)} == ends
        and s.first_ns <= flow.window[1] * 1e9
        and s.last_ns >= flow.window[0] * 1e9
    ]


def verdict_of(sessions: list[Session]) -> tuple[str, float]:
    """Worst verdict and its confidence."""
    if not sessions:
        return "none", 0.0
    for s in sessions:
        if s.worst_state == "stalled":
            return "stalled", s.confidence or 0.0
    worst = max(sessions, key=lambda s: s.state != "healthy")
    return worst.state, worst.confidence or 0.0


def main(argv: list[str] | None = None) -> int:
    """Damages every capture in every way; 1 when a verdict is one that must not be."""
    shared = os.environ.get("CTCPMON_SHARED", "../shared")
    parser = argparse.ArgumentParser(prog="tests.score.damage", description="Scores damaged captures.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(shared) / "captures" / "lab")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=1, help="other dice in every round")
    options = parser.parse_args(argv)
    wrong = []
    tally: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for capture in load(options.folder):
            if options.only not in capture.name:
                continue
            header, frames = read(capture.path)
            for name, change in (d for n in range(options.rounds) for d in damages(capture, n).items()):
                path = Path(folder) / capture.name
                write(path, header, change(frames))
                sessions = replay(path).sessions
                counts = tally.setdefault(name, Counter())
                for flow in capture.flows:
                    mine = [s for s in sessions_of(flow, sessions) if s.protocol in TUNNELS]
                    said, _ = verdict_of(mine)
                    may_stall = "stalled" in flow.acceptable or flow.truth == "stalled"
                    kind = "stalled" if flow.is_judgeable else "may stall" if may_stall else "alive"
                    counts[f"{kind}: {said}"] += 1
                    if said == "stalled" and not may_stall:
                        wrong.append(f"FALSE STALL {name}: {capture.name} {flow.name} {mine[0].signature}")
                    # A copy behind the router is shown for what the device dropped, too: that damage
                    # lies about stalled sessions and is only meant for the others.
                    if (
                        flow.is_judgeable
                        and said in {"healthy", "none"}
                        and name not in {"routed copy", TIME_CUT}
                    ):
                        wrong.append(f"LOOKS {said.upper()} {name}: {capture.name} {flow.name}")
    for name, counts in tally.items():
        print(f"{name:22}", ", ".join(f"{n} {k}" for k, n in sorted(counts.items())))
    print(*wrong, sep="\n")
    print(f"{len(wrong)} verdicts that must not be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
