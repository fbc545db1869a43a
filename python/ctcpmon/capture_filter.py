"""Filters in tcpdump's language: an expression to programs of classic BPF, by libpcap's own compiler.

libpcap is used when it is there (ctypes) and is no part of the package. It compiles, and captures nothing; it
never sees a word that it would look up as the name of a host (``filter_words``).

In a file a VLAN tag stands in the frame; on an interface Linux has put the outer one aside before a filter
runs, where only extensions of Linux find it. libpcap writes those for a handle that is open on an interface,
and for no other: so a program for one is compiled on such a handle, which is closed at once.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading

from ctcpmon.errors import FilterError, PartMissingError
from ctcpmon.filter_words import refuse_names
from ctcpmon.text import clean

__all__ = ["Program", "program_for", "programs_for"]

Program = tuple[tuple[int, int, int, int], ...]
"""Instructions: code, jt, jf, k."""

_ETHERNET = 1
_DLT = {101: 12, 14: 12}
"""Link types of files whose number in libpcap's calls is another: raw IP (``DLT_RAW`` of Linux)."""
_SNAPLEN = 262_144
"""What an accepting program returns; ``MAXIMUM_SNAPLEN`` of libpcap, above every frame."""
_ERROR_BYTES = 256
"""``PCAP_ERRBUF_SIZE``."""
_LEAST_BUFFER = 1 << 20
"""Of a handle from which nothing is read."""
_NETMASK_UNKNOWN = 0xFFFF_FFFF
_MOST_INSTRUCTIONS = 4_096
"""``BPF_MAXINSNS`` of Linux; the engine takes no more either."""
_REJECTS_ALL = "expression rejects all packets"
"""An error to libpcap; for one link type among others it is an answer."""
_NOTHING: Program = ((6, 0, 0, 0),)
"""``ret #0``."""
_ONE_AT_A_TIME = threading.Lock()
"""The parser of libpcap before 1.8 has one state for all threads."""


class _TooLongError(FilterError):
    """More instructions than the kernel takes."""


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Code(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction)))


def program_for(expression: str, link_type: int = _ETHERNET, interface: str | None = None) -> Program:
    """The program for frames of one link type (a number of capture files).

    With an ``interface`` it is for frames as the kernel has them there; that needs the right to capture, and
    without it the program is that for files. Raises ``FilterError`` with libpcap's words,
    ``PartMissingError`` without libpcap.
    """
    refuse_names(expression)
    return _compiled(_libpcap(), expression, link_type, interface)


def programs_for(expression: str) -> dict[int, Program]:
    """The programs for all link types that the engine decodes and the expression fits, usual ones first.

    Raises as ``program_for`` does, when it fits none of them.
    """
    from ctcpmon.engine import LINK_TYPES

    refuse_names(expression)
    library = _libpcap()
    programs: dict[int, Program] = {}
    refused: dict[int, FilterError] = {}
    fits = False
    for link_type, _ in LINK_TYPES:
        try:
            programs[link_type] = _compiled(library, expression, link_type)
            fits = True
        except FilterError as error:
            if link_type == _ETHERNET and isinstance(error, _TooLongError):
                raise
            refused[link_type] = error
            if _REJECTS_ALL in str(error):
                programs[link_type] = _NOTHING
    if not fits and refused:
        # The words for Ethernet are those that most people expect.
        raise refused.get(_ETHERNET) or next(iter(refused.values()))
    return programs


def _libpcap() -> ctypes.CDLL:
    # ``find_library`` last: it runs other programs.
    for name in ("libpcap.so.0.8", "libpcap.so.1", None):
        path = name or ctypes.util.find_library("pcap")
        if path is None:
            break
        try:
            return _declared(ctypes.CDLL(path))
        except OSError:
            continue
    message = "a filter needs libpcap, which is not installed: apt-get install libpcap0.8"
    raise PartMissingError(message)


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.pcap_open_dead.argtypes = (ctypes.c_int, ctypes.c_int)
    library.pcap_open_dead.restype = ctypes.c_void_p
    library.pcap_create.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    library.pcap_create.restype = ctypes.c_void_p
    for name in ("pcap_set_snaplen", "pcap_set_buffer_size"):
        getattr(library, name).argtypes = (ctypes.c_void_p, ctypes.c_int)
        getattr(library, name).restype = ctypes.c_int
    for name in ("pcap_activate", "pcap_datalink"):
        getattr(library, name).argtypes = (ctypes.c_void_p,)
        getattr(library, name).restype = ctypes.c_int
    library.pcap_compile.argtypes = (
        ctypes.c_void_p,
        ctypes.POINTER(_Code),
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_uint32,
    )
    library.pcap_compile.restype = ctypes.c_int
    library.pcap_geterr.argtypes = (ctypes.c_void_p,)
    library.pcap_geterr.restype = ctypes.c_char_p
    library.pcap_freecode.argtypes = (ctypes.POINTER(_Code),)
    library.pcap_freecode.restype = None
    library.pcap_close.argtypes = (ctypes.c_void_p,)
    library.pcap_close.restype = None
    return library


def _on_interface(library: ctypes.CDLL, interface: str, dlt: int) -> int | None:
    """A handle that is open there; None where it may not be, or has other frames than ours."""
    handle: int | None = library.pcap_create(
        os.fsencode(interface), ctypes.create_string_buffer(_ERROR_BYTES)
    )
    if not handle:
        return None
    library.pcap_set_snaplen(handle, _SNAPLEN)
    library.pcap_set_buffer_size(handle, _LEAST_BUFFER)
    # Above 0 are warnings.
    if library.pcap_activate(handle) >= 0 and library.pcap_datalink(handle) == dlt:
        return handle
    library.pcap_close(handle)
    return None


def _compiled(library: ctypes.CDLL, expression: str, link_type: int, interface: str | None = None) -> Program:
    code = _Code()
    dlt = _DLT.get(link_type, link_type)
    with _ONE_AT_A_TIME:
        handle = None if interface is None else _on_interface(library, interface, dlt)
        handle = handle or library.pcap_open_dead(dlt, _SNAPLEN)
        if not handle:
            message = "libpcap has no memory left"
            raise FilterError(message)
        try:
            words = os.fsencode(expression)
            if library.pcap_compile(handle, ctypes.byref(code), words, 1, _NETMASK_UNKNOWN) != 0:
                message = f"filter '{clean(expression)}': {clean(library.pcap_geterr(handle))}"
                raise FilterError(message)
            try:
                program = tuple((one.code, one.jt, one.jf, one.k) for one in code.instructions[: code.length])
            finally:
                library.pcap_freecode(ctypes.byref(code))
        finally:
            library.pcap_close(handle)
    if len(program) > _MOST_INSTRUCTIONS:
        message = f"the filter compiles to {len(program)} instructions; the kernel takes {_MOST_INSTRUCTIONS}"
        raise _TooLongError(message)
    return program
