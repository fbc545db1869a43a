"""The half of ``text`` for what is not plain ASCII: what Unicode says of each character.

Loaded when there is such a text; nearly all is ASCII.
"""

from __future__ import annotations

from unicodedata import category, east_asian_width, normalize

from ctcpmon.text import LOOK_AT

__all__ = ["clean_each", "cut_each", "width_of"]

# Cc control, Cf format (bidi, zero width, BOM, tags), Cs lone surrogates, Co private use,
# Cn unassigned, Zl/Zp the line separators that split lines in some viewers.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MAX_MARKS = 2


def _is_unsafe(char: str) -> bool:
    code = ord(char)
    return (
        category(char) in _UNSAFE_CATEGORIES
        or (category(char) == "Zs" and char != " ")  # blanks that only look like one
        or 0xFE00 <= code <= 0xFE0F  # variation selectors change the width of their neighbour
        or 0xE0100 <= code <= 0xE01EF
        or 0x1F1E6 <= code <= 0x1F1FF  # regional indicators: two make one glyph of unclear width
        or 0x1F3FB <= code <= 0x1F3FF  # emoji modifiers join with the character before
        or 0x1160 <= code <= 0x11FF  # conjoining jamo: zero width in most terminals
        or code in {0x034F, 0x115F, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800}  # invisible fillers
        or 0xD7B0 <= code <= 0xD7FF
    )


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that was not UTF-8 (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"


def _is_mark(char: str) -> bool:
    return category(char) in {"Mn", "Me"}


def _char_width(char: str) -> int:
    if _is_mark(char):
        return 0
    return 2 if east_asian_width(char) in {"W", "F"} else 1


def width_of(text: str) -> int:
    """See ``text.width``."""
    return sum(map(_char_width, text))


def clean_each(text: str, cells: int) -> str:
    """See ``text.clean``."""
    look_at = text[: cells * LOOK_AT + LOOK_AT]
    pieces: list[str] = []
    marks = _MAX_MARKS  # a mark at the start would join the cell before the text
    # NFC so that an accent typed as a separate mark (macOS file names) stays readable.
    for char in normalize("NFC", look_at):
        if _is_unsafe(char) or (_is_mark(char) and marks >= _MAX_MARKS):
            pieces.append(_escape(char))
            marks = _MAX_MARKS
        elif _is_mark(char):
            pieces[-1] += char
            marks += 1
        else:
            pieces.append(char)
            marks = 0
    return _join_cut(pieces, cells, was_longer=len(look_at) < len(text))


def cut_each(text: str, cells: int) -> str:
    """See ``text.cut``."""
    head = text[: cells * LOOK_AT + LOOK_AT]
    return _join_cut(list(head), cells, was_longer=len(head) < len(text))


def _join_cut(pieces: list[str], cells: int, *, was_longer: bool) -> str:
    widths = [width_of(piece) for piece in pieces]
    if not was_longer and sum(widths) <= cells:
        return "".join(pieces)
    if cells <= 0:
        return ""
    kept: list[str] = []
    left = cells - 1
    for piece, piece_width in zip(pieces, widths, strict=True):
        if piece_width > left:
            break
        kept.append(piece)
        left -= piece_width
    return "".join(kept) + "~"
