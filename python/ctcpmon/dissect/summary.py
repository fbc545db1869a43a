"""One line about a packet: what matters to who looks for a packet that never arrived. Pure.

Sequence numbers count from the first packet of that side in the slice, as in the screens of Wireshark. A
cTCP segment is a packet of the tunnel, so what it carries is named beside it: IKE, or ESP with its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctcpmon.dissect.tree import find, walk

if TYPE_CHECKING:
    from ctcpmon.dissect.tree import Dissected, Node

__all__ = ["Summaries", "Summary"]

_FLAGS = ((0x02, "SYN"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"), (0x10, "ACK"), (0x20, "URG"))
_WRAP = 1 << 32
_NAMES = {"isakmp": "IKE", "esp": "ESP", "ah": "AH"}
_PLUMBING = frozenset(
    [
        "frame",
        "eth",
        "ethertype",
        "vlan",
        "sll",
        "mpls",
        "ip",
        "ipv6",
        "tcp",
        "tcpencap",
        "udp",
        "data",
        "data-text-lines",
    ]
)


@dataclass(frozen=True, slots=True)
class Summary:
    """A packet in a row of a list."""

    source: str
    target: str
    text: str


@dataclass(slots=True)
class Summaries:
    """Makes them for one slice. Hand in its first packets first: numbers count from there."""

    _first: dict[tuple[str, str], int] = field(default_factory=dict)

    def of(self, packet: Dissected, data: bytes = b"", length: int = 0) -> Summary:
        """One line about ``packet``, of whose ``length`` bytes ``data`` was captured."""
        layers = packet.layers
        ip = "ipv6" if any(one.name == "ipv6" for one in layers) else "ip"
        source, target = find(layers, f"{ip}.src"), find(layers, f"{ip}.dst")
        ports = find(layers, "tcp.srcport"), find(layers, "tcp.dstport")
        if not ports[0]:
            return Summary(source, target, _last_word(layers))
        source, target = _end(source, ports[0]), _end(target, ports[1])
        window = find(layers, "tcp.window_size_value")
        # What a narrow screen cuts off stands last.
        text = (
            f"{self._tcp(layers, source, target)}{_inside(layers, data, length)}"
            f"{f'  win {window}' if window else ''}"
        )
        return Summary(source, target, text)

    def _tcp(self, layers: tuple[Node, ...], source: str, target: str) -> str:
        flags = _number(find(layers, "tcp.flags")) or 0
        names = " ".join(name for bit, name in _FLAGS if flags & bit)
        length = _number(find(layers, "tcp.len")) or 0
        seq, ack = _number(find(layers, "tcp.seq")), _number(find(layers, "tcp.ack"))
        parts = [f"{names:<7}"]
        if seq is not None:
            # A SYN has the number before the first byte.
            first = self._first.setdefault((source, target), (seq - (not flags & 0x02)) % _WRAP)
            parts.append(f"seq {_behind(seq, first)}" + (f"+{length}" if length else ""))
        if ack is not None and flags & 0x10:
            first = self._first.setdefault((target, source), (ack - 1) % _WRAP)
            parts.append(f"ack {_behind(ack, first)}")
        return " ".join(parts)


def _behind(number: int, first: int) -> int:
    """How far ``number`` is behind ``first``; below 0 for what came before the first packet here."""
    return (number - first + _WRAP // 2) % _WRAP - _WRAP // 2


def _inside(layers: tuple[Node, ...], data: bytes, length: int) -> str:
    spi, number = find(layers, "esp.spi"), find(layers, "esp.sequence")
    if spi:
        return f"  ESP {spi} #{number}"
    exchange = next((one.label for one in walk(layers) if one.name == "isakmp.exchangetype"), "")
    if exchange:
        return f"  IKE {exchange.partition(':')[2].strip()}"
    word = _last_word(layers)
    payload = next((one for one in walk(layers) if one.name == "tcp.payload"), None)
    if not word and payload is not None and len(data) < length:
        # The trailer that says what it is was cut off, so tshark does not know; ESP has its numbers in front.
        front = data[payload.at : payload.at + 8]
        guess = f" ESP? 0x{front[:4].hex()} #{int.from_bytes(front[4:])}" if len(front) == 8 else ""
        return f" {guess} cut"
    return f"  {word}" if word else ""


def _last_word(layers: tuple[Node, ...]) -> str:
    """The innermost protocol that is more than plumbing."""
    names = [one.name for one in layers if one.name and not one.name.startswith("_ws.")]
    inner = next((name for name in reversed(names) if name not in _PLUMBING), "")
    return _NAMES.get(inner, inner.upper())


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


def _end(ip: str, port: str) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
