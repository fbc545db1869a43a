"""labels.json as values. Reads and checks; judges nothing.

The format is that of a lab that knows the truth from its endpoints' logs: ``files[]`` with ``flows[]``,
each flow with the verdict that is best *from this capture* and the verdicts that are not wrong.
Unknown keys are an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TOP_KEYS = {"format", "note", "files"}
FILE_KEYS = {
    "file", "title", "scenario", "tap", "middlebox", "links", "run_t0_epoch", "duration_s", "packets",
    "linktype", "first_packet_epoch", "last_packet_epoch", "timeline", "summary", "sha256", "bytes",
    "flows", "capture_loss", "cut_to_seconds_of_run", "readable_records", "timestamps_edited",
}  # fmt: skip
FLOW_KEYS = {
    "client", "client_port", "server", "server_port", "kind", "session", "connection", "pattern", "life",
    "window", "ack_policy", "packets_in_capture", "events", "truth_verdict", "stall_class", "dead_directions",
    "stall_onset_epoch", "first_unrecovered_loss_epoch", "verdict", "acceptable_verdicts",
    "acceptable_classes", "acceptable_kinds", "directions", "remark", "hard_negative", "truth",
    "rst_seen_by_endpoints", "mid_stream",
}  # fmt: skip
SURVIVING = {"healthy", "at_risk", "not_applicable"}


class LabelError(Exception):
    """The labels cannot be used; the text says where and why."""


@dataclass(frozen=True)
class Flow:
    """One labelled conversation."""

    client: str
    client_port: int
    server: str
    server_port: int
    kind: str
    verdict: str
    acceptable: frozenset[str]
    truth: str
    window: tuple[float, float]
    """From and to, epoch seconds: tells several connections on one 4-tuple apart."""
    stall_class: str | None
    acceptable_classes: frozenset[str]
    onset: float | None
    """Sending time of the first segment of the dead run, epoch seconds."""
    onsets: dict[str, float]
    """The same by dead direction (``c2s``, ``s2c``)."""
    dead: frozenset[str]
    loss_sides: dict[str, frozenset[str]]
    """By dead direction: ``client`` / ``headend`` of the tap, and ``device`` when a device dropped it."""
    outages: tuple[tuple[float, float], ...]
    """Times in which a direction was dead and came back."""
    remark: str

    @property
    def name(self) -> str:
        """The 4-tuple."""
        return f"{self.client}:{self.client_port}>{self.server}:{self.server_port}"

    @property
    def is_judgeable(self) -> bool:
        """The tap can tell: ``stalled`` is the only answer that counts as right."""
        return self.acceptable == {"stalled"}

    def survived_at(self, when: float) -> bool:
        """True when the session was alive at ``when`` and for good, as far as the truth knows."""
        dead_later = self.truth == "stalled" and self.onset is not None
        in_outage = any(start <= when <= end + 2.0 for start, end in self.outages)
        return not dead_later and not in_outage


@dataclass(frozen=True)
class Capture:
    """One labelled file."""

    path: Path
    name: str
    title: str
    first: float
    last: float
    flows: tuple[Flow, ...]


def check_keys(found: dict[str, Any], known: set[str], where: str) -> None:
    """Raises for the first key that is not known, with the nearest one that is."""
    for key in found:
        if key in known:
            continue
        near = difflib.get_close_matches(key, sorted(known), n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise LabelError(f'{where}: unknown key "{key}"{hint}')


def load(folder: Path) -> list[Capture]:
    """Reads ``folder/labels.json``."""
    path = folder / "labels.json"
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LabelError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise LabelError(f"{path}: not JSON: {error}") from error
    check_keys(raw, TOP_KEYS, str(path))
    try:
        return [_capture(folder, item, f"{path}: files[{i}]") for i, item in enumerate(raw["files"])]
    except KeyError as error:
        raise LabelError(f"{path}: missing key {error}") from error


def _capture(folder: Path, item: dict[str, Any], where: str) -> Capture:
    check_keys(item, FILE_KEYS, where)
    flows = tuple(_flow(flow, f"{where}.flows[{i}]") for i, flow in enumerate(item["flows"]))
    return Capture(
        path=folder / item["file"],
        name=item["file"].rsplit("/", 1)[-1],
        title=item.get("title", ""),
        first=float(item.get("first_packet_epoch", 0.0)),
        last=float(item.get("last_packet_epoch", 0.0)),
        flows=flows,
    )


def _flow(item: dict[str, Any], where: str) -> Flow:
    check_keys(item, FLOW_KEYS, where)
    directions: dict[str, dict[str, Any]] = item.get("directions", {})
    dead = frozenset(item.get("dead_directions", ()))
    window = item.get("window") or item.get("life") or [0.0, float("inf")]
    return Flow(
        client=item["client"],
        client_port=item["client_port"],
        server=item["server"],
        server_port=item["server_port"],
        kind=item["kind"],
        verdict=item["verdict"],
        acceptable=frozenset(item.get("acceptable_verdicts", [item["verdict"]])),
        truth=item.get("truth_verdict", item["verdict"]),
        window=(float(window[0]), float(window[1])),
        stall_class=item.get("stall_class"),
        acceptable_classes=frozenset(item.get("acceptable_classes", ())),
        onset=item.get("stall_onset_epoch"),
        onsets={name: d["stall_onset_epoch"] for name, d in directions.items() if d.get("stall_onset_epoch")},
        dead=dead,
        loss_sides={name: side for name in dead if (side := _loss_side(name, directions.get(name, {})))},
        outages=tuple(
            (gap["from_epoch"], gap["to_epoch"])
            for d in directions.values()
            for gap in d.get("transient_outages") or ()
        ),
        remark=str(item.get("remark", "")),
    )


def _loss_side(direction: str, measured: dict[str, Any]) -> frozenset[str]:
    """Where the first loss was, in the words of the event contract; empty when truth does not know."""
    loss = measured.get("first_unrecovered_loss") or {}
    relative = loss.get("relative_to_tap") or ()
    sides = set()
    near, far = ("client", "headend") if direction == "c2s" else ("headend", "client")
    for word in relative:
        # The other leg of a proxy carries another stream: no side of this one.
        if side := {"upstream_of_tap": near, "downstream_of_tap": far}.get(word):
            sides.add(side)
    if sides and loss.get("place") == "DEV":
        sides.add("device")
    return frozenset(sides)
