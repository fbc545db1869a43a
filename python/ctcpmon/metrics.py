"""The text format of Prometheus from the counters of a run.

Labels come from closed sets alone (interfaces of this run, states, severities, reasons, outputs), never a
peer: so the number of series is the same from the first scrape to the last, whoever sends what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctcpmon.envelopes import STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ctcpmon.diagnosis import IncidentBook
    from ctcpmon.engine import Stats

__all__ = ["CONTENT_TYPE", "metrics_text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SEVERITIES = ("info", "warning", "critical")
_Sample = tuple[dict[str, str], float]


def metrics_text(
    stats: Stats, book: IncidentBook, outputs: Mapping[str, int], *, version: str, sensor: str, screens: int
) -> bytes:
    """One scrape."""
    still_open = [one for one in book.incidents() if one.is_open]
    families: Iterable[tuple[str, str, str, Iterable[_Sample]]] = (
        ("build_info", "gauge", "Version and sensor.", [({"version": version, "sensor": sensor}, 1)]),
        ("packets_total", "counter", "Packets read.", [({}, stats.packets)]),
        ("tcp_packets_total", "counter", "TCP segments read.", [({}, stats.tcp_packets)]),
        ("flows", "gauge", "Conversations in the table.", [({}, stats.flows_current)]),
        (
            "sessions",
            "gauge",
            "Open tunnel sessions by state.",
            [({"state": one}, stats.sessions_by_state.get(one, 0)) for one in STATES],
        ),
        (
            "incidents",
            "gauge",
            "Open incidents by severity.",
            [({"severity": one}, sum(i.severity == one for i in still_open)) for one in _SEVERITIES],
        ),
        (
            "engine_total",
            "counter",
            "Counters of the engine by reason.",
            [({"reason": name}, value) for name, value in sorted(stats.counters.items())],
        ),
        (
            "diagnosis_total",
            "counter",
            "Counters of the grouping by reason.",
            [({"reason": name}, value) for name, value in sorted(book.counters.items())],
        ),
        (
            "tap_gap_ratio",
            "gauge",
            "Share of ordinary TCP that the tap missed; NaN: not measured.",
            [({}, float("nan") if stats.tap_gap_ratio is None else stats.tap_gap_ratio)],
        ),
        *_interfaces(stats),
        *_outputs(outputs),
        ("screens", "gauge", "Screens attached.", [({}, screens)]),
    )
    lines = [line for name, kind, text, samples in families for line in _family(name, kind, text, samples)]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _interfaces(stats: Stats) -> Iterator[tuple[str, str, str, list[_Sample]]]:
    if not stats.ports:
        return
    at = [({"interface": one.name}, one) for one in stats.ports]
    yield "interface_received_total", "counter", "Frames by the kernel.", [(n, o.received) for n, o in at]
    yield "interface_dropped_total", "counter", "Dropped by the kernel.", [(n, o.dropped) for n, o in at]
    yield "interface_driver_dropped_total", "counter", "By driver.", [(n, o.driver_dropped) for n, o in at]
    yield "interface_downs_total", "counter", "Times it went down.", [(n, o.downs) for n, o in at]
    yield "interface_up", "gauge", "1: it is up.", [(n, float(not o.is_down)) for n, o in at]


def _outputs(outputs: Mapping[str, int]) -> Iterator[tuple[str, str, str, list[_Sample]]]:
    by_what: dict[str, list[_Sample]] = {}
    for key, value in outputs.items():
        name, _, what = key.rpartition("_")
        by_what.setdefault(what, []).append(({"output": name}, value))
    for what, samples in sorted(by_what.items()):
        if what == "waiting":
            yield "output_waiting", "gauge", "Events waiting for an output.", samples
        else:
            yield f"output_{what}_total", "counter", f"Events by output: {what}.", samples


def _family(name: str, kind: str, text: str, samples: Iterable[_Sample]) -> Iterator[str]:
    yield f"# HELP ctcpmon_{name} {text}"
    yield f"# TYPE ctcpmon_{name} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
        shown = "NaN" if value != value else f"{value:.17g}"  # noqa: PLR0124 the test for NaN
        yield f"ctcpmon_{name}{{{inner}}} {shown}" if inner else f"ctcpmon_{name} {shown}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
