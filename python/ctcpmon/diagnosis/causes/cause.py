"""The form of a cause: words about one detector's verdict. No logic beyond the two properties."""

from __future__ import annotations

from ctcpmon.records import Record

__all__ = ["Cause"]


class Cause(Record, frozen=True):
    """What one detector's verdict means, in the words that reach a person."""

    detector: str
    """Detector id of the engine, ``ctcp.stateful_drop``."""
    signature: str
    """Label used in the documentation and the Cisco note discussion, ``S-b``."""
    family: str
    """Incidents of one family on one path have one cause and are shown as one."""
    title: str
    """Three to six words, the name of the fault."""
    what: str
    """What happened, one short line for the incident list (at most 60 cells)."""
    story: str
    """What happened, whole sentences."""
    why: str
    """Why a device on the path does that."""
    otherwise: tuple[str, ...]
    """What else it could be, and how to tell."""
    limits: str = ""
    """What cannot be known from this tap."""
