"""A source whose addresses are those of documentation; for a screen that others may see.

Every string of a view goes through one ``Redactor``, keys excepted: they are ids. The packets still carry the
addresses, so they are marked with aliases, and only a graph may be drawn of them.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, InvalidStateError
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ctcpmon.redacting import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctcpmon.tui.packets import Packets
    from ctcpmon.tui.source import RunSource
    from ctcpmon.tui.view import Query, Reach, Rows, View

__all__ = ["RedactedSource"]

Answer = TypeVar("Answer")

_MOST_ASKED = 16
"""Queries that may still be answered."""


class RedactedSource:
    """Stands before another source."""

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._redactor = Redactor()
        self._seen: View | None = None
        self._shown: View | None = None
        self._asked: OrderedDict[Query, Query] = OrderedDict()
        """By what the source was asked, what the screen asked: a filter names addresses as they are shown."""

    @property
    def failure(self) -> BaseException | None:
        """See ``RunSource``."""
        return self._source.failure

    @property
    def is_incomplete(self) -> bool:
        """See ``RunSource``."""
        return self._source.is_incomplete

    @property
    def is_paced(self) -> bool:
        """See ``Desk``."""
        return getattr(self._source, "is_paced", True)

    def start(self) -> None:
        """See ``RunSource``."""
        self._source.start()

    def close(self) -> None:
        """See ``RunSource``."""
        self._source.close()

    def ask(self, query: Query) -> None:
        """See ``ViewSource``."""
        real = replace(query, reach=self._real(query.reach))
        if real != query:
            self._asked[real] = query
            self._asked.move_to_end(real)
            while len(self._asked) > _MOST_ASKED:
                self._asked.popitem(last=False)
        else:
            self._asked.pop(real, None)
        self._source.ask(real)

    def view(self) -> View:
        """See ``ViewSource``."""
        view = self._source.view()
        if view is not self._seen or self._shown is None:
            self._seen = view
            query = self._asked.get(view.query, view.query)
            self._shown = replace(self._hidden(view), query=query)
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
        return self._changed(self._source.packets(session), self._aliased)

    def rows(self, reach: Reach) -> Future[Rows]:
        """See ``ViewSource``."""
        return self._changed(self._source.rows(self._real(reach)), self._hidden)

    def _real(self, reach: Reach) -> Reach:
        return replace(reach, filter=self._redactor.real(reach.filter))

    def _changed(self, asked: Future[Answer], change: Callable[[Answer], Answer]) -> Future[Answer]:
        answer: Future[Answer] = Future()

        def pass_on(done: Future[Answer]) -> None:
            try:
                if done.cancelled():
                    answer.cancel()
                elif (error := done.exception()) is not None:
                    answer.set_exception(error)
                else:
                    answer.set_result(change(done.result()))
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
