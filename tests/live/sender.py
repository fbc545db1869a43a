"""Sends prepared frames: as fast as the kernel takes them, at a rate, or at the pace of a capture."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.lab.namespaces import inside

from .wire import SENDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_SO_SNDBUFFORCE = 32
_BURST = 64
"""Frames of a call of sendmmsg: few enough that a rate is kept within a millisecond."""
_NOT_UP = {errno.ENETDOWN, errno.ENXIO, errno.ENODEV, errno.ENOBUFS}
_MESSAGE, _VECTOR = struct.Struct("@QI4xQQQQi4xI4x"), struct.Struct("@QQ")
"""``struct mmsghdr`` (a ``msghdr`` and a length) and ``struct iovec`` of a machine with 64 bits."""

_libc = ctypes.CDLL(None, use_errno=True)


class Frames:
    """Frames that lie ready for ``sendmmsg``."""

    def __init__(self, memory: mmap.mmap, places: Sequence[tuple[int, int]]) -> None:
        self.count = len(places)
        self._memory = memory
        # The mapping is writable and private: ctypes takes no other, and nothing is written.
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self._vectors = ctypes.create_string_buffer(_VECTOR.size * len(places))
        self._messages = ctypes.create_string_buffer(_MESSAGE.size * len(places))
        first = ctypes.addressof(self._vectors)
        for number, (at, length) in enumerate(places):
            _VECTOR.pack_into(self._vectors, number * _VECTOR.size, base + at, length)
            vector = first + number * _VECTOR.size
            _MESSAGE.pack_into(self._messages, number * _MESSAGE.size, 0, 0, vector, 1, 0, 0, 0, 0)
        self.start = ctypes.addressof(self._messages)

    @classmethod
    def of(cls, frames: Iterable[bytes]) -> Self:
        """Copies them."""
        every = list(frames)
        memory = mmap.mmap(-1, max(sum(map(len, every)), 1))
        places: list[tuple[int, int]] = []
        at = 0
        for frame in every:
            memory[at : at + len(frame)] = frame
            places.append((at, len(frame)))
            at += len(frame)
        return cls(memory, places)

    @classmethod
    def of_capture(cls, path: Path, most: int) -> Self:
        """The first ``most`` frames of a pcap of this machine's byte order, as much of each as it holds."""
        with path.open("rb") as file:
            memory = mmap.mmap(
                file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
            )
        places: list[tuple[int, int]] = []
        at = 24
        while at + 16 <= len(memory) and len(places) < most:
            (length,) = struct.unpack_from("<I", memory, at + 8)
            # The kernel refuses what is shorter than an Ethernet header.
            if length >= 14:
                places.append((at + 16, length))
            at += 16 + length
        return cls(memory, places)

    def write_each(self, at: int, value: int, *, length: int) -> None:
        """Puts one byte at the same place of every frame, where all have one ``length``."""
        self._memory[at::length] = bytes((value,)) * self.count


class Sender:
    """A packet socket on the sending end of a wire."""

    def __init__(self, namespace: str, interface: str = SENDS) -> None:
        self._interface = interface
        with inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with suppress(OSError):
            self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 8 << 20)
        self.bind_again()

    def bind_again(self) -> None:
        """After the interface was made anew."""
        self._socket.bind((self._interface, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> bool:
        """One frame; False when the wire is down."""
        try:
            self._socket.send(frame)
        except OSError as error:
            if error.errno not in _NOT_UP:
                raise
            return False
        return True

    def send_all(self, frames: Frames, *, packets: int, per_second: float = 0.0) -> int:
        """Sends ``packets`` of them, again from the first when they are too few; returns the number sent."""
        started, sent = time.monotonic(), 0
        while sent < packets:
            at = sent % frames.count
            wanted = min(_BURST if per_second else 1_024, packets - sent, frames.count - at)
            done = _libc.sendmmsg(
                self._socket.fileno(), ctypes.c_void_p(frames.start + at * _MESSAGE.size), wanted, 0
            )
            if done < 0:
                error = ctypes.get_errno()
                if error == errno.ENOBUFS:
                    continue
                raise OSError(error, f"sendmmsg: {os.strerror(error)}")
            sent += done
            if per_second:
                time.sleep(max(0.0, started + sent / per_second - time.monotonic()))
        return sent
