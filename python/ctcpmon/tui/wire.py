"""What ``serve`` and ``attach`` say to each other: frames of a length and a message. No sockets, no threads.

The server speaks first, with a greeting in JSON whose fields stay: so any two versions understand at least
that they do not fit. Then the screen asks and the server answers, one answer for each question: a screen that
does not ask, because it is stopped or its line is slow, costs nothing. Packets of a session come
the same way, a piece with each answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import msgspec

from ctcpmon.text import clean
from ctcpmon.tui import view as views
from ctcpmon.tui.packets import MOST_BYTES, Packets
from ctcpmon.tui.view import Query, Reach, Rows, View

__all__ = [
    "ANSWER_MOST",
    "ASK_MOST",
    "PACKETS_MOST",
    "PART_BYTES",
    "Answer",
    "Ask",
    "Frames",
    "Hello",
    "PacketsAsk",
    "PacketsPart",
    "WireError",
    "answer_of",
    "ask_of",
    "encode_answer",
    "encode_ask",
    "encode_hello",
    "encode_packets",
    "encode_rows",
    "hello_of",
    "packets_of",
    "rows_of",
    "views_digest",
]

ASK_MOST = 1 << 16
ANSWER_MOST = 1 << 25
"""Bytes of a message. A view of 500 sessions and all fixes has some hundred thousand."""
PART_BYTES = 1 << 20
"""Of packets in one answer: views still come in between."""
PACKETS_MOST = 3 * MOST_BYTES
"""Of all parts together: the packets, comments on them, numbers."""
_LENGTH = 4
_LINE_CELLS = 4_000


class WireError(ValueError):
    """The other side sends what is no message."""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """First words of the server. Fields may be added, never changed."""

    program: str
    version: str
    views: str
    """Digest of the form of views; the two must have the same."""
    refused: str = ""
    """Why there is no place for this screen."""
    history: str = ""
    """File of the history; a screen on the same machine may look into it."""


class PacketsAsk(msgspec.Struct, frozen=True, array_like=True):
    """Packets of a session, or a list, from a byte on. Who asks without one gives them up."""

    session: str
    at: int
    number: int
    """Of the request: a second one for the same session is another."""
    reach: Reach | None = None
    """A whole long list instead, as ``Rows``; then no session is named."""


class PacketsPart(msgspec.Struct, frozen=True, array_like=True):
    """A piece of ``Packets`` or ``Rows`` as encoded here."""

    number: int
    at: int
    total: int
    """Bytes in all; 0 while they are being cut."""
    data: bytes = b""
    refused: str = ""
    """Why there are none."""


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """The newest view for this query, please."""

    number: int
    query: Query
    packets: PacketsAsk | None = None


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """``view`` is None when it is the one sent last."""

    number: int
    view: View | None
    part: PacketsPart | None = None


# msgspec works out how a type is read when it first reads one, and two threads that do so at once end the
# process (seen with 0.22 and three screens). A decoder does it here, where nobody else runs.
_HELLOS = msgspec.json.Decoder(Hello)
_ASKS = msgspec.msgpack.Decoder(Ask)
_READ_HERE = (
    msgspec.msgpack.Decoder(Answer),
    msgspec.msgpack.Decoder(Packets),
    msgspec.msgpack.Decoder(Rows),
)


@cache
def views_digest() -> str:
    """Changes with every field of a view, so nobody can forget to number the protocol."""
    shapes = [
        (name, [(one.name, str(one.type)) for one in fields(kind)])
        for name in sorted(views.__all__)
        for kind in [getattr(views, name)]
        if is_dataclass(kind)
    ]
    shapes.append(("Packets", [(one.name, str(one.type)) for one in fields(Packets)]))
    return hashlib.sha256(repr(("ask and answer, packets or rows", shapes)).encode()).hexdigest()[:12]


class Frames:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Messages that are complete. Raises ``WireError`` for one that is too long."""
        self._held += data
        found = []
        while len(self._held) >= _LENGTH:
            length = int.from_bytes(self._held[:_LENGTH], "big")
            if length > self._most:
                message = f"a message of {length:,} bytes"
                raise WireError(message)
            if len(self._held) < _LENGTH + length:
                break
            found.append(bytes(self._held[_LENGTH : _LENGTH + length]))
            del self._held[: _LENGTH + length]
        return found


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(_LENGTH, "big") + message


def encode_hello(hello: Hello) -> bytes:
    """One frame."""
    return _framed(msgspec.json.encode(hello))


def hello_of(message: bytes) -> Hello:
    """Raises ``WireError``."""
    try:
        return _HELLOS.decode(message)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from error


def encode_ask(ask: Ask) -> bytes:
    """One frame."""
    return _framed(msgspec.msgpack.encode(ask))


def ask_of(message: bytes) -> Ask:
    """Raises ``WireError``."""
    try:
        return _ASKS.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(str(error)) from error


def encode_answer(answer: Answer) -> bytes:
    """One frame."""
    return _framed(msgspec.msgpack.encode(answer))


def answer_of(message: bytes) -> Answer:
    """Every string of it is made safe again: who owns the socket is not known here. Raises ``WireError``."""
    try:
        return msgspec.convert(_cleaned(msgspec.msgpack.decode(message)), Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(str(error)) from error


def encode_packets(packets: Packets) -> bytes:
    """What the parts are parts of."""
    return msgspec.msgpack.encode(packets)


def packets_of(message: bytes) -> Packets:
    """Every string is made safe again. Raises ``WireError``."""
    try:
        return msgspec.convert(_cleaned(msgspec.msgpack.decode(message)), Packets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(str(error)) from error


def encode_rows(rows: Rows) -> bytes:
    """What the parts are parts of."""
    return msgspec.msgpack.encode(rows)


def rows_of(message: bytes) -> Rows:
    """Every string is made safe again. Raises ``WireError``."""
    try:
        return msgspec.convert(_cleaned(msgspec.msgpack.decode(message)), Rows)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(str(error)) from error


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        if len(value) <= _LINE_CELLS and value.isascii() and value.isprintable():
            return value
        return "\n".join(clean(line, _LINE_CELLS) for line in value.split("\n"))
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {name: _cleaned(one) for name, one in value.items()}
    return value
