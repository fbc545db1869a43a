"""The time-sequence graph of a session: which part is looked at, lines of a terminal, SVG of a report.

Pure Python over what the engine hands out (``engine.Series``); no textual, no files. Signs are those of
tcptrace where it has them, so that nobody has to learn new ones.
"""

from ctcpmon.graph.looking import Look
from ctcpmon.graph.painting import Room, Style, paint
from ctcpmon.graph.subject import Subject

__all__ = ["Look", "Room", "Style", "Subject", "paint"]
