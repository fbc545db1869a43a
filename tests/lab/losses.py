"""Loss by nftables: exactly the data segments that a scenario names, counted.

A segment is dropped as it leaves an interface, so that the tap behind that interface does not see it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .namespaces import Namespaces

_MANY = 1_000_000
"""Modulus of the segment counter: more than a run has segments."""


@dataclass(frozen=True)
class Loss:
    """Data segments ``first`` to ``last`` (from 1) of one direction of the session on ``port``."""

    port: int
    first: int
    last: int
    direction: Literal["c2s", "s2c"] = "c2s"

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and interface: in front of the client-side tap, or behind the headend-side one."""
        return ("client", "c0") if self.direction == "c2s" else ("firewall", "f0")


def install(spaces: Namespaces, losses: tuple[Loss, ...]) -> None:
    """Loads the rules."""
    for role, interface in sorted({loss.place for loss in losses}):
        rules, counters = [], []
        for number, loss in enumerate(losses):
            if loss.place != (role, interface):
                continue
            end = "sport" if loss.direction == "c2s" else "dport"
            span = f"{loss.first - 1}-{loss.last - 1}" if loss.last > loss.first else str(loss.first - 1)
            counters.append(f"counter lost{number} {{ }}")
            rules.append(
                f"tcp {end} {loss.port} tcp flags & psh == psh numgen inc mod {_MANY} {span} "
                f"counter name lost{number} drop"
            )
        body = "\n  ".join(rules)
        hook = f'type filter hook egress device "{interface}" priority 0;'
        counted = "\n ".join(counters)
        spaces.nft(role, f"table netdev ctlab_loss {{\n {counted}\n chain out {{ {hook}\n  {body}\n }}\n}}")


def counted(spaces: Namespaces, losses: tuple[Loss, ...]) -> list[int]:
    """Segments that each rule dropped, in the order of ``losses``."""
    found: dict[str, int] = {}
    for role in sorted({loss.place[0] for loss in losses}):
        text = spaces.run(role, "nft", "list", "counters", "table", "netdev", "ctlab_loss")
        found |= {name: int(n) for name, n in re.findall(r"counter (\w+) \{\s+packets (\d+)", text)}
    return [found[f"lost{number}"] for number in range(len(losses))]
