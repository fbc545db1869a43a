"""Times are cut to microseconds and always have the same form."""

from __future__ import annotations

import re

from ctcpmon.stamps import clock, rfc3339
from hypothesis import given
from hypothesis import strategies as st


def test_nanoseconds_are_cut_not_rounded() -> None:
    assert rfc3339(1_795_465_741_285_056_999) == "2026-11-23T20:29:01.285056Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999Z"
    assert clock(1_795_465_741_285_056_999) == "20:29:01.285"


@given(st.integers(-(2**63), 2**64))
def test_any_time_has_the_form(time_ns: int) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", rfc3339(time_ns))


@given(st.integers(0, 2**62), st.integers(0, 10**12))
def test_later_is_never_smaller(time_ns: int, more_ns: int) -> None:
    assert rfc3339(time_ns) <= rfc3339(time_ns + more_ns)
