"""What a plain run takes of the standard library, without the modules that come with it there.

``collections`` and ``functools`` load each other and three more, in the time that the engine needs for some
ten thousand packets. What they only pass on from C comes from C here; what is short is written out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Hashable
    from typing import TypeVar

    Asked = TypeVar("Asked", bound=Hashable)
    Answer = TypeVar("Answer")

else:
    try:
        from _collections import deque
    except ImportError:
        from collections import deque

__all__ = ["deque", "is_finite", "remembered"]

_ENDLESS = float("inf")


def is_finite(value: float) -> bool:
    """As ``math`` has it, which is a library of its own in some builds of Python."""
    return -_ENDLESS < value < _ENDLESS


def remembered(most: int) -> Callable[[Callable[[Asked], Answer]], Callable[[Asked], Answer]]:
    """Keeps the answers of a pure function of one argument; forgets them all when there are ``most``."""

    def decorate(function: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        answers: dict[Asked, Answer] = {}

        def answer(asked: Asked) -> Answer:
            try:
                return answers[asked]
            except KeyError:
                pass
            found = function(asked)
            if len(answers) >= most:
                answers.clear()
            answers[asked] = found
            return found

        answer.__doc__ = function.__doc__
        return answer

    return decorate
