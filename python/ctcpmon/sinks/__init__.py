"""Outputs: one file each behind the ``Sink`` protocol. Names are loaded on first use."""

from __future__ import annotations

from ctcpmon.lazily import from_homes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.sinks.jsonl import JsonLinesSink
    from ctcpmon.sinks.sink import Sink
    from ctcpmon.sinks.table import TableSink

__all__ = ["JsonLinesSink", "Sink", "TableSink"]

__getattr__ = from_homes(__name__, {"JsonLinesSink": "jsonl", "Sink": "sink", "TableSink": "table"})
