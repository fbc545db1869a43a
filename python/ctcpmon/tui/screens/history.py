"""Past incidents, from the history that ``serve`` writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from ctcpmon.errors import CtcpmonError
from ctcpmon.text import clean
from ctcpmon.tui.painting.fold import prose
from ctcpmon.tui.screens.detail import TextScreen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.tui.painting.brush import Frame, Line, Role
    from ctcpmon.tui.view import View

__all__ = ["HistoryScreen", "past_incidents"]

_LAST = 2_000
"""Events looked at: some days of a bad week."""


def past_incidents(path: str) -> list[str]:
    """The last that is known of each incident, newest first. Raises ``CtcpmonError``; reads a file."""
    from ctcpmon.history import HistoryQuery, read, row
    from ctcpmon.sinks.output import glance

    found: dict[str, str] = {}
    for line in read(path, HistoryQuery(kind="incident", last=_LAST)):
        seen = glance(line).data.ctcp
        found.pop(seen.incident, None)
        # One that was moved lives on in a worse one.
        if seen.close_reason != "moved":
            found[seen.incident] = row(line)
    return list(found.values())[::-1]


class HistoryScreen(TextScreen):
    """Read anew each time it is opened."""

    HINTS: ClassVar[Sequence[tuple[str, str]]] = (
        ("j k PgDn PgUp", "scroll"),
        ("1", "incidents"),
        ("l", "log"),
        ("Esc", "back"),
    )
    DEFAULT_CSS = """
    HistoryScreen #title { display: block; }
    """
    _lines: Sequence[str] | None = None
    _fault = ""
    _folded: tuple[int, list[Line]] | None = None
    """Width and lines: thousands are not to be folded several times a second."""

    def on_mount(self) -> None:
        """A large file takes its time, so nobody waits for it."""
        super().on_mount()
        if self.desk.history:
            self.run_worker(self._read(self.desk.history), exit_on_error=False)

    async def _read(self, path: str) -> None:
        try:
            self._lines = await asyncio.to_thread(past_incidents, path)
            self._folded = None
        except CtcpmonError as error:
            self._fault = clean(str(error), 300)
        if self.is_there:
            self.show_body(self.desk.view)

    def page_title(self, view: View, frame: Frame) -> list[Line]:  # noqa: ARG002
        """Which file, how many."""
        number = f" {len(self._lines):,}" if self._lines is not None else ""
        name = f"  incidents of {clean(self.desk.history, 100)}" if self.desk.history else ""
        return [frame.rule(((f"HISTORY{number}", "title"), (name, "")))]

    def page(self, view: View, frame: Frame) -> list[Line]:  # noqa: ARG002
        """The incidents."""
        told, role = self._told()
        if told:
            return [((piece, role),) for piece in prose(told, frame.width - 1, first="  ", rest="  ")]
        if self._folded is not None and self._folded[0] == frame.width:
            return self._folded[1]
        lines: list[Line] = []
        for text in self._lines or ():
            look: Role = "critical" if "  CRIT  " in text else "warning" if "  WARN  " in text else ""
            pieces = prose(text, frame.width - 1, rest="    ")
            lines += [((piece, look if not at else ""),) for at, piece in enumerate(pieces)]
        self._folded = (frame.width, lines)
        return lines

    def _told(self) -> tuple[str, Role]:
        if not self.desk.history:
            text = (
                "No history here. ctcpmon serve writes one when [outputs.history] names a file; attach then "
                "shows it, and --history FILE looks into any."
            )
            return text, ""
        if self._fault:
            return self._fault, "warning"
        if self._lines is None:
            return "reading", "dim"
        return ("" if self._lines else "no incident in it"), "dim"
