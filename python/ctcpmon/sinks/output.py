"""What an output of ``serve`` is, and what all of them read from a line. No threads, no waiting, no clock.

An output is called by one thread (``ctcpmon.outlets``), which keeps what was not taken and comes again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SEVERITIES", "Glance", "Output", "RefusedError", "glance", "kind_of", "wanting"]

SEVERITIES = {"info": 21, "warning": 47, "critical": 99}
_HEAD = b'{"type":"ctcpmon.'
"""How every line of ``envelopes`` and ``rust/events`` begins."""


class RefusedError(Exception):
    """The receiver will never take this line; the message says why."""


class Output(Protocol):
    """Takes lines of JSON in order."""

    def deliver(self, lines: Sequence[bytes]) -> int:
        """Hands over the first few of ``lines`` and returns how many, at least one.

        Raises ``OSError`` when none could be handed over and it is worth trying again, and
        ``RefusedError`` when the first one will never be taken.
        """

    def reopen(self) -> None:
        """Lets go of what another program may have replaced (SIGHUP)."""

    def close(self) -> None:
        """Called once, at the end, by the same thread."""


class _Event(msgspec.Struct, gc=False):
    severity: int
    reason: str = ""


class _Rule(msgspec.Struct, gc=False):
    id: str = ""


class _Peer(msgspec.Struct, gc=False):
    ip: str = ""
    port: int = 0
    address: str = ""

    @property
    def text(self) -> str:
        """Of a session ``ip:port``, of an incident a network."""
        if not self.ip:
            return self.address
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class _Ctcp(msgspec.Struct, gc=False):
    session: str = ""
    incident: str = ""
    change: str = ""
    close_reason: str = ""
    verdict: str = ""
    confidence: float | None = None
    where: str = ""


class _Data(msgspec.Struct, gc=False):
    event: _Event
    rule: _Rule = msgspec.field(default_factory=_Rule)
    source: _Peer = msgspec.field(default_factory=_Peer)
    destination: _Peer = msgspec.field(default_factory=_Peer)
    ctcp: _Ctcp = msgspec.field(default_factory=_Ctcp)


class Glance(msgspec.Struct, gc=False):
    """The parts of an event that outputs choose and summarise by; the rest of the line is not built."""

    type: str
    id: str
    data: _Data
    time: str = ""

    @property
    def kind(self) -> str:
        """``incident`` for ``ctcpmon.incident.v1``."""
        return self.type.split(".")[1]


_DECODER = msgspec.json.Decoder(Glance)


def glance(line: bytes) -> Glance:
    """Reads what there is to choose by. The line is one of ours."""
    return _DECODER.decode(line)


def kind_of(line: bytes) -> str:
    """Kind of an event without reading it."""
    start = len(_HEAD)
    return line[start : line.index(b".", start)].decode("ascii")


def wanting(kinds: Sequence[str], min_severity: str = "info") -> Callable[[bytes], bool]:
    """True for the lines of these kinds that are at least so severe.

    The end of an incident that was severe is wanted too: who was told that it began is told that it is over.
    """
    heads = tuple(_HEAD + kind.encode("ascii") + b"." for kind in kinds)
    least = SEVERITIES[min_severity]
    if least <= SEVERITIES["info"]:
        return lambda line: line.startswith(heads)
    told: set[str] = set()

    def is_wanted(line: bytes) -> bool:
        if not line.startswith(heads):
            return False
        try:
            seen = glance(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # Of a file that was damaged: nobody can read it.
            return False
        incident = seen.data.ctcp.incident if seen.kind == "incident" else ""
        is_closed = seen.data.ctcp.change == "closed"
        if seen.data.event.severity >= least:
            if incident and not is_closed and len(told) < _MOST_TOLD:
                told.add(incident)
            return True
        if not is_closed or incident not in told:
            return False
        told.discard(incident)
        return True

    return is_wanted


_MOST_TOLD = 10_000
"""Incidents remembered; beyond it an end may go unsaid. The book of incidents holds a tenth of it."""
