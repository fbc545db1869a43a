"""JSON Lines: one event, one line, one flush per batch. Keeps nothing."""

from __future__ import annotations

from ctcpmon.errors import OutputClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.sinks.sink import ByteStream

__all__ = ["JsonLinesSink"]

_LINES = 50
"""Put together for one write: some 100 kB, which the allocator has at hand. The thousands of lines at the end
of a run in one piece would be memory from the kernel, page by page."""


class JsonLinesSink:
    """Writes each event as one line of UTF-8 JSON, as it comes."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def write(self, lines: Sequence[bytes]) -> None:
        """Writes and flushes the batch."""
        if not lines:
            return
        try:
            for at in range(0, len(lines), _LINES):
                self._stream.write(b"\n".join((*lines[at : at + _LINES], b"")))
            self._stream.flush()
        except BrokenPipeError as error:
            message = "the reader of the output is gone"
            raise OutputClosedError(message) from error

    def close(self) -> None:
        """Does nothing: every batch is already written."""
