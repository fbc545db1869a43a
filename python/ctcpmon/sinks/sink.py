"""What a sink is. A sink knows events and bytes; it knows nothing of TCP or of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.events import Event

__all__ = ["ByteStream", "Sink"]


class ByteStream(Protocol):
    """A binary stream that can be written and flushed."""

    def write(self, data: bytes, /) -> object:
        """Takes all of ``data``."""

    def flush(self) -> object:
        """Hands everything to the system."""


class Sink(Protocol):
    """Takes the events of one run in order."""

    def write(self, events: Sequence[Event]) -> None:
        """Takes a batch. On return its whole lines are with the system, or kept for ``close``.

        Raises ``OutputClosedError`` when the reader is gone, ``OSError`` when writing fails.
        """

    def close(self) -> None:
        """Writes what was kept. Does not close the stream; may be called once."""
