"""Raw sockets on an interface of a namespace, and the recorder that writes what passes there."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from typing import TYPE_CHECKING

from .namespaces import inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .clockwork import Clockwork

_ETH_P_IP, _ETH_P_ALL = 0x0800, 0x0003
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_BUFFER_BYTES = 8 << 20
_LARGEST = 65_535
_MTU_FRAME_BYTES = 1_514
_PCAP_NANOSECONDS = 0xA1B23C4D
_BURST = 64
"""Frames taken at once before other sockets and timers get their turn."""


class Port:
    """Sends and receives whole frames on one interface."""

    def __init__(
        self, clock: Clockwork, namespace: str, interface: str, on_frame: Callable[[bytes], None]
    ) -> None:
        self._socket = _raw(namespace, interface, _ETH_P_IP)
        self._on_frame = on_frame
        clock.watch(self._socket, self._readable)

    def send(self, data: bytes) -> None:
        """Puts a frame on the wire. A rule that drops it on the way out is reported as a full buffer."""
        try:
            self._socket.send(data)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BURST):
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            self._on_frame(data)


class Recorder:
    """Writes the IPv4 frames of one interface, both directions, with the kernel's time."""

    def __init__(self, clock: Clockwork, namespace: str, interface: str, path: Path) -> None:
        self.path = path
        self.packets = 0
        self.first: float | None = None
        self.last: float | None = None
        self.oversized = 0
        self._socket = _raw(namespace, interface, _ETH_P_ALL)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._lock = threading.Lock()
        self._file = path.open("wb")
        self._file.write(struct.pack("<IHHiIII", _PCAP_NANOSECONDS, 2, 4, 0, 0, _LARGEST, 1))
        clock.watch(self._socket, self.drain)

    def drain(self) -> None:
        """Writes what the kernel has queued."""
        with self._lock:
            for _ in range(_BURST):
                try:
                    data, ancillary, _flags, _address = self._socket.recvmsg(_LARGEST, 64)
                except BlockingIOError:
                    return
                if data[12:14] == b"\x08\x00":
                    self._write(data, *struct.unpack("@qq", ancillary[0][2][:16]))

    def copy_to(self, path: Path) -> None:
        """The capture so far, in whole records."""
        with self._lock:
            self._file.flush()
            path.write_bytes(self.path.read_bytes())

    def close(self) -> int:
        """Writes the rest; returns the frames that the kernel could not hand over. Twice does no harm."""
        if self._file.closed:
            return 0
        for _ in range(1_000):
            before = self.packets
            self.drain()
            if self.packets == before:
                break
        _, drops = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._socket.close()
        self._file.close()
        return int(drops)

    def _write(self, data: bytes, seconds: int, nanoseconds: int) -> None:
        self._file.write(struct.pack("<IIII", seconds, nanoseconds, len(data), len(data)) + data)
        self.packets += 1
        self.oversized += len(data) > _MTU_FRAME_BYTES
        self.last = seconds + nanoseconds / 1e9
        if self.first is None:
            self.first = self.last


def _raw(namespace: str, interface: str, protocol: int) -> socket.socket:
    with inside(namespace):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    # An index belongs to a namespace; the socket resolves the name in its own.
    opened.bind((interface, protocol))
    opened.settimeout(0.0)
    return opened
