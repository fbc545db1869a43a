"""The part of the table that two taps add: what the device did with each session. Lines only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.diagnosis import REFUSALS
from ctcpmon.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctcpmon.events import CtcpDeviceDirection, DeviceEvent

__all__ = ["device_lines"]

_WORDS = {"stopped": "STOPPED", "interrupted": "PAUSED", "lossy": "LOSSY", "recut": "RE-CUT"}


def device_lines(events: Sequence[DeviceEvent], seen: int, cells: int) -> Iterator[str]:
    """Heading, clock, and per session one line with the numbers and one sentence."""
    yield ""
    if not events:
        yield "DEVICE BETWEEN THE TAPS: no session in common"
        return
    yield f"DEVICE BETWEEN THE TAPS, {seen} session{'' if seen == 1 else 's'} seen at both, worst first"
    yield f"  {_clock_line(events[0])}"
    for event in events:
        data = event.data
        ctcp = data.ctcp
        word = _WORDS.get(ctcp.verdict, clean(ctcp.verdict))
        yield (
            f"  {word:<9} {clean(ctcp.client_session)} = {clean(ctcp.headend_session)}  "
            f"confidence {ctcp.confidence:.2f}"
        )
        for text in _wrapped(clean(data.event.reason or "", 300), cells - 12):
            yield f"            {text}"
        yield f"            to headend {_numbers(ctcp.to_headend)}"
        yield f"            to client  {_numbers(ctcp.to_client)}"
    if seen > len(events):
        yield f"  and {seen - len(events)} more, none worse"


def _clock_line(event: DeviceEvent) -> str:
    ctcp = event.data.ctcp
    if ctcp.clock_offset_us is None or ctcp.clock_uncertainty_us is None:
        reason = ctcp.delay_refused or "not known"
        return f"no delay stated: {REFUSALS.get(reason) or clean(reason.replace('_', ' '))}"
    return (
        f"clock of the headend-side tap {ctcp.clock_offset_us / 1e6:+.6f} s, "
        f"known within {ctcp.clock_uncertainty_us / 1e3:.3f} ms"
    )


def _numbers(flow: CtcpDeviceDirection) -> str:
    text = f"{flow.entered_pkts:,} in, {flow.left_pkts:,} out, {flow.lost_in_device_pkts:,} lost"
    if flow.undecided_pkts:
        text += f", {flow.undecided_pkts:,} undecided"
    if flow.delay_median_us is not None and flow.delay_max_us is not None:
        text += f"; delay {_ms(flow.delay_median_us)}, at most {_ms(flow.delay_max_us)}"
    return text


def _ms(value_us: int) -> str:
    return f"{value_us / 1e3:.3f} ms" if abs(value_us) < 10_000 else f"{value_us / 1e3:.1f} ms"


def _wrapped(text: str, cells: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > cells:
            yield line
            line = word
        else:
            line = f"{line} {word}".lstrip()
    yield line
