"""Findings to incidents, with words. Pure: no clock, no I/O, no engine import at run time.

What a plain run does not need (words about devices and proofs) is loaded on first use.
"""

from ctcpmon.diagnosis.causes import CAUSES, Cause, cause_of
from ctcpmon.diagnosis.device_timer import DeviceTimer
from ctcpmon.diagnosis.grouping import IncidentBook
from ctcpmon.diagnosis.incident import SEVERITY_RANK, Incident, Remark
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
from ctcpmon.lazily import from_homes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctcpmon.diagnosis.device import REFUSALS, device_words
    from ctcpmon.diagnosis.grouping import FixChooser as FixChooser
    from ctcpmon.diagnosis.incident import Change as Change
    from ctcpmon.diagnosis.incident import CloseReason as CloseReason
    from ctcpmon.diagnosis.incident import Severity as Severity
    from ctcpmon.diagnosis.proof import VERDICT_WORDS, PacketRemark, proof_of, verdict_words

__all__ = [
    "CAUSES",
    "OUTAGE_RULE",
    "REFUSALS",
    "SEVERITY_RANK",
    "VERDICT_WORDS",
    "Cause",
    "Cycle",
    "DeviceTimer",
    "Incident",
    "IncidentBook",
    "PacketRemark",
    "Remark",
    "cause_of",
    "device_words",
    "duration",
    "evidence_words",
    "loss_words",
    "percent",
    "proof_of",
    "quantity",
    "silence_words",
    "stopped_words",
    "verdict_words",
]

__getattr__ = from_homes(
    __name__,
    {
        "REFUSALS": "device",
        "device_words": "device",
        "VERDICT_WORDS": "proof",
        "PacketRemark": "proof",
        "proof_of": "proof",
        "verdict_words": "proof",
    },
)
