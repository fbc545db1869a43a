"""Saves the packets of new critical incidents of a running capture, one slice for each.

Bounded in files and bytes. A slice that cannot be written is said once; the run goes on.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ctcpmon.diagnosis import SEVERITY_RANK
from ctcpmon.errors import SettingsError
from ctcpmon.narration import say
from ctcpmon.slicing import Case, order_of, slice_kept
from ctcpmon.text import clean
from ctcpmon.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ctcpmon.diagnosis import Incident
    from ctcpmon.engine import Finding, Replay
    from ctcpmon.pipeline import Item

__all__ = ["MAX_BYTES", "MAX_FILES", "SliceSaver"]

MAX_FILES = 200
"""Slices of one run (guess: more critical incidents than anybody looks at)."""
MAX_BYTES = 1 << 30
"""Of all slices of one run together (guess: what any disk has to spare)."""
_IDS = re.compile(r"[0-9a-z-]{1,40}")


class SliceSaver:
    """Writes slices into ``folder``, which must be there."""

    def __init__(self, folder: str, replay: Replay, say: Callable[[str], None] = say) -> None:
        """``say`` gets a line for each slice.

        Raises ``SettingsError`` when this process may not write there.
        """
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):  # noqa: PTH112 beside access
            message = f"slices cannot be saved in {clean(folder)!r}: no folder that this user may write to"
            raise SettingsError(message)
        self._folder = Path(folder)
        self._replay, self._say = replay, say
        self._seen: set[str] = set()
        self._last: tuple[str, Finding] | None = None
        self._bytes = 0
        self._has_complained = False
        self.saved = 0

    def look(self, items: Iterable[Item]) -> None:
        """Looks at items of the run; the first that makes an incident critical saves its lead session."""
        for item in items:
            if item.finding is not None:
                self._last = (item.id, item.finding)
            if item.incident is not None:
                self._take(item.incident)

    def saw(self, changed: Iterable[Incident]) -> None:
        """The same in a run without events: findings have no ids there, so that of the incident is used."""
        for incident in changed:
            self._take(incident)

    def _take(self, incident: Incident) -> None:
        if incident.id in self._seen:
            return
        if SEVERITY_RANK[incident.worst_severity] < SEVERITY_RANK["critical"]:
            return
        if len(self._seen) >= MAX_FILES or self._bytes >= MAX_BYTES:
            self._complain(f"no more slices are saved: {len(self._seen)} files, {self._bytes:,} bytes")
            return
        self._seen.add(incident.id)
        try:
            self._save(incident)
        except OSError as error:
            self._complain(f"no slice of {incident.id}: {error.strerror or error}")

    def _save(self, incident: Incident) -> None:
        lead = incident.lead
        # The finding that changed an incident comes just before it.
        event_id = incident.id if self._last is None or self._last[1] is not lead else self._last[0]
        case = Case(lead.session, [(event_id, lead)])
        order = order_of([case], f"incident {incident.id}: {incident.what}")
        data, sliced = slice_kept(self._replay, [case], order)
        if not sliced.frames:
            self._complain(f"no slice of {incident.id}: its packets are not kept any more (--keep-mib)")
            return
        name = f"{incident.id}-{lead.session.id}.pcapng"
        if not _IDS.fullmatch(incident.id) or not _IDS.fullmatch(lead.session.id):
            return
        path = self._folder / name
        with whole_file(str(path)) as part:
            Path(part).write_bytes(data)
        self.saved += 1
        self._bytes += len(data)
        self._say(f"saved {clean(str(path), 200)}: {sliced.frames:,} packets, {sliced.remarks} comments")

    def _complain(self, text: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._say(text)
