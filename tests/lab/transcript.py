"""One run of the lab in words: what was provoked, what the endpoints saw, what ctcpmon said and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.score.verdicts import epoch

from . import printed
from .labels import CLIENT_TAP, HEADEND_TAP, WHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .loop import LoopResult
    from .running import Result
    from .suite import Suite
    from .truth import SessionTruth


def lines(suite: Suite) -> Iterator[str]:
    """The whole transcript. Times are seconds since the start of each run."""
    for name, result in suite.results.items():
        if name not in suite.loops:
            yield from _scenario(suite, name, result)
            yield ""
    for name, lack in suite.skipped.items():
        yield f"SKIPPED {name}: needs {lack}"
    for loop in suite.loops.values():
        yield from _loop(loop)
        yield ""
    tunnels = [row for row in suite.rows if row.expected]
    yield (
        f"{len(suite.results)} runs, {len(tunnels)} flows seen from two taps: "
        f"{sum(r.is_false_stall for r in suite.rows) + len(suite.strays)} false stalls, "
        f"{sum(r.is_missed for r in suite.rows)} missed stalls"
    )


def _scenario(suite: Suite, name: str, result: Result) -> Iterator[str]:
    twin = result.scenario.twin_of
    yield f"== {name}" + (f" (healthy twin of {twin})" if twin else "") + f": {result.scenario.title}"
    yield f"  device: {_facts(result.files[0]['middlebox'])}; dropped by the loss rules: {result.dropped_by_rules}"
    for truth in result.truths:
        yield f"  {_session(truth, result.started)}"
    for tap in (CLIENT_TAP, HEADEND_TAP):
        for row in (r for r in suite.rows_of(name) if r.capture.endswith(f"_{tap}.pcap")):
            said = row.said
            if row.session and row.session.raised is not None:
                said += (
                    f" ({row.session.signature}) at {row.session.raised - result.started:.1f} s,"
                    f" loss on the side of: {row.session.loss_side or 'not said'}"
                )
            accepted = "/".join(sorted(row.flow.acceptable))
            mark = "right" if row.is_right else "WRONG"
            yield f"  ctcpmon at the {WHERE[tap].split()[0]} tap, port {row.flow.client_port}: {said}; {mark} ({accepted})"


def _session(truth: SessionTruth, start: float) -> str:
    ways = ", ".join(
        f"{name} {way.delivered} of {way.sent} segments delivered"
        + (f", dead from {way.onset.epoch - start:.1f} s" if way.onset else "")
        + "".join(f", dead from {a - start:.1f} to {b - start:.1f} s" for a, b in way.outages)
        for name, way in truth.directions.items()
    )
    reset = f", reset at {truth.reset_epoch - start:.1f} s" if truth.reset_epoch is not None else ""
    return f"endpoints of port {truth.client.local[1]}: {ways}{reset}: {truth.verdict}"


def _loop(loop: LoopResult) -> Iterator[str]:
    start = loop.run.started
    yield f"== closing the loop: {loop.run.scenario.title}"
    yield f"  dropped by the loss rules: {loop.run.dropped_by_rules}"
    yield "  ctcpmon replay of the capture so far:"
    yield from _events(loop.events_before, start, since=0.0)
    asked = f"ctcpmon fixes {loop.run.scenario.name}_so_far.pcap --platform linux"
    yield f"  {loop.looked_epoch - start:6.1f}  the operator asks: {asked}"
    yield f"          the fix that fits this box: {loop.fix.title}  [{loop.fix.id}]"
    yield "          typed in the firewall's namespace with sh -e, as printed:"
    yield from (f"            {line}" for line in loop.fix.script.splitlines())
    yield f"  {loop.applied_epoch - start:6.1f}  done, exit {loop.shell_exit}"
    yield from (f"            {line}" for line in loop.shell_output.splitlines() if not line.startswith("+ "))
    yield "  what the endpoints saw:"
    for truth, (up, down) in zip(loop.run.truths, loop.delivered_after(loop.applied_epoch), strict=True):
        yield f"    {_session(truth, start)}"
        yield f"      after the fix: {up} segments arrived at the headend, {down} at the client"
    yield "  ctcpmon replay of the whole capture, from the fix on:"
    yield from _events(loop.events_after, start, since=loop.looked_epoch)


def _events(events: list[dict[str, Any]], start: float, since: float) -> Iterator[str]:
    for event in [*printed.of_type(events, "finding"), *printed.of_type(events, "incident")]:
        event["epoch"] = epoch(event["time"])
    some = [event for event in events if "epoch" in event and event["epoch"] >= since]
    for event in some:
        data, at = event["data"], event["epoch"] - start
        ctcp = data["ctcp"]
        if event["type"] == "ctcpmon.finding.v1":
            yield f"  {at:6.1f}    port {data['source']['port']}: {data['rule']['name']}: {ctcp['verdict']}"
        else:
            counts = f"{ctcp['sessions_stalled']} stalled, {ctcp['sessions_at_risk']} at risk"
            yield (
                f"  {at:6.1f}  INCIDENT {ctcp['incident']} {ctcp['change']}: {data['event']['reason']} "
                f"({counts}, {ctcp['sessions_recovered']} moving again)"
            )


def _facts(box: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in box.items() if key != "kind")
