"""The only importer of the native extension ``ctcpmon._ctcpmon``.

Re-exports its typed names and adds the context manager ``open_replay``. Nothing else belongs
here: no judgement, no wording, and no import of typing or contextlib: a run waits for this module before
its engine starts. Importing this module without the built extension raises
``EngineMissingError`` with the line to type; modules that only need the types import them
under ``TYPE_CHECKING``.
"""

from __future__ import annotations

from ctcpmon.errors import CaptureRefusedError, EngineMissingError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ctcpmon.capture_filter import Program

try:
    from ctcpmon._ctcpmon import (
        COUNTERS,
        DETECTORS,
        EVIDENCE,
        LINK_TYPES,
        Batch,
        CaptureError,
        Confined,
        CounterInfo,
        DetectorInfo,
        DeviceDirection,
        DevicePair,
        Direction,
        Drawing,
        EventLines,
        Evidence,
        EvidenceInfo,
        Finding,
        FlowWindow,
        Held,
        Interface,
        LivePort,
        Note,
        Packet,
        Replay,
        Series,
        Session,
        SessionWindow,
        Sliced,
        Stats,
        ThresholdInfo,
        __version__,
        encode,
        interfaces,
        rfc3339,
        slice_bytes,
        slice_captures,
        try_confine,
    )
except ImportError as error:
    from ctcpmon.text import clean

    _MESSAGE = (
        "the ctcpmon engine is not built for this Python "
        f"({clean(str(error))}); in a source tree type: ./x build"
    )
    raise EngineMissingError(_MESSAGE) from error

__all__ = [
    "COUNTERS",
    "DETECTORS",
    "EVIDENCE",
    "LINK_TYPES",
    "Batch",
    "CaptureError",
    "Confined",
    "CounterInfo",
    "DetectorInfo",
    "DeviceDirection",
    "DevicePair",
    "Direction",
    "Drawing",
    "EventLines",
    "Evidence",
    "EvidenceInfo",
    "Finding",
    "FlowWindow",
    "Held",
    "Interface",
    "LivePort",
    "Note",
    "Packet",
    "Replay",
    "Series",
    "Session",
    "SessionWindow",
    "Sliced",
    "Stats",
    "ThresholdInfo",
    "__version__",
    "encode",
    "interfaces",
    "open_live",
    "open_replay",
    "rfc3339",
    "slice_bytes",
    "slice_captures",
    "try_confine",
]


class _Opening:
    """Starts a replay on entering and stops its reading thread on leaving."""

    def __init__(self, start: Callable[[], Replay]) -> None:
        self._start = start
        self._replay: Replay | None = None

    def __enter__(self) -> Replay:
        try:
            self._replay = self._start()
        except CaptureError as error:
            raise _input_error(error) from error
        return self._replay

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._replay is not None:
            self._replay.stop()
            self._replay = None
        if isinstance(error, CaptureError):
            raise _input_error(error) from error


def _clean(error: BaseException, cells: int) -> str:
    # What it needs to know of characters takes time to load, and a run that succeeds has no use for it here.
    from ctcpmon.text import clean

    return clean(str(error), cells)


def _input_error(error: BaseException) -> InputError:
    return InputError(_clean(error, 400))


def open_replay(
    paths: Sequence[str],
    *,
    max_flow_mib: int = 256,
    max_sessions: int = 100_000,
    batch_frames: int = 0,
    max_pending: int = 10_000,
    speed: float = 0.0,
    taps: Sequence[str] | None = None,
    filters: Mapping[int, Program] | None = None,
    keep_mib: int = 0,
    is_followed: bool = False,
    idle_s: float | None = None,
    keeps_flows: bool = False,
    is_paused: bool = False,
) -> AbstractContextManager[Replay]:
    """Opens captures and stops the reading thread on leaving.

    ``max_flow_mib`` bounds what is kept of flows and sessions (MiB); ``batch_frames`` (frames
    per step, 0 is the default) changes nothing but speed; ``speed`` 0.0 is as fast as possible,
    1.0 the pace of the capture. ``taps`` names for each path the side of a device it was captured
    on, ``client`` or ``headend``: then packets are matched across the device. ``filters``
    holds for each link type the program (``capture_filter``) that a packet must pass to be analysed; a packet
    of any other link type does not pass. ``keep_mib`` is memory for recent frames of tunnel sessions, which
    ``Replay.slice`` then writes; with ``keeps_flows`` the flow table stays after the end, for
    ``Replay.list_flows``. With ``is_followed`` the one path is being written: a file, a folder of them
    or a pattern; it ends with ``stop``, or when nothing was written for ``idle_s`` seconds. With
    ``is_paused`` it is held before its first packet (``Replay.set_paused``). Raises ``InputError`` if nothing
    can be read, also while polling.
    """
    return _Opening(
        lambda: Replay(
            list(paths),
            max_flow_mib=max_flow_mib,
            max_sessions=max_sessions,
            batch_frames=batch_frames,
            max_pending=max_pending,
            speed=speed,
            taps=None if taps is None else list(taps),
            filters=None if filters is None else list(filters.items()),
            keep_mib=keep_mib,
            is_followed=is_followed,
            idle_s=idle_s,
            keeps_flows=keeps_flows,
            is_paused=is_paused,
        )
    )


def open_live(
    names: Sequence[str],
    *,
    ring_mib: int = 64,
    rings: int = 1,
    is_promiscuous: bool = True,
    filters: Mapping[int, Sequence[tuple[int, int, int, int]]] | None = None,
    account: tuple[int, int] | None = None,
    max_flow_mib: int = 256,
    max_sessions: int = 100_000,
    max_pending: int = 10_000,
    keep_mib: int = 0,
    needs: tuple[Sequence[str] | None, Sequence[int] | None, bool] | None = None,
    is_offload_off: bool = False,
) -> AbstractContextManager[Replay]:
    """Captures from interfaces until it is left, or ``stop`` is called.

    The rings (``ring_mib`` MiB in all, ``rings`` and threads for each interface) are opened by the calling
    thread, which then gives up every right, with ``account`` (user, group) becomes that, and is confined to
    what it ``needs`` (``confining``): ``Replay.confined`` says what is in force. ``filters`` are programs of
    classic BPF by link type; ``keep_mib`` is memory for recent frames of tunnel sessions;
    ``is_offload_off`` switches off what merges segments, for as long as the process lives.
    Raises ``CaptureRefusedError`` when an interface cannot be captured.
    """

    def start() -> Replay:
        try:
            return Replay.live(
                list(names),
                ring_mib=ring_mib,
                rings=rings,
                is_promiscuous=is_promiscuous,
                filters=list((filters or {}).items()),
                account=account,
                max_flow_mib=max_flow_mib,
                max_sessions=max_sessions,
                max_pending=max_pending,
                keep_mib=keep_mib,
                needs=needs,
                is_offload_off=is_offload_off,
            )
        except PermissionError as error:
            from ctcpmon.rights import lines_to_type

            lines = "; or: ".join(lines_to_type(names))
            message = f"{_clean(error, 200)}; type: {lines}"
            raise CaptureRefusedError(message) from error
        except CaptureError as error:
            raise CaptureRefusedError(_clean(error, 400)) from error

    return _Opening(start)
