"""A source whose addresses are those of documentation; for a screen that others may see.

Every string of a view goes through one ``Redactor``, keys excepted: they are ids. The packets still carry the
addresses, so they are marked with aliases, and only a graph may be drawn of them.
"""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from ctcpmon.redacting import Redactor

if TYPE_CHECKING:
    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.source import RunSource
    from ctcpmon.tui.view import Query, View

__all__ = ["RedactedSource"]


class RedactedSource:
    """Stands before another source."""

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._redactor = Redactor()
        self._seen: View | None = None
        self._shown: View | None = None

    @property
    def failure(self) -> BaseException | None:
        """See ``RunSource``."""
        return self._source.failure

    @property
    def is_incomplete(self) -> bool:
        """See ``RunSource``."""
        return self._source.is_incomplete

    def start(self) -> None:
        """See ``RunSource``."""
        self._source.start()

    def close(self) -> None:
        """See ``RunSource``."""
        self._source.close()

    def ask(self, query: Query) -> None:
        """See ``ViewSource``."""
        self._source.ask(query)

    def view(self) -> View:
        """See ``ViewSource``."""
        view = self._source.view()
        if view is not self._seen or self._shown is None:
            self._seen = view
            self._shown = self._hidden(view)
        return self._shown

    def set_paused(self, paused: bool) -> None:  # noqa: FBT001
        """See ``ViewSource``."""
        self._source.set_paused(paused)

    def set_speed(self, speed: float) -> None:
        """See ``ViewSource``."""
        self._source.set_speed(speed)

    def step(self) -> None:
        """See ``ViewSource``."""
        self._source.step()

    def to_next_incident(self) -> None:
        """See ``ViewSource``."""
        self._source.to_next_incident()

    def packets(self, session: str) -> Future[Packets]:
        """See ``ViewSource``."""
        asked = self._source.packets(session)
        answer: Future[Packets] = Future()

        def pass_on(done: Future[Packets]) -> None:
            try:
                if done.cancelled():
                    answer.cancel()
                elif (error := done.exception()) is not None:
                    answer.set_exception(error)
                else:
                    answer.set_result(self._aliased(done.result()))
            except InvalidStateError:
                return  # nobody waits for it any more

        asked.add_done_callback(pass_on)
        answer.add_done_callback(lambda one: asked.cancel() if one.cancelled() else None)
        return answer

    def _aliased(self, packets: Packets) -> Packets:
        hide = self._redactor.text
        return replace(
            packets,
            aliases=(hide(packets.client[0]), hide(packets.headend[0])),
            marks=tuple((at, hide(text)) for at, text in packets.marks),
            story=hide(packets.story),
        )

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redactor.text(value)
        if isinstance(value, tuple):
            return tuple(map(self._hidden, value))
        if is_dataclass(value) and not isinstance(value, type):
            changed = {
                one.name: self._hidden(getattr(value, one.name))
                for one in fields(value)
                if one.name not in {"query", "key"}
            }
            return replace(value, **changed)
        return value
