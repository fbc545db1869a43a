"""S-f: IKE requests repeat and nobody answers."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.ike_unanswered",
    signature="S-f",
    family="control",
    title="IKE unanswered",
    what="IKE requests repeat, no answer",
    story=("One side repeats IKE messages (most likely dead peer detection) and no IKE message comes back."),
    why=(
        "Either the requests or the answers do not pass a device on the path, or the headend no "
        "longer serves this session. When the peer timeout ends (90 s by default in the client "
        "profile) the client closes the tunnel."
    ),
    otherwise=(
        "a headend that is down or out of memory: then several clients of it show the same at once",
        "a one-way tap: the answers exist but are not visible",
        "deletes at logout need no answer; they do not repeat",
    ),
    limits="The messages are encrypted: size, direction and rhythm are visible, the content is not.",
)
