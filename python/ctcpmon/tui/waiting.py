"""Waits for what a source was asked for, and tells "somebody asked for something else" from "leave off"."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from ctcpmon.tui.packets import PacketsError

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["GivenUpError", "arrived"]

Wanted = TypeVar("Wanted")


class GivenUpError(PacketsError):
    """The source was asked for something else before this was there."""


async def arrived(asked: Future[Wanted]) -> Wanted:
    """The answer. Raises ``GivenUpError`` when it will never come: a cancelled future alone says less."""
    try:
        return await asyncio.wrap_future(asked)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        message = "given up, since something else was asked for"
        raise GivenUpError(message) from None
