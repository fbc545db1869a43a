"""Nothing that ``clean`` returns can move a cursor, hide or turn text, or break a column."""

from __future__ import annotations

import unicodedata

import pytest
from ctcpmon.text import clean, cut, pad, width
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = [
    "\x1b]52;c;AAAA\x07",
    "\x1b]8;;http://x\x1b\\link",
    "\x9b31m",
    "\x7f",
    "a\rb\nc\td",
    "\u202eevil",
    "\u2066x\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "\u2028\u2029",
    "\ue000\U000f0000",
    "\udcff\udc80",
    "\ud800",
    "[/][@click=app.quit]x[/]",
    "]]>",
    "\U0001f1e9\U0001f1ea",
    "e" + "\u0301" * 500,
    "\u0301start",
    "\u0000",
    "漢字" * 100,
    "x" * 1_000_000,
]
BAD = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def is_safe(text: str) -> bool:
    return text.isprintable() and not any(unicodedata.category(char) in BAD for char in text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_made_safe(text: str) -> None:
    result = clean(text)
    assert is_safe(result)
    assert width(result) <= 128
    result.encode("utf-8")


@given(st.text(st.characters(), max_size=300), st.integers(1, 200))
def test_any_text_is_safe_and_fits(text: str, cells: int) -> None:
    result = clean(text, cells)
    assert is_safe(result)
    assert width(result) <= cells
    assert width(pad(result, 20)) == 20


@given(st.binary(max_size=300))
def test_any_bytes_are_safe(data: bytes) -> None:
    assert is_safe(clean(data))


@given(st.text(st.characters(), max_size=50))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text, 1_000)
    assert clean(once, 1_000) == once


def test_ordinary_text_stays() -> None:
    assert clean("10.1.4.17:1061 büro 漢字") == "10.1.4.17:1061 büro 漢字"
    assert clean("bu\u0308ro") == "büro"


def test_bytes_that_are_not_utf8_show_as_hex() -> None:
    assert clean(b"a\xff\x1b") == "a\\xff\\x1b"


def test_a_cut_is_visible_and_never_halves_an_escape() -> None:
    assert clean("abc\x1b\x1b", 8) == "abc\\x1b~"
    assert cut("漢字漢字", 4) == "漢~"
    assert cut("abc", 3) == "abc"
    assert cut("abc", 0) == ""
