"""Stands before another sink and replaces addresses by those of documentation. Knows lines, no events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.redacting import Redactor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.sinks.sink import Sink

__all__ = ["RedactedSink"]


class RedactedSink:
    """The same events without real addresses."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._redactor = Redactor()

    def write(self, lines: Sequence[bytes]) -> None:
        """See ``Sink``."""
        self._sink.write([self._redactor.line(line) for line in lines])

    def close(self) -> None:
        """See ``Sink``."""
        self._sink.close()
