"""JSON Lines: one event, one line, one flush per batch. Keeps nothing."""

from __future__ import annotations

from ctcpmon.errors import OutputClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.sinks.sink import ByteStream

__all__ = ["JsonLinesSink"]


class JsonLinesSink:
    """Writes each event as one line of UTF-8 JSON, as it comes."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def write(self, lines: Sequence[bytes]) -> None:
        """Writes and flushes the batch."""
        if not lines:
            return
        try:
            self._stream.write(b"\n".join((*lines, b"")))
            self._stream.flush()
        except BrokenPipeError as error:
            message = "the reader of the output is gone"
            raise OutputClosedError(message) from error

    def close(self) -> None:
        """Does nothing: every batch is already written."""
