"""S-b: an inspection engine holds everything behind a hole."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.inspection_queue_freeze",
    signature="S-b",
    family="loss",
    title="Inspection holds everything behind a hole",
    what="lost segment never resent, inspection holds all behind it",
    story=(
        "After a segment was lost, nothing of what the sender goes on to send arrives any more: the ACK "
        "of the other side stands at the hole for longer than any release timer. The session is dead "
        "for its user."
    ),
    why=(
        "An inspection engine puts segments in order before it looks at them. The tunnel never resends "
        "the lost one, so the engine holds what follows and then drops it: an ASA with inspection or IPS "
        "after 3 segments or 4 s, IOS after 16 segments or 5 s, Palo Alto after 64 segments."
    ),
    otherwise=(
        "a receiver whose ACK never steps over a hole although data arrive: its DPD answers, or its empty "
        "ACKs, would go on as before",
        "a path that is out for a moment: the ACK would jump to the newest byte when it is back",
        "a firewall that tracks the window: data would pass until two windows lie beyond the ACK",
    ),
    limits=(
        "From one tap the freeze is the same whether the engine sits near the tap or far behind it; a second "
        "tap behind it, or its own drop counters, prove it."
    ),
)
