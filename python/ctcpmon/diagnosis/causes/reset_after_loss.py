"""S-d: the connection is torn down after a stall, often again and again."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.reset_after_loss",
    signature="S-d",
    family="loss",
    title="Reset after loss",
    what="session torn down after a loss",
    story=(
        "While acknowledgements stood still below data, the connection was ended by RST or FIN, or one "
        "side still sends data after it. Users see the VPN drop and come back."
    ),
    why=(
        "A firewall that rejects answers a packet it calls invalid with a RST to its sender only; the "
        "other end hears nothing. A proxy closes both legs when its timer runs out, and the client "
        "gives up when dead peer detection fires (90 s by default in its profile). The next session "
        "runs until the next lost segment."
    ),
    otherwise=(
        "a timer (idle, rekey, maximum connect time): lifetimes would be equal, whatever the loss",
        "a normal logout: an IKE delete would stand just before the end",
        "NAT rebinding: the same SPI would go on under the new port",
    ),
    limits="An RST may be forged by a device on the path; its TTL and sequence are compared, not proven.",
)
