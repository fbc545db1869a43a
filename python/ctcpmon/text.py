"""Makes any string safe for a terminal, a log and a table cell. Knows nothing about its origin.

Every string that came from an input, a file name or the engine passes ``clean`` before it is
shown or put into an event. The invariant: what ``clean`` returns has no control, format, bidi,
zero-width, private-use or unassigned character, and occupies exactly ``width`` cells.

Nearly all of it is ASCII; what Unicode says of the rest is in ``foreign_text``, loaded when there is some.
"""

from __future__ import annotations

__all__ = ["LOOK_AT", "MAX_CELLS", "clean", "cut", "pad", "width"]

MAX_CELLS = 128
"""Longest piece of foreign text shown anywhere (reliability.md section 8)."""

LOOK_AT = 4
"""Characters looked at for each cell; more cannot matter, as each needs one or is one of two marks on it."""


def width(text: str) -> int:
    """Terminal cells that ``text`` occupies. Exact only for text that passed ``clean``."""
    if text.isascii():
        return len(text)
    from ctcpmon.foreign_text import width_of

    return width_of(text)


def clean(text: str | bytes, cells: int = MAX_CELLS) -> str:
    r"""Returns ``text`` with every unsafe character as an escape (``\x1b``), cut to ``cells`` cells.

    Bytes that are not UTF-8 become ``\xNN``. Escapes are never cut in half.
    """
    if isinstance(text, bytes):
        text = text[: cells * LOOK_AT * 4 + 4].decode("utf-8", "surrogateescape")
    if len(text) <= cells and text.isascii() and text.isprintable():
        return text
    from ctcpmon.foreign_text import clean_each

    return clean_each(text, cells)


def cut(text: str, cells: int) -> str:
    """Cuts clean ``text`` to at most ``cells`` cells; a cut is shown by a closing ``~``."""
    if text.isascii():
        # Nearly all that is painted, many times a second.
        return text if len(text) <= cells else f"{text[: cells - 1]}~" if cells > 0 else ""
    from ctcpmon.foreign_text import cut_each

    return cut_each(text, cells)


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """Fits clean ``text`` into exactly ``cells`` cells; ``right`` puts it at the right edge."""
    fitted = cut(text, cells)
    gap = " " * (cells - width(fitted))
    return gap + fitted if right else fitted + gap
