"""Findings to incidents, with words. Pure: no clock, no I/O, no engine import at run time."""

from ctcpmon.diagnosis.causes import CAUSES, Cause, cause_of
from ctcpmon.diagnosis.device import clock_words, device_words
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
    "SEVERITY_RANK",
    "Cause",
    "Change",
    "Incident",
    "IncidentBook",
    "Severity",
    "cause_of",
    "client_net",
    "clock_words",
    "device_words",
    "duration",
    "evidence_words",
    "loss_words",
    "percent",
    "quantity",
    "stopped_words",
]
