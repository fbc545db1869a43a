"""Random filter programs: the engine refuses what the kernel refuses, and gives what libpcap's interpreter gives."""

from __future__ import annotations

import ctypes
import os
import random
import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from ctcpmon import capture_filter, engine
from ctcpmon.errors import PartMissingError

from tests.corpus import shapes

if TYPE_CHECKING:
    from pathlib import Path

    from ctcpmon.capture_filter import Program

SO_ATTACH_FILTER = 26
PROGRAMS = 1_500
LOADS = (0x20, 0x28, 0x30, 0xB1)
INDIRECT = (0x40, 0x48, 0x50)
MEMORY = (0x60, 0x61, 0x02, 0x03)
JUMPS = (0x15, 0x1D, 0x25, 0x2D, 0x35, 0x3D, 0x45, 0x4D)
ARITHMETIC = (
    0x04, 0x0C, 0x14, 0x1C, 0x24, 0x2C, 0x34, 0x3C, 0x44, 0x4C, 0x54, 0x5C, 0x64, 0x6C, 0x74, 0x7C, 0x84, 0x94, 0x9C,
    0xA4, 0xAC,
)  # fmt: skip
REST = (0x00, 0x01, 0x80, 0x07, 0x87)
UNKNOWN = (0x0E, 0x18, 0x70, 0x8C, 0x85, 0x97, 0x100, 0xFFFF)


def instruction(chance: random.Random, *, wild: bool) -> tuple[int, int, int, int]:
    kinds = [
        LOADS,
        LOADS,
        INDIRECT,
        MEMORY,
        JUMPS,
        JUMPS,
        ARITHMETIC,
        ARITHMETIC,
        REST,
        REST,
        (0x05,),
        (0x06, 0x16),
    ]
    code = chance.choice(chance.choice([*kinds, UNKNOWN] if wild else kinds))
    jt, jf = (chance.randrange(5) if code in JUMPS else 0 for _ in range(2))
    k = chance.choice([chance.randrange(8), chance.randrange(70), chance.getrandbits(31)])
    if code in MEMORY or code == 0x05:
        k = chance.randrange(18 if wild else 6)
    elif code not in LOADS and code not in INDIRECT and chance.random() < 0.2:
        k = chance.getrandbits(32)
    return code, jt, jf, k


def program(chance: random.Random, *, wild: bool) -> Program:
    body = [instruction(chance, wild=wild) for _ in range(chance.randrange(1, 14))]
    last = (0x06, 0, 0, chance.randrange(2)) if chance.random() < 0.5 else (0x16, 0, 0, 0)
    start = [(0x02, 0, 0, cell) for cell in range(16)] if not wild else []
    return (*start, *body, *([last] if not wild or chance.random() < 0.95 else []))


def engine_takes(path: Path, code: Program) -> bool:
    try:
        with engine.open_replay([str(path)], filters={1: code}):
            return True
    except ValueError:
        return False


def kernel_takes(code: Program) -> bool:
    raw = b"".join(struct.pack("=HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(raw, len(raw))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            whole = struct.pack("@HP", len(code), ctypes.addressof(buffer))
            any_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, whole)
        except OSError as error:
            if error.errno != 22:
                pytest.skip(
                    f"SKIPPED, NOT PROVEN: no filter can be attached here ({os.strerror(error.errno or 0)})"
                )
            return False
    return True


def frames(chance: random.Random) -> tuple[shapes.Record, ...]:
    lengths = [0, 1, 3, 14, 33, 34, 54, 64, 70]
    return tuple(
        shapes.Record(1_000_000_000 + n, length + chance.choice([0, 0, 900]), chance.randbytes(length))
        for n, length in enumerate(lengths * 2)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="SKIPPED, NOT PROVEN: no Linux")
def test_the_engine_refuses_what_the_kernel_refuses(tmp_path: Path) -> None:
    chance = random.Random("check")
    path = tmp_path / "some.pcap"
    path.write_bytes(shapes.pcap(shapes.Capture(1, frames(chance))))
    answers = [0, 0]
    for _ in range(PROGRAMS):
        code = program(chance, wild=chance.random() < 0.7)
        takes = kernel_takes(code)
        assert engine_takes(path, code) == takes, code
        answers[takes] += 1
    assert min(answers) > PROGRAMS // 10, answers


class _Header(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_long),
        ("micros", ctypes.c_long),
        ("captured", ctypes.c_uint32),
        ("original", ctypes.c_uint32),
    )


def test_the_engine_lets_pass_what_libpcap_lets_pass(tmp_path: Path) -> None:
    try:
        library = capture_filter._libpcap()
    except PartMissingError as error:
        pytest.skip(f"SKIPPED, NOT PROVEN: {error}")
    chance = random.Random("run")
    mixed = 0
    path = tmp_path / "some.pcap"
    for number in range(PROGRAMS):
        code = program(chance, wild=False)
        some = frames(chance)
        path.write_bytes(shapes.pcap(shapes.Capture(1, some)))
        try:
            with engine.open_replay([str(path)], filters={1: code}) as replay:
                while not replay.poll(1_000).done:
                    pass
                passed = replay.stats().packets
        except ValueError:
            continue
        instructions = (capture_filter._Instruction * len(code))(*code)
        whole = capture_filter._Code(len(code), instructions)
        wanted = sum(
            library.pcap_offline_filter(
                ctypes.byref(whole), ctypes.byref(_Header(0, 0, len(one.data), one.original)), one.data
            )
            != 0
            for one in some
        )
        assert passed == wanted, (number, code)
        mixed += 0 < wanted < len(some)
    assert mixed > PROGRAMS // 10, mixed
