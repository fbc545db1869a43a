"""Where views come from: the protocol between the screens and a run. No textual, no engine.

A widget or screen takes any ``ViewSource``, so it can be embedded elsewhere and tested with a
fake. No call here may block: the work is done on another thread or beforehand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.view import Query, Reach, Rows, View

__all__ = ["SPEEDS", "RunSource", "ViewSource", "next_speed"]

SPEEDS: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0, 0.0)
"""Steps of the speed keys, slow to fast; 0.0 is as fast as possible."""


class ViewSource(Protocol):
    """A run that can be looked at."""

    def ask(self, query: Query) -> None:
        """Says what the user looks at; a later view answers it. Returns at once."""

    def view(self) -> View:
        """The newest view; the same object while nothing changed. Returns at once."""

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        """Holds or resumes the reading."""

    def set_speed(self, speed: float) -> None:
        """Pace of the reading, 0.0 as fast as possible."""

    def packets(self, session: str) -> Future[Packets]:
        """The packets of a session by its key. Returns at once; cancel it when nobody waits any more.

        One at a time: asking for others gives up the first. It ends in ``Packets`` or ``PacketsError``.
        """

    def rows(self, reach: Reach) -> Future[Rows]:
        """A whole long list for a file, from its first row on: the window of ``reach`` is not looked at.

        Returns at once; cancel it when nobody waits any more. Asking anew gives up what was asked before.
        It ends in ``Rows`` or ``PacketsError``.
        """

    def step(self) -> None:
        """Of captures: reads one second of packet time, then holds."""

    def to_next_incident(self) -> None:
        """Of captures: reads until there is one incident more, then holds."""


class RunSource(ViewSource, Protocol):
    """A source that its user starts and ends."""

    @property
    def failure(self) -> BaseException | None:
        """What ended it early."""

    @property
    def is_incomplete(self) -> bool:
        """True when an input could not be read whole."""

    def start(self) -> None:
        """Begins. Raises ``CtcpmonError`` when it cannot."""

    def close(self) -> None:
        """Ends it, whatever happened."""


def next_speed(speed: float, step: int) -> float:
    """The speed ``step`` places faster (negative: slower) than ``speed``, ends kept."""
    if speed not in SPEEDS:
        index = sum(one <= speed for one in SPEEDS[:-1])
        index = index - 1 if step > 0 else index
    else:
        index = SPEEDS.index(speed)
    return SPEEDS[min(max(index + step, 0), len(SPEEDS) - 1)]
