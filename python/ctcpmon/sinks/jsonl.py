"""JSON Lines: one event, one line, one flush per batch. Keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.errors import OutputClosedError
from ctcpmon.events import Event, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.sinks.sink import ByteStream

__all__ = ["JsonLinesSink"]


class JsonLinesSink:
    """Writes each event as one line of UTF-8 JSON."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def write(self, events: Sequence[Event]) -> None:
        """Writes and flushes the batch."""
        if not events:
            return
        try:
            self._stream.write(b"".join(encode(event) + b"\n" for event in events))
            self._stream.flush()
        except BrokenPipeError as error:
            message = "the reader of the output is gone"
            raise OutputClosedError(message) from error

    def close(self) -> None:
        """Does nothing: every batch is already written."""
