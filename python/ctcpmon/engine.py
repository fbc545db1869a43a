"""The only importer of the native extension ``ctcpmon._ctcpmon``.

Re-exports its typed names and adds the context manager ``open_replay``. Nothing else belongs
here: no judgement, no wording. Importing this module without the built extension raises
``EngineMissingError`` with the line to type; modules that only need the types import them
under ``TYPE_CHECKING``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ctcpmon.errors import EngineMissingError, InputError
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

try:
    from ctcpmon._ctcpmon import (
        COUNTERS,
        DETECTORS,
        EVIDENCE,
        Batch,
        CaptureError,
        CounterInfo,
        DetectorInfo,
        DeviceDirection,
        DevicePair,
        Direction,
        Evidence,
        EvidenceInfo,
        Finding,
        Note,
        Replay,
        Session,
        Stats,
        ThresholdInfo,
        __version__,
    )
except ImportError as error:
    _MESSAGE = (
        "the ctcpmon engine is not built for this Python "
        f"({clean(str(error))}); in a source tree type: ./x build"
    )
    raise EngineMissingError(_MESSAGE) from error

__all__ = [
    "COUNTERS",
    "DETECTORS",
    "EVIDENCE",
    "Batch",
    "CaptureError",
    "CounterInfo",
    "DetectorInfo",
    "DeviceDirection",
    "DevicePair",
    "Direction",
    "Evidence",
    "EvidenceInfo",
    "Finding",
    "Note",
    "Replay",
    "Session",
    "Stats",
    "ThresholdInfo",
    "__version__",
    "open_replay",
]


@contextmanager
def open_replay(
    paths: Sequence[str],
    *,
    max_flow_mib: int = 256,
    max_sessions: int = 100_000,
    batch_frames: int = 0,
    max_pending: int = 10_000,
    speed: float = 0.0,
    taps: Sequence[str] | None = None,
) -> Iterator[Replay]:
    """Opens captures and stops the reading thread on leaving.

    ``max_flow_mib`` bounds what is kept of flows and sessions (MiB); ``batch_frames`` (frames per step, 0 is the
    default) changes nothing but speed; ``speed`` 0.0 is as fast as possible, 1.0 the pace of
    the capture. ``taps`` names for each path the side of a device it was captured on, ``client`` or
    ``headend``: then packets are matched across the device. Raises ``InputError`` if nothing can be
    read, also while polling.
    """
    try:
        replay = Replay(
            list(paths),
            max_flow_mib=max_flow_mib,
            max_sessions=max_sessions,
            batch_frames=batch_frames,
            max_pending=max_pending,
            speed=speed,
            taps=None if taps is None else list(taps),
        )
        try:
            yield replay
        finally:
            replay.stop()
    except CaptureError as error:
        raise InputError(clean(str(error), 400)) from error
