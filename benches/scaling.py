"""Measures how the cost of a packet grows with flows, attacks and cores; says PASS or FAIL line by line.

    python benches/scaling.py [--rounds 3] [--only GROUP,...] [--write] [--json FILE]

Groups: flows, attacks, families, tunnels, cores. Each round runs everything once, in turn, so that a slow
minute of the machine meets all of it. Costs are processor time of the engine's thread, which other programs
disturb less than wall time; ratios are formed inside a round, and the median over the rounds is judged.
Frames are made in memory by ``load``; only ``cores`` runs the whole program on captures, which
it writes to a folder of its own, and takes wall time.

``--write`` puts the tables into docs/performance.md, between the markers, and the plot beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaling_plot import Series, plot

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- scaling.py: begin -->", "<!-- scaling.py: end -->"

FLOWS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000)
SHAPES = ("ordinary", "uniform")
FLOODS = ("syn-flood", "data-flood", "tunnel-flood")
HOLES = ("holes-in-one", "holes-in-many", "holes-in-ordinary")
ATTACKS = (*FLOODS, *HOLES, "recut")
FAMILIES = ("random", "sequential", "xor-cancelling", "fx-low-bits", "fnv1a", "crc32c", "toeplitz")
MILLION = 1_000_000
M = ("--mix", "ordinary", "--flows", str(MILLION), "--packets", str(10 * MILLION))
"""The shape of the capture M: a million flows arrive over ten million packets, Zipf's popularity."""
TUNNELS = ("--mix", "tunnels", "--sessions", "1000", "--packets", str(MILLION))
CAPTURES = (("tunnels", "10000", "100"), ("sparse-tunnels", "100000", "10"))
"""Captures of nothing but cTCP: name, ns between packets, packets/s a session. As dense as S, which has
a million packets in ten seconds too; and with ten times as many judgements, of ten packets each."""


@dataclass(frozen=True)
class Claim:
    """One line that must hold: a measured ratio and its limit."""

    words: str
    value: float
    limit: float
    at_most: bool = True

    def holds(self) -> bool:
        """True when the value is on the right side of the limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def row(self) -> str:
        """The line in a table."""
        sign = "at most" if self.at_most else "at least"
        verdict = "PASS" if self.holds() else "**FAIL**"
        return f"| {self.words} | {self.value:.2f} | {sign} {self.limit:.2f} | {verdict} |"


class Rounds:
    """Costs by name, one of each round."""

    def __init__(self, load: Path, core: int) -> None:
        self.load = load
        self.core = core
        self.ns: dict[str, list[float]] = defaultdict(list)

    def cost(self, name: str, *options: str) -> None:
        """Runs ``load`` once; adds its processor time per packet, ns."""
        words = [str(self.load), *options]
        done = subprocess.run(
            words,
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        self.ns[name].append(float(json.loads(done.stdout)["cpu_ns"]))

    def wall(self, name: str, packets: int, cores: set[int], *words: str) -> None:
        """Runs a program once on these cores; adds its wall time per packet, ns."""
        started = time.perf_counter()
        subprocess.run(
            words,
            check=True,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.ns[name].append((time.perf_counter() - started) * 1e9 / packets)

    def median(self, name: str) -> float:
        """Median cost, ns."""
        return statistics.median(self.ns[name])

    def ratio(self, name: str, base: str) -> float:
        """Median over the rounds of the ratio of two costs."""
        return statistics.median(a / b for a, b in zip(self.ns[name], self.ns[base], strict=True))


def run_flows(rounds: Rounds, _: Path) -> None:
    """More and more flows, all open before time is taken."""
    for shape in SHAPES:
        for flows in FLOWS:
            size = ("--flows", str(flows), "--packets", str(2 * MILLION), "--open-first")
            rounds.cost(f"{shape} {flows}", "--mix", shape, *size)


def judge_flows(rounds: Rounds) -> list[Claim]:
    """4 M against 10 k."""
    names = {"ordinary": "popularity of Zipf", "uniform": "all alike"}
    return [
        Claim(
            f"Cost of a packet at 4 M flows / at 10 k, {names[shape]}",
            rounds.ratio(f"{shape} 4000000", f"{shape} 10000"),
            2.5,
        )
        for shape in SHAPES
    ]


def run_attacks(rounds: Rounds, _: Path) -> None:
    """Each attack with one, two and four million packets; the flow table has its usual bound."""
    for mix in ATTACKS:
        options = ("--mix", mix, "--flows", "100000", "--sessions", "1000", "--max-flow-mib", "256")
        first = () if mix in FLOODS else ("--open-first",)
        for times in (1, 2, 4):
            packets = ("--packets", str(times * MILLION))
            rounds.cost(f"{mix} x{times}", *options, *packets, *first)


def judge_attacks(rounds: Rounds) -> list[Claim]:
    """A million packets against M, and twice as many against once."""
    costs = [
        Claim(f"Cost of a packet of {mix} / of M", rounds.ratio(f"{mix} x1", "M"), 3.0) for mix in ATTACKS
    ]
    twice = [
        Claim(
            f"Time of twice as many packets of {mix}, {few} to {2 * few} M",
            2 * rounds.ratio(f"{mix} x{2 * few}", f"{mix} x{few}"),
            2.5,
        )
        for mix in ATTACKS
        for few in (1, 2)
    ]
    return costs + twice


def run_families(rounds: Rounds, _: Path) -> None:
    """A million tuples of each family into an empty table."""
    for family in FAMILIES:
        rounds.cost(f"family {family}", "--mix", f"family-{family}", "--packets", str(MILLION))


def judge_families(rounds: Rounds) -> list[Claim]:
    """Against random tuples."""
    return [
        Claim(
            f"Rate of insertion, {family} / random",
            rounds.ratio("family random", f"family {family}"),
            1 / 3,
            at_most=False,
        )
        for family in FAMILIES[1:]
    ]


def run_tunnels(rounds: Rounds, _: Path) -> None:
    """Nothing but cTCP: as fast as M in packet time, and at ten packets a second a session."""
    for spacing in (1_000, 100_000):
        rounds.cost(f"tunnels {spacing}", *TUNNELS, "--spacing-ns", str(spacing))


def judge_tunnels(rounds: Rounds) -> list[Claim]:
    """Against M."""
    return [
        Claim(
            f"Rate of 100 % cTCP, {pace} packets/s a session / of M, engine",
            rounds.ratio("M", f"tunnels {spacing}"),
            0.3,
            at_most=False,
        )
        for spacing, pace in ((1_000, "1,000"), (100_000, "10"))
    ]


def run_cores(rounds: Rounds, folder: Path) -> None:
    """The whole program on captures, on one core and on two."""
    replay = (sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", "--max-flow-mib", "1024")
    here = sorted(os.sched_getaffinity(0))
    for name, size in (("M", M), *((name, (*TUNNELS, "--spacing-ns", ns)) for name, ns, _ in CAPTURES)):
        path = folder / f"{name}.pcap"
        packets = 10 * MILLION if name == "M" else MILLION
        if not path.exists():
            subprocess.run([rounds.load, *size, "--write", path], check=True)
        with path.open("rb") as file:
            while file.read(1 << 22):
                pass
        for cores in range(1, min(len(here), 2) + 1):
            rounds.wall(f"replay {name} {cores}", packets, set(here[-cores:]), *replay, str(path))


def judge_cores(rounds: Rounds) -> list[Claim]:
    """Tunnels against M, whole program."""
    return [
        Claim(
            f"Rate of 100 % cTCP, {pace} packets/s a session / of M, whole program, cores: {cores}",
            rounds.ratio(f"replay M {cores}", f"replay {name} {cores}"),
            0.3,
            at_most=False,
        )
        for name, _, pace in CAPTURES
        for cores in (1, 2)
        if f"replay M {cores}" in rounds.ns
    ]


GROUPS: dict[str, tuple[Callable[[Rounds, Path], None], Callable[[Rounds], list[Claim]]]] = {
    "flows": (run_flows, judge_flows),
    "attacks": (run_attacks, judge_attacks),
    "families": (run_families, judge_families),
    "tunnels": (run_tunnels, judge_tunnels),
    "cores": (run_cores, judge_cores),
}


def tables(rounds: Rounds, groups: list[str], judged: list[Claim], count: int) -> str:
    """The text between the markers."""
    m, load = rounds.median("M"), os.getloadavg()[0]
    out = [
        f"Written by `python benches/scaling.py --rounds {count} --write`: medians of {count} rounds,",
        "processor time of the engine's thread, frames from memory; `whole program` is wall time on a",
        f"capture. M here: a million flows that arrive over ten million packets, {m:.0f} ns a packet. Load",
        f"average at the end: {load:.1f} on {os.cpu_count()} cores; above 1 a second core was not free.",
        "",
    ]
    if "flows" in groups:
        out += [
            "![Cost of a packet against flows, packets per second against cores](performance.svg)",
            "",
            "| flows, all open | ns a packet, Zipf | ns a packet, all alike |",
            "|---|---|---|",
        ]
        for flows in FLOWS:
            zipf, alike = (rounds.median(f"{shape} {flows}") for shape in SHAPES)
            out.append(f"| {flows:,} | {zipf:.0f} | {alike:.0f} |")
        out.append("")
    if "cores" in groups:
        out += ["| whole program | cores | k packets/s |", "|---|---|---|"]
        for name in (n for n in rounds.ns if n.startswith("replay ")):
            _, capture, cores = name.split()
            out.append(f"| {capture} | {cores} | {1e6 / rounds.median(name):,.0f} |")
        out.append("")
    out += ["| | measured | must be | |", "|---|---|---|---|", *(claim.row() for claim in judged)]
    return "\n".join(out)


def written(text: str) -> None:
    """Replaces what stands between the markers of the page."""
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


def drawn(rounds: Rounds) -> None:
    """Writes the plot beside the page."""
    costs = [
        Series(label, [(flows, rounds.median(f"{shape} {flows}")) for flows in FLOWS])
        for label, shape in (("Zipf's popularity", "ordinary"), ("all alike", "uniform"))
    ]
    rates = [
        Series(label, [(n, 1e3 / rounds.median(f"replay {capture} {n}")) for n in (1, 2)])
        for label, capture in (("M", "M"), ("100 % cTCP", "tunnels"))
        if f"replay {capture} 2" in rounds.ns
    ]
    PAGE.with_suffix(".svg").write_text(plot(costs, rates), "utf-8")


def main() -> int:
    """Command line; 1 when a line does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(GROUPS), metavar="GROUP,...")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    groups = args.only.split(",")
    if not set(groups) <= set(GROUPS):
        parser.error(f"groups are {', '.join(GROUPS)}")
    if args.write and set(groups) != set(GROUPS):
        parser.error("--write needs every group")
    build = ["cargo", "build", "-q", "--release", "-p", "ctcpmon-benches", "--bin", "load"]
    subprocess.run(build, check=True, cwd=ROOT)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    rounds = Rounds(target / "release" / "load", args.core)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
            rounds.cost("M", *M)
            for group in groups:
                GROUPS[group][0](rounds, Path(folder))
    judged = [claim for group in groups for claim in GROUPS[group][1](rounds)]
    text = tables(rounds, groups, judged, args.rounds)
    print(text)
    if args.json is not None:
        args.json.write_text(json.dumps(rounds.ns, indent=1) + "\n", "utf-8")
    if args.write:
        written(text)
        drawn(rounds)
    return 0 if all(claim.holds() for claim in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
