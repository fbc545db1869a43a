"""The filter language: what is accepted, what is not, and that the engine accepts what the parser does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ctcpmon
import pytest
from ctcpmon.tui.fake_source import busy
from ctcpmon.tui.filters import FIELDS, FilterError, Listed, Term, expected, matches, parse
from hypothesis import given
from hypothesis import strategies as st

DEMO = Path(ctcpmon.__file__).with_name("data") / "demo.pcap"


def _term(field: str, relation: str, values: tuple[str, ...], *, is_negated: bool = False) -> Term:
    return Term(field, relation, is_negated, values)


LISTS: tuple[Listed, ...] = ("sessions", "flows", "incidents")


@pytest.mark.parametrize(("text", "terms"), [
    ("", ()),
    ("state=stalled", (_term("state", "=", ("stalled",)),)),
    ("state:at-risk,OK", (_term("state", "=", ("at_risk", "healthy")),)),
    ("!state=stalled", (_term("state", "=", ("stalled",), is_negated=True),)),
    ("state!=stalled", (_term("state", "=", ("stalled",), is_negated=True),)),
    ("!state!=stalled", (_term("state", "=", ("stalled",)),)),
    ("client=10.1.2.3/16", (_term("client", "=", ("10.1.0.0/16",)),)),
    ("server=[2001:db8::1]", (_term("headend", "=", ("2001:db8::1/128",)),)),
    ("loss>3 bytes>=1.5M", (_term("missing", ">", ("3.000",)),
                            _term("bytes", ">=", ("1500000.000",)))),
    ("idle<5m", (_term("idle", "<", ("300.000",)),)),
    ('"Two Words" 10.1', (_term("text", "=", ("two words",)), _term("text", "=", ("10.1",)))),
    ("!vpn", (_term("text", "=", ("vpn",), is_negated=True),)),
])  # fmt: skip
def test_what_is_typed_is_understood(text: str, terms: tuple[Term, ...]) -> None:
    assert parse(text, "sessions") == terms


@pytest.mark.parametrize(("text", "at", "words"), [
    ("colour=red", 0, "no field 'colour'; there are: state"),
    ("port=1 colour=red", 7, "no field"),
    ("state=stal", 6, "stalled suspect at_risk unknown healthy"),
    ("state=stalled,x", 14, "stalled suspect"),
    ("state>stalled", 5, "state takes ="),
    ("client=10.1", 7, "an address or network"),
    ("client=10.1.0.0/33", 7, "an address or network"),
    ("client=fe80::1%eth0", 7, "an address"),
    ("port=65536", 5, "up to 65535"),
    ("port=", 5, "up to 65535"),
    ("bytes>1.5X", 6, "a number"),
    ("bytes>-1", 6, "a number"),
    ("bytes>٣", 6, "a number"),
    ("idle>soon", 5, "a time"),
    ('"no end', 0, 'ends with "'),
    ('"a"b', 3, "a blank"),
    ("!", 1, "a word"),
    ('""', 0, "a word"),
    ("x" * 65, 0, "at most 64 bytes"),
    ("a " * 17, 32, "at most 16 terms"),
    ("port=" + ",".join("1" * 17), 37, "at most 16 values"),
    ("x" * 201, 200, "at most 200"),
])  # fmt: skip
def test_what_is_no_filter_says_where_and_what_is_expected(text: str, at: int, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, "sessions")
    assert caught.value.at == at
    assert words in str(caught.value)


def test_who_types_is_told_what_comes_next() -> None:
    assert expected("st", "sessions") == "state stalled"
    assert "at_risk" in expected("port=1 state=", "sessions")
    assert expected("colour=", "flows").startswith("state protocol")
    assert "looked for" in expected("zzz", "flows")


@given(st.text(max_size=210), st.sampled_from(LISTS))
def test_any_text_is_a_filter_or_names_a_place_in_it(text: str, listed: Listed) -> None:
    fault = None
    terms: tuple[Term, ...] = ()
    try:
        terms = parse(text, listed)
    except FilterError as error:
        fault = error
    assert all(term.field in {*FIELDS[listed], "text"} for term in terms)
    assert fault is None or (0 <= fault.at <= len(text) and str(fault))
    assert expected(text, listed)


def _values(listed: Listed, name: str) -> st.SearchStrategy[str]:
    field = FIELDS[listed][name]
    return {
        "words": lambda: st.sampled_from(field.words),
        "net": lambda: st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str),
        "port": lambda: st.integers(0, 65_535).map(str),
        "count": lambda: st.integers(0, 10**12).map(str),
        "seconds": lambda: st.integers(0, 10**6).map(lambda n: f"{n}s"),
        "text": lambda: st.from_regex(r"[a-z0-9.]{1,20}", fullmatch=True),
    }[field.kind]()


@st.composite
def _written(draw: st.DrawFn, listed: Listed) -> tuple[str, list[str]]:
    names = draw(st.lists(st.sampled_from(sorted(FIELDS[listed])), max_size=16))
    terms = []
    for name in names:
        is_plain = FIELDS[listed][name].kind in {"words", "net", "text"}
        relation = draw(st.sampled_from(["=", "!="] if is_plain else ["=", "!=", "<", "<=", ">", ">="]))
        terms.append(f"{name}{relation}{draw(_values(listed, name))}")
    text = draw(st.sampled_from([" ", "   "])).join(terms)
    return (text, names) if len(text) <= 200 else ("", [])


@given(st.sampled_from(LISTS).flatmap(lambda one: _written(one).map(lambda w: (one, *w))))
def test_every_field_with_a_value_of_its_kind_is_a_filter(case: tuple[Listed, str, list[str]]) -> None:
    listed, text, names = case
    assert [term.field for term in parse(text, listed)] == names


def test_the_engine_takes_every_field() -> None:
    from ctcpmon import engine

    values = {"net": "10.0.0.0/8", "port": "1", "count": "1k", "seconds": "5m"}
    with engine.open_replay([str(DEMO)], keeps_flows=True) as replay:
        while not replay.poll(1_000).done:
            pass
        for listed in ("sessions", "flows"):
            for name, field in FIELDS[listed].items():
                text = f"{name}={field.words[0] if field.words else values[field.kind]}"
                terms = [term.wire() for term in parse(text, listed)]  # type: ignore[arg-type]
                ask = replay.list_sessions if listed == "sessions" else replay.list_flows
                assert ask(terms=terms).total >= 0
        with pytest.raises(ValueError, match="name of"):
            replay.list_flows(terms=[("colour", "=", False, ["red"])])


@pytest.mark.parametrize(("text", "clients"), [
    ("", 3), ("severity=crit", 2), ("state=cleared", 0), ("client=10.1.0.0/16", 1), ("addr=10.0.0.0/8", 2),
    ("headend=198.51.100.9", 3), ("!client=10.0.0.0/8", 1), ("sessions>2", 2), ("stalled=0", 1), ("at_risk>=1", 1),
    ("fix=bypass", 1), ("froze", 1), ("headend=2001:db8::/32", 0),
])  # fmt: skip
def test_incidents_are_chosen(text: str, clients: int) -> None:
    terms = parse(text, "incidents")
    assert sum(matches(terms, row) for row in busy().incidents) == clients


def test_an_incident_of_several_networks_and_of_ipv6_is_found() -> None:
    row = busy().incidents[0]
    assert matches(parse("client=10.1.0.0/24", "incidents"), replace(row, client="10.1.0.0/24 +7 nets"))
    assert matches(parse("client=2001:db8::/32", "incidents"), replace(row, client="[2001:db8::7]:1061"))
    assert not matches(parse("client=10.1.0.0/24", "incidents"), replace(row, client="nobody knows"))


def test_the_page_on_screens_names_every_field_and_value() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "screens.md").read_text("utf-8")
    for listed in LISTS:
        line = next(line for line in text.splitlines() if line.startswith(f"| {listed} |"))
        for name, field in FIELDS[listed].items():
            assert f"`{name}`" in line
            assert " ".join(field.words) in text
