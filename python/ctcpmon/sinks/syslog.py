"""RFC 5424 messages over UDP (one datagram each) or TCP (octet counting, RFC 6587).

The message is the sentence for people; the figures are structured data. Nothing that is not printable passes:
strings are ours or went through ``clean`` when the event was made, and are escaped again here.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
from typing import TYPE_CHECKING

from ctcpmon.sinks.output import glance
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctcpmon.sinks.output import Glance

__all__ = ["SyslogOutput", "message_of"]

_SD_ID = "ctcpmon@32473"
"""32473 is the number that RFC 5612 sets aside for documentation: there is no number of our own."""
_PRIORITIES = ((99, 2), (47, 4), (0, 6))
"""Severity of an event to that of syslog: critical, warning, informational."""
_UDP_MOST = 2_048
"""What every receiver should take (RFC 5426, 3.2)."""
_TIMEOUT_S = 5.0
_NOT_HOST = re.compile(r"[^!-~]")


def message_of(seen: Glance, *, facility: int, host: str, process: int, most: int | None = None) -> bytes:
    """One message; the sentence is cut where it would be longer than ``most`` bytes."""
    data = seen.data
    level = next(number for least, number in _PRIORITIES if data.event.severity >= least)
    named = {
        "id": seen.id,
        "type": seen.type,
        "rule": data.rule.id,
        "session": data.ctcp.session,
        "incident": data.ctcp.incident,
        "change": data.ctcp.change,
        "verdict": data.ctcp.verdict,
        "client": data.source.text,
        "headend": data.destination.text,
        "confidence": "" if data.ctcp.confidence is None else f"{data.ctcp.confidence:.2f}",
    }
    words = " ".join(f'{name}="{_escaped(value)}"' for name, value in named.items() if value)
    head = (
        f"<{facility * 8 + level}>1 {seen.time or '-'} {_NOT_HOST.sub('', host)[:255] or '-'} ctcpmon "
        f"{process} {seen.kind[:32]} [{_SD_ID} {words}] "
    )
    # The byte order mark says that the sentence is UTF-8.
    text = b"\xef\xbb\xbf" + clean(_sentence(seen), 800).encode("utf-8")
    whole = head.encode("utf-8") + text
    if most is None or len(whole) <= most:
        return whole
    return whole[:most].decode("utf-8", "ignore").encode("utf-8")


def _sentence(seen: Glance) -> str:
    data = seen.data
    ends = f"{data.source.text} to {data.destination.text}"
    reason = data.event.reason or seen.kind
    where = f", {data.ctcp.where}" if data.ctcp.where else ""
    return f"{reason}{where}: {ends}" if data.source.text else reason


def _escaped(value: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", clean(value, 200))


class SyslogOutput:
    """Sends to one receiver; connects when there is something to send."""

    def __init__(self, address: tuple[str, int], *, is_tcp: bool, facility: int = 16) -> None:
        self._address, self._is_tcp, self._facility = address, is_tcp, facility
        self._socket: socket.socket | None = None
        self._host = socket.gethostname()

    def deliver(self, lines: Sequence[bytes]) -> int:
        """See ``Output``. A TCP receiver that breaks off may have lost what it had not read."""
        message = message_of(
            glance(lines[0]),
            facility=self._facility,
            host=self._host,
            process=os.getpid(),
            most=None if self._is_tcp else _UDP_MOST,
        )
        try:
            if self._socket is None:
                self._socket = self._connect()
            if self._is_tcp:
                self._need_open(self._socket)
                self._socket.sendall(b"%d %s" % (len(message), message))
            else:
                self._socket.send(message)
        except OSError:
            self.reopen()
            raise
        return 1

    def reopen(self) -> None:
        """See ``Output``."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """See ``Output``."""
        self.reopen()

    def _connect(self) -> socket.socket:
        if self._is_tcp:
            return socket.create_connection(self._address, _TIMEOUT_S)
        family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(_TIMEOUT_S)
        opened.connect(address)
        return opened

    @staticmethod
    def _need_open(opened: socket.socket) -> None:
        """A receiver that closed is noticed before a message goes into nowhere; receivers send nothing."""
        # A socket with a time limit would wait for data, so it is asked first whether there is any.
        asked = select.poll()
        asked.register(opened, select.POLLIN)
        if asked.poll(0) and opened.recv(1, socket.MSG_PEEK) == b"":
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
