"""S-b: a device that keeps TCP state drops the stream after a hole or an overrun."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.stateful_drop",
    signature="S-b",
    family="loss",
    title="Stateful drop after loss",
    what="lost segment never resent, a device holds the stream",
    story=(
        "After a segment was lost (or the window was overrun), data of one direction no longer get "
        "through although the sender goes on. The session is dead for its user."
    ),
    why=(
        "A device on the path keeps real TCP state and waits for the missing segment. The tunnel "
        "never resends it, so the device drops what follows: an ASA with inspection after a few "
        "segments or 4 s, IOS after 16 segments or 5 s, Linux conntrack at the first segment "
        "outside the window."
    ),
    otherwise=(
        "the sender went away: then both directions would have stopped at once",
        "a slow receiver: its ACK would stand at the highest byte, without a hole, and the sender would stop",
        "a one-way SPAN session: the quiet direction would never have been seen at all",
    ),
    limits=(
        "Which device it is cannot be read from one tap; a second tap behind it, or its own drop "
        "counters, prove it."
    ),
)
