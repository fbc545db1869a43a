"""Signals while a screen is open: those that end a program leave the screen first, so all is put right."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from textual.app import App

__all__ = ["catch_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def catch_signals(app: App[Any]) -> None:
    """Textual catches none of these; unhandled they would leave the terminal in raw mode."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        try:
            loop.add_signal_handler(number, app.exit, "signal")
        except (RuntimeError, ValueError, NotImplementedError):
            # Not the main thread: the host of the app handles signals.
            return
    _mind_continue(app)


def _mind_continue(app: App[Any]) -> None:
    """Lets SIGCONT start the screen anew behind a Ctrl-Z, and behind nothing else.

    Textual takes every SIGCONT for the end of one. After a SIGSTOP it would start a second time, keep
    the raw terminal as what to go back to, and never end for the threads of the first.
    """
    resume = signal.getsignal(signal.SIGCONT)
    if not callable(resume):
        return

    def go_on(number: int, frame: FrameType | None) -> None:
        if getattr(app._driver, "_must_signal_resume", True):  # noqa: SLF001 Textual has no door for it
            resume(number, frame)
        else:
            app.call_later(app.refresh, layout=True)

    signal.signal(signal.SIGCONT, go_on)
