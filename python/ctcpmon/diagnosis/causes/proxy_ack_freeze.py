"""S-c: a real TCP implementation on the path answers, and waits at the hole."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.proxy_ack_freeze",
    signature="S-c",
    family="proxy",
    title="Proxy froze the ACK",
    what="a proxy froze the ACK at the hole",
    story=(
        "Acknowledgements repeat the same number at the left edge of a hole while the sender goes "
        "on. The endpoints of such a tunnel do not do that: something between them runs a real TCP."
    ),
    why=(
        "A proxy, load balancer, IPS or inspection engine terminates the TCP connection. It may pass "
        "data only in order, holds everything behind the hole, asks again and again for the missing "
        "segment, and closes its window when its buffer is full."
    ),
    otherwise=(
        "a tunnel endpoint with a real TCP stack: then lost segments of this flow would be retransmitted",
        "a slow receiver: no hole, and the sender would stop",
        "TCP keepalive probes: they repeat an ACK without new data from the sender",
    ),
    limits="The side where the answers come from is known; the make of the device is not.",
)
