"""S-e: a side that was regular falls silent without a close."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.silent_death",
    signature="S-e",
    family="loss",
    title="Silent death",
    what="one side fell silent, no close seen",
    story=(
        "A side that used to be regular sends nothing any more, for longer than its habit allows, while "
        "the other side goes on and gets no acknowledgement. No FIN or RST was seen."
    ),
    why=(
        "Either a device in front of the tap drops that side's packets without telling anyone (after a "
        "loss, a failover or a timeout), or that side is gone. A loss shortly before the silence speaks "
        "for the device."
    ),
    otherwise=(
        "the silent side was suspended, lost its radio, crashed or was switched off",
        "a headend that crashed: then all its clients lose it within seconds",
        "a reroute around the tap: the session lives on elsewhere",
        "the tap or SPAN session stopped: then other flows would be silent too",
    ),
    limits="Silence proves that packets do not pass the tap, not which device is the reason.",
)
