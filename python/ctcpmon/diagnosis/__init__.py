"""Findings to incidents, with words. Pure: no clock, no I/O, no engine import at run time."""

from ctcpmon.diagnosis.causes import CAUSES, Cause, cause_of
from ctcpmon.diagnosis.device import REFUSALS, device_words
from ctcpmon.diagnosis.grouping import IncidentBook, client_net
from ctcpmon.diagnosis.incident import SEVERITY_RANK, Change, Incident, Severity
from ctcpmon.diagnosis.wording import (
    duration,
    evidence_words,
    loss_words,
    percent,
    quantity,
    stopped_words,
)

__all__ = [
    "CAUSES",
    "REFUSALS",
    "SEVERITY_RANK",
    "Cause",
    "Change",
    "Incident",
    "IncidentBook",
    "Severity",
    "cause_of",
    "client_net",
    "device_words",
    "duration",
    "evidence_words",
    "loss_words",
    "percent",
    "quantity",
    "stopped_words",
]
