"""The packets of one session for the screen: asked for once, cut on a thread of their own, bounded.

Whoever asks gets a ``Future`` at once. It stays pending until the packets are there, so ``cancel`` always
works: the cutting then ends within a tenth of a second. What went wrong is a ``PacketsError`` whose text is
one sentence for the user.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctcpmon.diagnosis import evidence_words, verdict_words
from ctcpmon.errors import CtcpmonError
from ctcpmon.slicing import Bounds, cut_files, cut_kept, order_of
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ctcpmon.engine import Finding, Replay, Sliced
    from ctcpmon.slicing import Case

__all__ = [
    "MOST_BYTES",
    "MOST_PACKETS",
    "PacketCutter",
    "Packets",
    "PacketsError",
    "cut_case",
    "fail",
    "has_pipe",
]

MOST_PACKETS = 50_000
MOST_BYTES = 1 << 25
"""Bounds of what is handed to a screen (guess: some minutes of a busy tunnel; a page shows far less)."""
_EVER_NS = 2**63 - 1


class PacketsError(CtcpmonError):
    """The packets cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What was cut. Every string is clean but those inside ``pcapng``, which are as on the wire."""

    session: str
    """Key of the session, as in the view."""
    client: tuple[str, int]
    headend: tuple[str, int]
    pcapng: bytes
    """The packets, with the words of the proof as comments."""
    count: int
    before: int = 0
    """Packets of the session before the first one here that are left out."""
    behind: int = 0
    numbers: tuple[int, ...] = ()
    """Of each packet its number in the capture, from 1; empty for a live run and for a pipe."""
    since_ns: int | None = None
    """When the trouble began: the earliest moment that the worst finding names."""
    judged_ns: int | None = None
    """When it was judged to be what ``story`` says."""
    marks: tuple[tuple[int, str], ...] = ()
    """Moments of the evidence, with its words."""
    stopped_side: str = ""
    """Whose data no longer get through: client, headend, both; empty: not known."""
    story: str = ""
    """The worst finding in one line; empty: no detector raised."""
    aliases: tuple[str, str] = ("", "")
    """What to call the addresses of client and headend on a screen that hides them; then the packets
    themselves are not to be shown."""

    @property
    def left_out(self) -> str:
        """What is not here, as a sentence; empty when all is."""
        parts = [
            f"{number:,} {where}"
            for number, where in ((self.before, "before"), (self.behind, "after"))
            if number
        ]
        return f"left out: {' and '.join(parts)} these {self.count:,} packets" if parts else ""


class PacketCutter:
    """Cuts on one thread, what was asked for last. Used by the thread that knows the run."""

    def __init__(self, replay: Replay, paths: Sequence[str], *, is_kept: bool) -> None:
        """``paths`` are read a second time, unless the run keeps packets: one that is live, or of a pipe."""
        self._replay, self._paths, self._is_kept = replay, tuple(paths), is_kept
        self._now: Future[Packets] | None = None

    def cut(self, key: str, case: Case | None, until_ns: int, answer: Future[Packets]) -> None:
        """Begins; ``until_ns`` is how far the run has come. A cut that is still going on is given up."""
        self.close()
        if case is None:
            fail(answer, "this session is no longer kept in memory, so its packets cannot be found")
            return
        self._now = answer
        threading.Thread(
            target=self._run, args=(key, case, until_ns, answer), name="ctcpmon-packets", daemon=True
        ).start()

    def close(self) -> None:
        """Gives up what is going on."""
        if self._now is not None:
            self._now.cancel()
            self._now = None

    def _run(self, key: str, case: Case, until_ns: int, answer: Future[Packets]) -> None:
        try:
            made = self._cut(key, case, until_ns, lambda: not answer.cancelled())
            if made is not None:
                answer.set_result(made)
        except InvalidStateError:
            return  # nobody waits for it any more
        # BaseException: a panic of the engine does not derive from Exception.
        except BaseException as error:  # noqa: BLE001
            fail(answer, _reason(error))

    def _cut(self, key: str, case: Case, until_ns: int, goes_on: Callable[[], bool]) -> Packets | None:
        if self._is_kept:
            order = order_of([case], f"session {key} by ctcpmon", until_ns=until_ns)
            return _packets(key, case, cut_kept(self._replay, [case], order, _bounds(case)), is_kept=True)
        return cut_case(self._paths, key, case, until_ns=until_ns, goes_on=goes_on)


def cut_case(
    paths: Sequence[str],
    key: str,
    case: Case,
    *,
    until_ns: int = _EVER_NS,
    goes_on: Callable[[], bool] = lambda: True,
) -> Packets | None:
    """Cuts a session out of captures; None when ``goes_on`` said no on the way. Raises ``PacketsError``."""
    _need_files(paths)
    order = order_of([case], f"session {key} by ctcpmon", until_ns=until_ns)
    found = cut_files(paths, order, _bounds(case), goes_on)
    return None if found is None else _packets(key, case, found, is_kept=False)


def _bounds(case: Case) -> Bounds:
    # Without trouble the newest packets are those that anybody would look for.
    lead = case.lead
    return Bounds(_EVER_NS if lead is None else lead[1].since_ns, MOST_PACKETS, MOST_BYTES)


def _packets(key: str, case: Case, found: tuple[bytes, Sliced], *, is_kept: bool) -> Packets:
    data, sliced = found
    if not sliced.frames:
        message = (
            "the packets of this session are not kept any more: of what cannot be read again only the newest "
            "are (live: --keep-mib says how many)"
            if is_kept
            else "no packet of this session is in the capture now; was the file changed?"
        )
        raise PacketsError(message)
    session = case.session
    event_id, lead = case.lead or ("", None)
    marks = () if lead is None else tuple(_marks(lead))
    return Packets(
        session=key,
        client=(clean(session.client_ip, 45), session.client_port),
        headend=(clean(session.headend_ip, 45), session.headend_port),
        pcapng=data,
        count=sliced.frames,
        before=sliced.before,
        behind=sliced.behind,
        numbers=() if is_kept else sliced.numbers,
        since_ns=None if lead is None else min([lead.since_ns, *(at for at, _ in marks)]),
        judged_ns=None if lead is None else lead.ts_ns,
        marks=marks,
        stopped_side="" if lead is None else clean(lead.stopped_side or "", 10),
        story="" if lead is None else verdict_words(lead, event_id),
    )


def fail(answer: Future[Any], text: str) -> None:
    """Says why there are none; nothing happens when nobody waits any more."""
    try:
        answer.set_exception(PacketsError(text))
    except InvalidStateError:
        return


def _marks(finding: Finding) -> Iterator[tuple[int, str]]:
    session = finding.session
    sides = {"client": (session.to_headend,), "headend": (session.to_client,)}
    for direction in sides.get(finding.stopped_side or "", (session.to_headend, session.to_client)):
        if direction.ack_frozen_since_ns is not None and not session.is_one_sided:
            yield direction.ack_frozen_since_ns, "from here on the ACK of the other side stands still"
    for one in finding.evidence:
        if one.ts_ns is not None:
            yield one.ts_ns, clean(evidence_words(one), 300)


def has_pipe(paths: Sequence[str]) -> bool:
    """True when one of them can be read only once."""
    return any(path == "-" or (Path(path).exists() and not Path(path).is_file()) for path in paths)


def _need_files(paths: Sequence[str]) -> None:
    if has_pipe(paths):
        message = "a pipe is read only once, so its packets cannot be shown; save it to a file, replay that"
        raise PacketsError(message)


def _reason(error: BaseException) -> str:
    from ctcpmon import engine

    if isinstance(error, PacketsError):
        return str(error)
    if isinstance(error, (engine.CaptureError, OSError)):
        return f"the packets cannot be read: {clean(str(error), 200)}"
    if isinstance(error, MemoryError):
        return "there is not enough memory for these packets"
    return f"the packets cannot be shown: internal error ({type(error).__name__})"
