"""Window overrun: more data in flight than the receiver's window allows, without any loss."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.window_overrun",
    signature="S-a",
    family="window",
    title="Window overrun",
    what="one-way burst beyond the TCP window",
    story=(
        "One side has sent more unacknowledged bytes than the window the other side offered. "
        "The tunnel endpoints do not care, but a strict state tracker does."
    ),
    why=(
        "The fake TCP of the tunnel has no flow control and acknowledges only on data of the "
        "other direction. A long one-way transfer therefore leaves the window that devices "
        "with sequence checking enforce (ASA counter tcp-seq-past-win, Linux conntrack "
        "'SEQ over upper bound'). They drop or mark every further segment."
    ),
    otherwise=(
        "a window scale agreed in a handshake that the tap did not see: the true window is larger",
        "a tap that misses the reverse direction: its acknowledgements exist but are not visible",
    ),
    limits="Without the SYN segments the window scale is not known and taken as none.",
)
