"""The filter language of the long lists: ``state=stalled client=10.1.0.0/16 holes>3 "text"``.

Terms stand side by side and must all hold. A term is a field, a relation and one or several values with
commas between them, of which one is enough; ``!`` before it turns it round; a word alone is looked for in
ends and states. Fields have the names of the JSON events where those have one. Parsing only: sessions and
flows are chosen in Rust, incidents by ``matches``. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ctcpmon.tui.view import IncidentRow

__all__ = [
    "FIELDS",
    "MOST_CHARACTERS",
    "Field",
    "FilterError",
    "Listed",
    "Term",
    "expected",
    "matches",
    "parse",
]

Listed = Literal["sessions", "flows", "incidents"]
Kind = Literal["words", "net", "port", "count", "seconds", "text"]

MOST_CHARACTERS = 200
MOST_TERMS = 16
MOST_VALUES = 16
MOST_TEXT = 64
"""Bounds of the engine's filter (``rust/core/src/listing/filter.rs``); beyond them it refuses."""

_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_SPANS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)([a-z]*)")
_TERM = re.compile(r"(!?)([A-Za-z_]+)(!=|<=|>=|=|<|>|:)")
_STATES = ("stalled", "suspect", "at_risk", "unknown", "healthy")


class FilterError(ValueError):
    """What was typed is no filter: where, and what is expected there."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        """Index of the character at fault."""


@dataclass(frozen=True, slots=True)
class Field:
    """What can be asked of a row."""

    kind: Kind
    doc: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """One condition, in the words of the engine."""

    field: str
    relation: str
    is_negated: bool
    values: tuple[str, ...]

    def wire(self) -> tuple[str, str, bool, list[str]]:
        """As the engine takes it."""
        return (self.field, self.relation, self.is_negated, [*self.values])


_ENDS = {
    "client": Field("net", "address or network of the client"),
    "headend": Field("net", "address or network of the headend or server"),
    "addr": Field("net", "address or network of either end"),
    "port": Field("port", "port of either end"),
}
_COUNTS = {
    "packets": Field("count", "packets of both sides"),
    "bytes": Field("count", "payload bytes of both sides"),
    "retransmissions": Field("count", "segments sent again"),
    "dup_acks": Field("count", "duplicate ACKs"),
    "zero_windows": Field("count", "windows of 0"),
}
_TIMES = {
    "age": Field("seconds", "since the first packet: 90, 5m, 2h"),
    "idle": Field("seconds", "since the last packet"),
}
FIELDS: Mapping[Listed, Mapping[str, Field]] = {
    "sessions": {
        "state": Field("words", "state now", _STATES),
        "worst_state": Field("words", "worst state ever", _STATES),
        "protocol": Field("words", "kind of tunnel", ("ctcp", "faketcp", "iketcp", "ike_tcp")),
        "end_reason": Field(
            "words", "why it ended", ("open", "fin", "rst", "idle", "reused", "end_of_input")
        ),
        **_ENDS,
        **_COUNTS,
        "holes": Field("count", "lost segments seen in TCP"),
        "missing": Field("count", "ESP packets missing by their numbers"),
        **_TIMES,
        "stalled": Field("seconds", "since it stalled"),
    },
    "flows": {
        "state": Field("words", "state now", ("open", "opening", "one_way", "closed")),
        "protocol": Field("words", "is there a tunnel in it", ("tcp", "tunnel")),
        **_ENDS,
        **_COUNTS,
        "missing": Field("count", "segments that the tap missed"),
        **_TIMES,
    },
    "incidents": {
        "severity": Field("words", "severity", ("critical", "warning", "info")),
        "state": Field("words", "state now", ("open", "cleared")),
        **{name: _ENDS[name] for name in ("client", "headend", "addr")},
        "sessions": Field("count", "sessions in it"),
        "stalled": Field("count", "sessions stalled"),
        "at_risk": Field("count", "sessions at risk"),
        "fix": Field("text", "first fix"),
    },
}
"""Fields by list."""

_ALIASES = {
    "was": "worst_state",
    "server": "headend",
    "ip": "addr",
    "net": "addr",
    "host": "addr",
    "retrans": "retransmissions",
    "dupacks": "dup_acks",
    "zerowin": "zero_windows",
    "loss": "missing",
    "level": "severity",
}
_WORD_ALIASES = {"ok": "healthy", "crit": "critical", "warn": "warning", "one-way": "one_way"}


def parse(text: str, listed: Listed) -> tuple[Term, ...]:
    """The terms of ``text``. Raises ``FilterError``."""
    if len(text) > MOST_CHARACTERS:
        raise FilterError(MOST_CHARACTERS, f"at most {MOST_CHARACTERS} characters")
    terms: list[Term] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return tuple(terms)
        if len(terms) >= MOST_TERMS:
            raise FilterError(at, f"at most {MOST_TERMS} terms")
        term, at = _term(text, at, listed)
        terms.append(term)


def expected(text: str, listed: Listed) -> str:
    """What could be typed next, for who is typing: the fields, or the values of the last one."""
    head = re.split(r"\s+", text)[-1].lstrip("!")
    found = _TERM.match(head)
    if found is None:
        names = [name for name in FIELDS[listed] if name.startswith(head.lower())]
        return " ".join(names) if names else "words are looked for in ends and states"
    field = FIELDS[listed].get(_name(found[2]))
    if field is None:
        return " ".join(FIELDS[listed])
    return f"{field.doc}: {_wanted(field)}"


def _name(typed: str) -> str:
    name = typed.lower()
    return _ALIASES.get(name, name)


def _term(text: str, at: int, listed: Listed) -> tuple[Term, int]:
    found = _TERM.match(text, at)
    if found is None:
        is_negated = text[at] == "!"
        start = at + is_negated
        value, end = _value(text, start, stops="")
        return Term("text", "=", is_negated, (_fit_text(value, start),)), end
    name = _name(found[2])
    field = FIELDS[listed].get(name)
    if field is None:
        raise FilterError(found.start(2), f"no field {found[2]!r}; there are: {' '.join(FIELDS[listed])}")
    relation = {":": "=", "!=": "="}.get(found[3], found[3])
    is_negated = (found[1] == "!") != (found[3] == "!=")
    if relation != "=" and field.kind in {"words", "net", "text"}:
        raise FilterError(found.start(3), f"{name} takes = or !=")
    values: list[str] = []
    at = found.end()
    while True:
        value, end = _value(text, at, stops=",")
        if len(values) >= MOST_VALUES:
            raise FilterError(at, f"at most {MOST_VALUES} values")
        values.append(_fit(field, value, at, name))
        if end >= len(text) or text[end] != ",":
            return Term(name, relation, is_negated, tuple(values)), end
        at = end + 1


def _value(text: str, at: int, *, stops: str) -> tuple[str, int]:
    """A word or a text in quotes, and where it ends."""
    if text[at : at + 1] == '"':
        end = text.find('"', at + 1)
        if end < 0:
            raise FilterError(at, 'a text in quotes ends with "')
        if end + 1 < len(text) and not text[end + 1].isspace() and text[end + 1] not in stops:
            raise FilterError(end + 1, "a blank between two terms")
        return text[at + 1 : end], end + 1
    end = at
    while end < len(text) and not text[end].isspace() and text[end] not in stops:
        end += 1
    return text[at:end], end


def _fit(field: Field, value: str, at: int, name: str) -> str:
    fit: Mapping[Kind, Callable[[], str | None]] = {
        "words": lambda: _fit_word(field, value),
        "net": lambda: _fit_net(value),
        "port": lambda: (
            value if value.isascii() and value.isdigit() and len(value) <= 5 and int(value) < 65_536 else None
        ),
        "count": lambda: _fit_number(value, _SCALES),
        "seconds": lambda: _fit_number(value, _SPANS),
        "text": lambda: _fit_text(value, at),
    }
    fitted = fit[field.kind]()
    if fitted is None:
        raise FilterError(at, f"{name}: {_wanted(field)}")
    return fitted


def _wanted(field: Field) -> str:
    if field.kind == "words":
        return " ".join(field.words)
    return {
        "net": "an address or network, 10.1.0.0/16",
        "port": "a number up to 65535",
        "count": "a number: 12, 3k, 1.5M",
        "seconds": "a time: 30, 5m, 2h",
        "text": "a word",
    }[field.kind]


def _fit_word(field: Field, value: str) -> str | None:
    word = _WORD_ALIASES.get(value.lower(), value.lower()).replace("-", "_")
    return word if word in field.words else None


def _fit_net(value: str) -> str | None:
    if len(value) > MOST_TEXT or "%" in value:
        return None
    try:
        net = ip_network(value.strip("[]"), strict=False)
    except ValueError:
        return None
    return str(net)


def _fit_number(value: str, scales: Mapping[str, float]) -> str | None:
    found = _NUMBER.fullmatch(value.lower().replace("_", ""))
    if found is None or found[2] not in scales or not value.isascii():
        return None
    return f"{float(found[1]) * scales[found[2]]:.3f}"


def _fit_text(value: str, at: int) -> str:
    if not value:
        raise FilterError(at, "a word or a text")
    if len(value.encode()) > MOST_TEXT:
        raise FilterError(at, f"at most {MOST_TEXT} bytes")
    return value.lower()


def matches(terms: tuple[Term, ...], row: IncidentRow) -> bool:
    """True when the incident fits every term."""
    return all(_holds(term, row) != term.is_negated for term in terms)


def _holds(term: Term, row: IncidentRow) -> bool:
    ends = {"client": (row.client,), "headend": (row.headend,), "addr": (row.client, row.headend)}
    words = {"severity": row.level, "state": "open" if row.is_open else "cleared"}
    texts = {
        "fix": row.fix,
        "text": f"{row.client} {row.headend} {row.title} {row.what} {row.loss} {row.fix}".lower(),
    }
    if term.field in ends:
        return any(_in_any(end, term.values) for end in ends[term.field])
    if term.field in words:
        return words[term.field] in term.values
    if term.field in texts:
        return any(value in texts[term.field] for value in term.values)
    number = {"sessions": row.sessions, "stalled": row.stalled, "at_risk": row.at_risk}[term.field]
    return any(_compare(number, term.relation, float(value)) for value in term.values)


def _compare(one: float, relation: str, other: float) -> bool:
    return {
        "=": one == other,
        "<": one < other,
        "<=": one <= other,
        ">": one > other,
        ">=": one >= other,
    }[relation]


def _in_any(end: str, nets: tuple[str, ...]) -> bool:
    """``end`` is an address with a port, or a network, perhaps with more behind it."""
    head = end.split(" ", 1)[0]
    if head.startswith("["):
        head = head[1:].split("]", 1)[0]
    elif head.count(":") == 1:
        head = head.split(":", 1)[0]
    try:
        own = ip_network(head, strict=False)
    except ValueError:
        return False
    return any(own.version == net.version and own.overlaps(net) for net in map(ip_network, nets))
