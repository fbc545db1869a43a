"""S-a: a lost segment that nobody resends, while the stream is alive."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.unfilled_hole",
    signature="S-a",
    family="loss",
    title="Hole never filled",
    what="lost segment never resent, stream still alive",
    story=(
        "A segment of the tunnel was lost and was not sent again. Both directions still move, "
        "so users notice nothing yet."
    ),
    why=(
        "The sender of such a tunnel never retransmits: it writes IPsec packets behind a TCP "
        "header and leaves recovery to the traffic inside. Every device on the path that keeps "
        "real TCP state now waits for a segment that will never come. The next such loss may "
        "stop the session."
    ),
    otherwise=(
        "loss at the tap itself: ordinary TCP on the same tap would then show ACKs for data never seen",
        "reordering: the hole would have closed within the reorder window",
        "a policer on the ESP side: the ESP sequence would have a gap without a hole in TCP",
    ),
    limits="Loss behind the tap is invisible in TCP when the receiver acknowledges the highest byte.",
)
