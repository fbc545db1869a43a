"""What ctcpmon says about one capture, read from the JSON lines that a user gets."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

OK = {0, 4}
"""Exit codes that give a result: finished, and finished with an input that was cut off."""


@dataclass
class Session:
    """One reported session with its findings."""

    ends: tuple[str, int, str, int]
    protocol: str
    first: float
    last: float
    state: str
    worst: str
    signature: str | None
    stopped: str | None
    loss_side: str | None
    stalled_at: float | None
    confidence: float | None
    raised: float | None = None
    """Packet time of the first finding that says *stalled*, epoch seconds."""
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The answer that counts: stalled when it ever was called so, the last state otherwise."""
        return "stalled" if self.worst == "stalled" else self.state


@dataclass(frozen=True)
class Report:
    """Everything about one capture."""

    sessions: list[Session]
    stats: dict[str, Any]
    raw: bytes


def epoch(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time in UTC."""
    return datetime.fromisoformat(text).timestamp()


def replay(paths: list[Path], *options: str, timeout: float = 600.0) -> Report:
    """Runs ``ctcpmon replay`` and reads what it writes."""
    words = [sys.executable, "-m", "ctcpmon", "replay", "-o", "jsonl", *options, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, check=False, timeout=timeout)
    if done.returncode not in OK:
        raise RuntimeError(f"{words}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return parse(done.stdout)


def parse(raw: bytes) -> Report:
    """JSON lines to a report."""
    findings: dict[str, list[dict[str, Any]]] = {}
    sessions: list[Session] = []
    stats: dict[str, Any] = {}
    for line in raw.splitlines():
        event = json.loads(line)
        data = event["data"]
        match event["type"]:
            case "ctcpmon.finding.v1":
                findings.setdefault(data["ctcp"]["session"], []).append(event)
            case "ctcpmon.session.v1":
                mine = findings.get(data["ctcp"]["session"], [])
                sessions.append(_session(data, mine))
            case "ctcpmon.stats.v1":
                stats = data
    return Report(sessions, stats, raw)


def _session(data: dict[str, Any], findings: list[dict[str, Any]]) -> Session:
    ctcp, source, destination = data["ctcp"], data["source"], data["destination"]
    stalls = [epoch(f["time"]) for f in findings if f["data"]["ctcp"]["verdict"] == "stalled"]
    return Session(
        ends=(source["ip"], source["port"], destination["ip"], destination["port"]),
        protocol=data["network"]["protocol"],
        first=epoch(data["event"]["start"]),
        last=epoch(data["event"]["end"]),
        state=ctcp["state"],
        worst=ctcp["worst_state"],
        signature=ctcp.get("signature"),
        stopped=ctcp.get("stopped_side"),
        loss_side=ctcp.get("loss_side"),
        stalled_at=epoch(ctcp["stalled_at"]) if "stalled_at" in ctcp else None,
        confidence=ctcp.get("confidence"),
        raised=min(stalls, default=None),
        findings=findings,
    )
