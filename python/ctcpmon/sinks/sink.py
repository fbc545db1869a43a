"""What a sink is. A sink knows lines of JSON and the events they hold, nothing of TCP or of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ByteStream", "Sink"]


class ByteStream(Protocol):
    """A binary stream that can be written and flushed."""

    def write(self, data: bytes, /) -> object:
        """Takes all of ``data``."""

    def flush(self) -> object:
        """Hands everything to the system."""


class Sink(Protocol):
    """Takes the events of one run in order."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Takes a batch: each line is the JSON of an event, without the newline.

        On return the whole lines are with the system, or what counts of them is kept for ``close``.

        Raises ``OutputClosedError`` when the reader is gone, ``OSError`` when writing fails.
        """

    def close(self) -> None:
        """Writes what was kept. Does not close the stream; may be called once."""
