"""What a graph is of: the packets of one session, and the moments that its finding names. No layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctcpmon.engine import Series

__all__ = ["SIDES", "Cut", "Subject"]

SIDES = ("client", "headend")


class Cut(Protocol):
    """The packets of a session as they are cut; see ``ctcpmon.tui.packets.Packets``."""

    @property
    def client(self) -> tuple[str, int]:
        """Address and port."""

    @property
    def headend(self) -> tuple[str, int]:
        """Address and port."""

    @property
    def pcapng(self) -> bytes:
        """The packets."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of each packet its number in the capture; may be empty."""

    @property
    def since_ns(self) -> int | None:
        """When the trouble began."""

    @property
    def judged_ns(self) -> int | None:
        """When it was judged."""

    @property
    def marks(self) -> tuple[tuple[int, str], ...]:
        """Moments of the evidence."""

    @property
    def stopped_side(self) -> str:
        """Whose data no longer get through."""

    @property
    def story(self) -> str:
        """The finding in one line."""

    @property
    def aliases(self) -> tuple[str, str]:
        """What to call the two addresses instead; empty: as they are."""

    @property
    def left_out(self) -> str:
        """What is not there, in words."""


@dataclass(frozen=True)
class Subject:
    """A session, ready to be drawn."""

    series: Series
    cut: Cut
    first_ns: int
    last_ns: int

    @classmethod
    def of(cls, cut: Cut) -> Subject:
        """Reads the packets; takes some milliseconds. Raises ``engine.CaptureError``."""
        from ctcpmon import engine

        series = engine.Series(cut.pcapng, cut.client, cut.headend)
        first, last = series.first_ns, series.last_ns
        if first is None or last is None:
            message = "none of these packets belongs to the session"
            raise engine.CaptureError(message)
        return cls(series, cut, first, last)

    @property
    def main_side(self) -> str:
        """The side to look at first: whose data stopped, else who sent more."""
        if self.cut.stopped_side in SIDES:
            return self.cut.stopped_side
        sent = dict.fromkeys(SIDES, 0)
        for side in SIDES:
            drawn = self.series.drawing(side, self.first_ns, self.last_ns, 64)
            sent[side] = sum(high - low for _, low, high, _, _ in drawn.spans)
        return max(SIDES, key=sent.__getitem__)

    def end(self, side: str) -> str:
        """``address:port`` of a side."""
        address, port = self.cut.client if side == "client" else self.cut.headend
        address = self.cut.aliases[SIDES.index(side)] or address
        return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    def number(self, index: int) -> int:
        """Number of a packet of the slice in the capture, or in the slice where that is not known."""
        return self.cut.numbers[index] if index < len(self.cut.numbers) else index + 1
