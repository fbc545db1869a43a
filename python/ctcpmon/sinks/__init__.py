"""Outputs: one file each behind the ``Sink`` protocol."""

from ctcpmon.sinks.jsonl import JsonLinesSink
from ctcpmon.sinks.sink import Sink
from ctcpmon.sinks.table import TableSink

__all__ = ["JsonLinesSink", "Sink", "TableSink"]
