"""The process that dissects: ``python -m ctcpmon.dissect.worker WATCH TSHARK``. ``dissection`` starts it.

Standard input is a capture in memory, which tshark inherits and reads as /dev/stdin: no file is left behind,
whoever dies. Standard output takes a line of JSON for each packet. The only importer of pyshark, in a process
of its own with a loop of its own, so a screen's running loop is no matter. tshark ends with this process
(PR_SET_PDEATHSIG), and this process and its whole group end when the other end of the pipe WATCH is closed,
which is what any death of ctcpmon does.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from ctcpmon.dissect.tree import LABEL_CELLS, Dissected, Node

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = ["PREFERENCES", "main"]

PREFERENCES = {
    # A cTCP stream never retransmits and steps over holes: what tshark concludes from sequence numbers
    # there is wrong ("retransmission", "ACKed unseen segment"). A segment is a packet of the tunnel, not a
    # piece of text.
    "tcp.analyze_sequence_numbers": "FALSE",
    "tcp.desegment_tcp_streams": "FALSE",
    # The trailer says what it is; a port such as 443 does not.
    "tcp.try_heuristic_first": "TRUE",
}
_MAX_FIELDS = 2_000
"""Of a packet; a large IKE packet has some hundred."""
_MAX_DEPTH = 24
_END_S = 2.0
_CPU_S = 30
_MEMORY_BYTES = 4 << 30
"""Address space: tshark 4.0 takes 0.4 GiB, most of it libraries."""
_FILE_BYTES = 1 << 20
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


class _Budget:
    """Fields that may still be taken from one packet."""

    def __init__(self) -> None:
        self.left = _MAX_FIELDS

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def main() -> int:
    """Dissects; a line with ``problem`` says what went wrong."""
    watch, tshark = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_watch, args=(watch,), daemon=True).start()
    _limit()
    try:
        import pyshark
        from pyshark.tshark.output_parser import tshark_xml
    except ImportError as error:
        _say({"problem": f"pyshark cannot be imported: {error}"})
        return 1
    _end_tshark_with_us()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    capture = _capture_of(pyshark, tshark_xml, loop, tshark)
    problem = ""
    try:
        # A loop of our own is handed in: pyshark's way of making one fails in newer Pythons.
        capture.apply_on_packets(_say)
    except Exception as error:  # noqa: BLE001 whatever pyshark or tshark do, it is told in one line
        problem = " ".join(str(error).split()) or type(error).__name__
    _say({"problem": problem} if problem else {"done": True})
    return 0


def _capture_of(pyshark: Any, parsers: Any, loop: asyncio.AbstractEventLoop, tshark: str) -> Any:
    """A ``FileCapture`` that hands out whole trees: pyshark's own packets are flat, without the nesting."""

    class Parser(parsers.TsharkXmlParser):  # type: ignore[misc]
        def _parse_single_packet(self, packet: bytes) -> Dissected:
            return _dissected(packet, parsers.DEL_BAD_XML_CHARS)

    class Capture(pyshark.FileCapture):  # type: ignore[misc]
        def _setup_tshark_output_parser(self) -> Parser:
            return Parser()

        def _created_new_process(self, _words: object, process: asyncio.subprocess.Process) -> None:
            # One that has ended already may have said something all the same.
            self._running_processes.add(process)

        async def _cleanup_subprocess(self, process: asyncio.subprocess.Process) -> None:
            if self._eof_reached:
                # It has closed its output and is about to end: only then is there a code that tells how.
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _END_S)
            await super()._cleanup_subprocess(process)

    return Capture(
        "/dev/stdin",
        keep_packets=False,
        override_prefs=PREFERENCES,
        eventloop=loop,
        tshark_path=tshark,
    )


def _dissected(packet: bytes, bad_chars: dict[int, None]) -> Dissected:
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    text = packet.decode("utf-8", "ignore").translate(bad_chars)
    top = etree.fromstring(text.encode(), parser)
    budget = _Budget()
    number = 0
    layers = []
    for layer in top:
        name = layer.get("name", "")
        if name == "geninfo":
            number = next((int(one.get("show", "0")) for one in layer if one.get("name") == "num"), 0)
        elif name == "fake-field-wrapper":
            # How PDML writes bytes that no dissector took.
            layers += [_node(one, budget, 0) for one in layer if budget.take()]
        # Our own remarks are known from the slice.
        elif name != "pkt_comment" and budget.take():
            layers.append(_node(layer, budget, 0))
    return Dissected(number, tuple(layers), is_cut=budget.left < 0)


def _node(element: _Element, budget: _Budget, depth: int) -> Node:
    shown = element.get("show", "")
    children = (
        tuple(
            _node(one, budget, depth + 1)
            for one in element
            if one.get("hide") != "yes" and depth < _MAX_DEPTH and budget.take()
        )
        if len(element)
        else ()
    )
    return Node(
        element.get("name", ""),
        (element.get("showname") or shown or element.get("name", ""))[: LABEL_CELLS * 2],
        shown[: LABEL_CELLS * 2],
        _whole(element.get("pos")),
        _whole(element.get("size")),
        children,
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _say(message: object) -> None:
    line = msgspec.json.encode(message) + b"\n"
    while line:
        line = line[os.write(1, line) :]


def _watch(watch: int) -> None:
    """Waits until the pipe is closed; then there is nobody to dissect for."""
    while os.read(watch, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _limit() -> None:
    """Limits that tshark inherits. No way to more rights, for a program with file capabilities either."""
    for what, most in (
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most, most) if hard == resource.RLIM_INFINITY else (min(most, hard), hard))
    _process_control(_PR_SET_NO_NEW_PRIVS, 1)


def _end_tshark_with_us() -> None:
    """Gives what pyshark starts a signal at our death; it has no door for that."""
    die = functools.partial(_die_with_parent, os.getpid())
    start = functools.partial(asyncio.create_subprocess_exec, preexec_fn=die)
    asyncio.create_subprocess_exec = start


def _die_with_parent(parent: int) -> None:
    _process_control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before the line above


def _process_control(option: int, value: int) -> None:
    try:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
    except (OSError, AttributeError):
        return  # not Linux: the watching thread is what there is


if __name__ == "__main__":
    sys.exit(main())
