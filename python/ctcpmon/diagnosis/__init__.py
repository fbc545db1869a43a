"""Findings to incidents, with words. Pure: no clock, no I/O, no engine import at run time."""

from ctcpmon.diagnosis.causes import CAUSES, Cause, cause_of
from ctcpmon.diagnosis.device import REFUSALS, device_words
from ctcpmon.diagnosis.device_timer import DeviceTimer
from ctcpmon.diagnosis.grouping import FixChooser, IncidentBook
from ctcpmon.diagnosis.incident import SEVERITY_RANK, Change, CloseReason, Incident, Remark, Severity
from ctcpmon.diagnosis.open_incident import client_net
from ctcpmon.diagnosis.outage import RULE as OUTAGE_RULE
from ctcpmon.diagnosis.reconnects import Cycle
from ctcpmon.diagnosis.wording import (
    duration,
    evidence_words,
    loss_words,
    percent,
    quantity,
    silence_words,
    stopped_words,
)

__all__ = [
    "CAUSES",
    "OUTAGE_RULE",
    "REFUSALS",
    "SEVERITY_RANK",
    "Cause",
    "Change",
    "CloseReason",
    "Cycle",
    "DeviceTimer",
    "FixChooser",
    "Incident",
    "IncidentBook",
    "Remark",
    "Severity",
    "cause_of",
    "client_net",
    "device_words",
    "duration",
    "evidence_words",
    "loss_words",
    "percent",
    "quantity",
    "silence_words",
    "stopped_words",
]
