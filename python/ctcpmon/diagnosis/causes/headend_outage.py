"""Several clients of one headend lose it together: named for a group, no detector raises it."""

from ctcpmon.diagnosis.causes.cause import Cause

CAUSE = Cause(
    detector="ctcp.headend_outage",
    signature="S-e",
    family="outage",
    title="Headend-wide outage",
    what="headend or the device in front of it went away",
    story=(
        "Several clients of one headend lost it within seconds of each other, and no lost segment came "
        "before. Their sessions died together, so no single stream is at fault."
    ),
    why=(
        "The headend crashed, restarted or ran out of memory, its uplink failed, or a firewall in front of "
        "it lost its state table (restart, failover, flush). An exemption for one stream changes nothing."
    ),
    otherwise=(
        "all these clients sit behind one device of their own (one client network): then look at that device",
        "the tap or SPAN session stopped for this direction: then other traffic of the headend is gone too",
        "clients that left at the same hour: their sessions would end one by one, not within seconds",
    ),
    limits=(
        "Only sessions that fell silent or ended are known here; sessions of the same headend that go on "
        "unharmed take the name back when they end."
    ),
)
