"""Native engine. Only ``ctcpmon.engine`` imports this module.

Units stand in every name: ``_ns`` nanoseconds (times since 1970, packet time),
``_ms``, ``_bytes``, ``_pkts``. ``None`` means not known, never zero.
Every object here is frozen; every call is safe from any thread and releases the
interpreter lock while it waits or works.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import final

from ctcpmon.diagnosis import Incident

__version__: str

DETECTORS: tuple[DetectorInfo, ...]
"""Every detector of this build, in evaluation order."""
EVIDENCE: tuple[EvidenceInfo, ...]
"""Every name that may stand in ``Evidence.name``."""
COUNTERS: tuple[CounterInfo, ...]
"""Every name in ``Stats.counters``, in output order."""

LINK_TYPES: tuple[tuple[int, str], ...]
"""Number (of capture files) and name of every link type that can be decoded, the usual ones first."""

def rfc3339(time_ns: int) -> str:
    """A packet time as events write it; beyond 64 bits the nearest that is not."""

def encode(event: dict[str, object]) -> bytes:
    """JSON of an event that Python made; a field that is None is left out. Numbers must be finite."""

class CaptureError(Exception):
    """An input could not be opened or holds no readable capture (nothing was analysed)."""

@final
class DetectorInfo:
    id: str  # "ctcp.stateful_drop"
    name: str  # "Stateful drop after loss"
    signature: str  # "S-b"
    severity: str  # "critical" | "warning" | "info"
    docs: str  # markdown in fixed sections
    thresholds: tuple[ThresholdInfo, ...]

@final
class ThresholdInfo:
    name: str
    value: float
    unit: str
    origin: str  # "measured: ...", "vendor: ...", "guess: ..."

@final
class EvidenceInfo:
    name: str
    unit: str  # "bytes" | "ms" | "pkts" | "pct" | "ratio" | "segments" | "count" | "flag" ...
    doc: str

@final
class CounterInfo:
    name: str
    doc: str

@final
class Evidence:
    name: str
    value: float
    unit: str
    ts_ns: int | None  # packet time the evidence belongs to
    packet: int | None  # 1-based number of the frame in the input, when one frame proves it

@final
class Direction:
    """What one side sent, as observed at the tap, and how the other side acknowledged it."""

    packets: int
    payload_bytes: int
    data_segments: int
    open_holes: int  # holes below the highest byte seen, not filled, older than the reorder window
    holes_total: int
    hole_bytes_total: int
    esp_received_pkts: int
    esp_missing_pkts: int
    esp_spi: int | None
    esp_seq: int | None  # highest ESP sequence number seen
    retransmissions: int
    reordered: int
    network_duplicates: int
    span_duplicates: int
    dup_acks: int  # duplicate ACKs the OTHER side sent for this data (RFC 5681 section 2)
    sack_segments: int
    zero_windows: int  # zero windows this side advertised
    unacked_bytes: int | None
    window_bytes: int | None  # last window the other side offered for this data, scaled when known
    ack_frozen_since_ns: int | None  # the other side's ACK stands still below data since then
    ack_rtt_us: int | None  # smoothed time from data at the tap to the ACK covering it
    first_ns: int | None
    last_ns: int | None
    last_data_ns: int | None
    ttl_data: int | None
    ttl_pure_ack: int | None
    ttl_handshake: int | None

@final
class Session:
    """One tunnel connection in one generation (a re-used 4-tuple is a new generation)."""

    id: str  # 12 hex digits, same for the same input on every machine
    generation: int
    protocol: str  # "ctcp" | "faketcp" | "iketcp" | "ike_tcp"
    product: str | None  # "udp2raw" | "phantun" | ... when the behaviour tells
    certainty: str  # "exact" | "loose" | "head" | "behaviour"
    client_ip: str
    client_net: str  # "10.1.4.0/24": the /24 of IPv4, the /64 of IPv6
    client_port: int
    headend_ip: str
    headend_port: int
    roles_known: bool  # False: client and headend are a guess from the ports
    state: str  # "healthy" | "at_risk" | "suspect" | "stalled" | "unknown"
    worst_state: str
    stalled_at_ns: int | None
    signature: str | None  # detector id of the first stall
    stopped_side: str | None  # "client" | "headend" | "both": whose data no longer get through
    loss_side: str | None  # "client" | "headend" (side of the tap) | "sender" | "device"
    confidence: float | None
    first_ns: int
    last_ns: int
    end_reason: str  # "" while open; "fin" | "rst" | "idle" | "reused" | "evicted" | "end_of_input"
    is_one_sided: bool
    is_midstream: bool
    is_cut: bool  # frames were cut so that trailers could not be read
    to_headend: Direction
    to_client: Direction
    initiator_cookie: str | None  # 16 hex digits
    responder_cookie: str | None
    ike_exchange: str | None  # "main" | "aggressive" | "informational" | "transaction" | "quick" | ...
    ike_messages: int
    keepalive_ms: int | None  # beat of a side that sends nothing else
    dpd_ms: int | None  # mean time between DPD requests
    vpn_group: str | None  # as the client named it in clear (aggressive mode); raw, clean before use
    vendors: tuple[str, ...]  # vendor IDs in clear, "cisco-unity" | "vpn3000-client" | ...
    linked_session: str | None  # earlier session with the same SPI or cookies (NAT rebinding, reconnect)
    tunnel_id: int
    taps: tuple[int, ...]
    community_id: str | None  # Community ID v1 of the ends; None when they are of different IP versions

@final
class EventLines:
    """Writes the events that come at the rate of flows: their one producer.

    ``ctcpmon.session.v1`` of sessions that ended, ``ctcpmon.finding.v1``.
    """

    def __init__(
        self,
        *,
        id_prefix: str,  # "<sensor>.<boot>."; all texts are written as they are, so they must be clean
        source: str,
        sensor: str,
        version: str,
        zones: Mapping[int, str],  # side of the device for each tap of a run with two
        phrases: Mapping[str, tuple[str, bool, str]],  # by evidence: before, number has its unit, behind
        clean_group: Callable[[str], str] | None = None,  # None: VPN groups are not shown
    ) -> None: ...
    def sessions(self, sessions: Sequence[Session], first: int) -> list[bytes]:
        """One line of JSON for each, without the newline. ``first`` is the number of the first event."""

    def finding(
        self,
        finding: Finding,
        number: int,
        *,
        reason: str,  # these texts are written as they are, too
        rule: bytes,  # JSON
        incident: str | None,
        fixes: Sequence[str],
    ) -> bytes:
        """The same for a finding."""

    def incident(
        self,
        incident: Incident,
        number: int,
        *,
        rule: bytes,  # JSON
        tap: int | None,  # of two, the one that saw its sessions
        timer: bytes | None,  # what the stops have in common, as JSON
        cycle: bytes | None,  # the reconnect cycles, as JSON
    ) -> bytes:
        """The same for an incident, whose attributes it reads."""

@final
class Finding:
    """A change of one detector's verdict on one session."""

    seq: int  # gap-free within one run
    ts_ns: int  # packet time of the judgement
    since_ns: int  # when what it describes began
    detector: str
    verdict: str  # "healthy" (it cleared) | "at_risk" | "suspect" | "stalled" | "unknown"
    confidence: float
    stopped_side: str | None
    loss_side: str | None
    evidence: tuple[Evidence, ...]
    measured: dict[str, float]  # values of ``evidence`` by name, made anew at each reading
    ruled_out: tuple[str, ...]  # look-alikes excluded, "slow_receiver: ...", stable words
    session: Session  # the session at that moment
    tap_gap_ratio: float | None  # estimated loss of the tap itself, 0..1; None: no ordinary TCP to measure by

@final
class DeviceDirection:
    """What went into the device between two taps in one direction, and what came out (ESP packets)."""

    entered_pkts: int  # seen at the tap before the device
    left_pkts: int  # seen at the tap behind it
    matched_pkts: int  # seen at both
    lost_pkts: int  # entered and did not leave within 10 s
    appeared_pkts: int  # left and never seen entering: the tap before the device missed them
    undecided_pkts: int  # entered too near to an end of the capture behind the device to tell
    overdue_pkts: int  # of these: due for more than a second when the input ended
    repeated_pkts: int  # seen again at one tap
    recut_pkts: int  # left in a TCP segment of another length than they entered in
    verdict: (
        str  # "undecided" | "forwarded" | "held" | "overdue" | "recut" | "lossy" | "interrupted" | "stopped"
    )
    confidence: float
    stopped_at_ns: int | None  # by the clock of the tap before the device
    stopped_esp_seq: int | None  # first packet of the stop
    stopped_pkts: int | None  # packets lost in the stop
    outages: int  # stops that ended again
    resumed_by_ns: int | None
    first_lost_ns: int | None
    first_lost_spi: int | None
    first_lost_esp_seq: int | None
    last_lost_ns: int | None
    last_lost_spi: int | None
    last_lost_esp_seq: int | None
    delay_min_ns: int | None  # through the device; None when the clocks do not allow it
    delay_median_ns: int | None
    delay_p95_ns: int | None
    delay_max_ns: int | None
    delay_spread_ns: int | None  # longest minus shortest: needs no clock offset

@final
class DevicePair:
    """One session seen at both taps."""

    client_session: str  # session id at the client-side tap
    headend_session: str  # session id at the headend-side tap
    client_ip: str  # as the client-side tap sees it
    client_port: int
    headend_ip: str
    headend_port: int
    translated_client_ip: str  # as the headend-side tap sees it
    translated_client_port: int
    translated_headend_ip: str
    translated_headend_port: int
    verdict: str  # that of the worse direction
    confidence: float
    stopped_side: str | None  # "client" | "headend" | "both": whose data the device stopped forwarding
    loss_side: str | None  # "device" when packets were lost inside
    to_headend: DeviceDirection
    to_client: DeviceDirection
    clock_offset_ns: int | None  # clock of the headend-side tap minus that of the client-side tap
    clock_uncertainty_ns: int | None
    delay_refused: str | None  # why no delay is stated; a key of ctcpmon.diagnosis.device.REFUSALS
    client_tap_missed_pkts: int  # over all sessions
    headend_tap_missed_pkts: int
    first_ns: int
    last_ns: int
    ts_ns: int  # packet time of this report
    is_final: bool  # False: the verdict changed while the session goes on

@final
class Batch:
    """Findings come before the sessions of the same batch: it ends where a finding would follow."""

    findings: tuple[Finding, ...]
    sessions: tuple[Session, ...]  # sessions that ended, each once
    devices: tuple[DevicePair, ...]  # of a run with two taps; after the sessions of the same batch
    more: bool  # more items wait right now
    done: bool  # input ended and everything was handed over

@final
class Note:
    """A remark about one input: it was cut off, a block was skipped, times ran backwards."""

    input: str
    kind: str  # "truncated" | "corrupt" | "skipped" | "clock" | "unsupported" | "interface_drops"
    offset: int | None  # byte offset in the (decompressed) input
    text: str

@final
class Held:
    """A session of which something is held now: a measurement, no verdict. It is gone when data go on."""

    id: str
    generation: int
    client_ip: str
    client_port: int
    headend_ip: str
    headend_port: int
    kind: str  # "ack_stands" | "fell_silent" | "copies_stopped"
    sender: str  # "client" | "headend": whose data are sent on
    since_ns: int
    now_ns: int  # when it was measured
    age_ms: int  # of the freeze, the silence, the time without copies
    patience_ms: int  # at this age it is called a stall, if it lasts
    segments: int  # of data, sent since
    ack: int | None  # where the ACK stands; None for a silence
    usual_gap_ms: int  # longest pause of the silent side before; 0 for an ACK

@final
class Stats:
    packets: int
    tcp_packets: int
    tcp_conversations: int
    flows_current: int
    sessions_current: int
    sessions_by_state: dict[str, int]
    counters: dict[str, int]  # every COUNTERS name, zero included; filter_rejected_packets with a filter
    tap_gap_ratio: float | None
    first_ns: int | None
    last_ns: int | None
    # Packet time, packets and segments missed by the tap until then: a few points of a run with one tap.
    rhythm: list[tuple[int, int, int]]
    bytes_read: int  # of the inputs as stored (compressed bytes of compressed files)
    bytes_total: int | None  # None for a pipe
    notes: tuple[Note, ...]
    held: tuple[Held, ...]  # what is held now, longest first
    held_is_full: bool  # perhaps there are more
    ports: tuple[LivePort, ...]  # interfaces of a live run; empty for captures
    matching: dict[str, int] | None  # counters of the matcher of two taps; None with one tap
    done: bool

@final
class Interface:
    """An interface of this machine."""

    name: str
    index: int
    state: str  # up, down, unknown, ...
    mtu: int
    speed_mbit: int | None
    driver: str | None
    received: int  # frames since it was made
    sent: int
    dropped: int  # by driver or card
    merging: list[str]  # offloads that merge segments before they are seen: "GRO", "LRO"
    link_type: int | None  # of capture files; None: its frames cannot be decoded

@final
class LivePort:
    """An interface of a live run; frames since the start."""

    name: str
    received: int  # by the kernel behind the filter, dropped ones among them
    dropped: int  # by the kernel: the ring was full
    freezes: int  # times the ring was full
    taken: int  # handed to the engine
    driver_dropped: int  # by driver or card
    is_down: bool
    downs: int  # times it went down, or away
    merging: list[str]  # offloads that merged segments before they were seen, when it was opened

@final
class Confined:
    """What is in force to confine a process."""

    in_force: list[str]  # of "Landlock", "seccomp"
    missing: list[str]  # what is not, a sentence each

def try_confine() -> Confined:
    """What this machine would put in force; it is tried on a thread that ends at once."""

def interfaces() -> tuple[Interface, ...]:
    """The interfaces of this machine, in the order of their numbers."""

@final
class Sliced:
    """What was written into a slice."""

    frames: int
    remarks: int
    unplaced: int  # remarks that found no packet
    before: int  # packets left out before the first one written: there were more than asked for
    behind: int  # packets left out behind the last one written
    numbers: tuple[int, ...]  # with ``most``, of captures: of each packet its number in the input, from 1

def slice_captures(
    paths: Sequence[str],
    out: str | None,  # a file that is there; None: standard output
    wanted: Sequence[tuple[str, int, str, int, int, int]],  # client, port, headend, port, first and last ns
    marks: Sequence[tuple[int, int, str | None, str, str]],  # index in wanted, ns, sending side, sign, text
    *,
    about: Sequence[str],  # comments on the whole; all texts are written as they are, so they must be clean
    application: str,
) -> Sliced:
    """Reads captures once and writes the packets of the sessions as an annotated pcapng.

    A mark goes onto the first packet of its session at or after its time that comes from its side and shows
    its sign: "any" | "data" | "beyond" | "again" | "repeat" | "close" | "zero_window". Link types, interface
    names, times and lengths stay. Raises CaptureError for an input, OSError for the output.
    """

def slice_bytes(
    paths: Sequence[str],
    wanted: Sequence[tuple[str, int, str, int, int, int]],
    marks: Sequence[tuple[int, int, str | None, str, str]],
    *,
    about: Sequence[str],
    application: str,
    most: tuple[int, int, int],  # a time, ns: packets around it; most packets; most bytes
    goes_on: Callable[[], bool],  # asked ten times a second
) -> tuple[bytes, Sliced] | None:
    """The same into memory, of no more than asked for. None once ``goes_on`` says no."""

@final
class Drawing:
    """What one side sent in a window of time, and what came back for it, in so many columns.

    Numbers are relative to the start of the side that is drawn. What lies in one column is merged where it
    touches; the extremes and whatever is rare stay.
    """

    spans: tuple[tuple[int, int, int, str, int], ...]  # ns, low, high, "data" | "again" | "late", packets
    acks: tuple[tuple[int, int, int, int], ...]  # ns, ack, end of the window offered, duplicate ACKs
    bands: tuple[tuple[int, int, int], ...]  # SACK blocks: ns, left, right
    # Missing bytes: since ns, until ns or None, from, to, "open" | "filled" | "passed" (acknowledged beyond)
    holes: tuple[tuple[int, int | None, int, int, str], ...]
    # ns, seq, "syn" | "fin" | "reset" | "reset_by_other" | "zero_window", packets
    events: tuple[tuple[int, int, str, int], ...]
    merged: int  # things for which there was no room of their own

@final
class Packet:
    """One packet of a series; numbers are relative, as in tshark."""

    index: int  # place in the slice, from 0
    ts_ns: int
    side: str  # "client" | "headend": who sent it
    seq: int
    length: int  # bytes of payload
    ack: int | None
    window: int  # scaled when that is known
    # "syn" | "fin" | "rst" | "data" | "again" | "late" | "beyond" | "duplicate_ack" | "zero_window" | "copy"
    marks: tuple[str, ...]
    sack: tuple[tuple[int, int], ...]

@final
class Series:
    """The packets of one session as points of a time-sequence graph. Raises CaptureError."""

    count: int
    left_out: int  # packets and holes for which there was no room
    first_ns: int | None
    last_ns: int | None

    def __init__(self, capture: bytes, client: tuple[str, int], headend: tuple[str, int]) -> None: ...
    def drawing(self, side: str, from_ns: int, until_ns: int, columns: int) -> Drawing:
        """One direction, named by who sends, between two times, both included."""
    def packet(self, place: int) -> Packet:
        """By its place, from 0. Raises IndexError."""
    def place_at(self, ts_ns: int) -> int:
        """Place of the first packet at or after a time; of the last one when there is none."""

@final
class SessionWindow:
    """Some rows of the list of tunnel sessions."""

    total: int  # sessions there are
    matching: int  # of those, in the list
    offset: int  # position of the first row
    anchor_at: int | None  # position of the anchor, if it is in the list
    progress: float | None  # 0 to 1, while there is no list yet
    age_s: float  # of the order
    ids: list[str]
    sessions: tuple[Session | None, ...]  # None: ended since the order was made

@final
class FlowWindow:
    """Some rows of the list of TCP conversations: a list for each column. Pairs are client, then server."""

    total: int
    matching: int
    offset: int
    anchor_at: int | None
    progress: float | None
    age_s: float
    ids: list[str]
    clients: list[tuple[str, int]]
    servers: list[tuple[str, int]]
    opener_known: list[bool]  # False: the lower port is taken for the server's
    states: list[str]  # "open" | "opening" | "one_way" | "closed"
    packets: list[tuple[int, int]]
    payload_bytes: list[tuple[int, int]]  # of the streams, each byte once
    retransmissions: list[int]  # at most 65,535, as the next three
    dup_acks: list[int]
    zero_windows: list[int]
    missing: list[int]  # segments that the tap missed; 0 of a tunnel
    first_ns: list[int]
    last_ns: list[int]  # to a second
    sessions: list[tuple[str, int] | None]  # id and generation of the tunnel session in it

class Replay:
    """Reads captures on a thread of its own and judges the sessions in them."""

    confined: Confined | None  # what confines a live run; None in any other

    def __init__(
        self,
        paths: Sequence[str],  # "-" is standard input
        *,
        max_flow_mib: int = 256,
        max_sessions: int = 100_000,
        batch_frames: int = 0,  # 0: default; changes nothing but speed
        max_pending: int = 10_000,  # items waiting for poll(); the reader pauses when full
        speed: float = 0.0,  # 0: as fast as possible; 1.0: at the pace of the capture
        taps: Sequence[str] | None = None,  # "client" | "headend" for each path: two taps around a device
        # Classic BPF (code, jt, jf, k) by link type; a packet must pass. ValueError: a program is faulty.
        filters: Sequence[tuple[int, Sequence[tuple[int, int, int, int]]]] | None = None,
        keep_mib: int = 0,  # memory for recent frames of tunnel sessions, see slice(); 0: none are kept
        # The path is being written: a file, a folder, or a folder and a pattern. stop() then ends the intake,
        # and what is written by then is still read and judged. Notes come in stats() as they are made.
        is_followed: bool = False,
        idle_s: float | None = None,  # a followed path ends when nothing was written for so long
        keeps_flows: bool = False,  # list_flows() goes on answering after the end of the input
        is_paused: bool = False,  # held before its first packet
    ) -> None: ...
    @staticmethod
    def live(
        interfaces: Sequence[str],
        *,
        ring_mib: int = 64,  # of all rings together
        rings: int = 1,  # and threads, for each interface
        is_promiscuous: bool = True,
        # Classic BPF (code, jt, jf, k) by link type; the kernel hands over what passes.
        filters: Sequence[tuple[int, Sequence[tuple[int, int, int, int]]]] = ...,
        account: tuple[int, int] | None = None,  # user and group to go on as
        max_flow_mib: int = 256,
        max_sessions: int = 100_000,
        max_pending: int = 10_000,
        keep_mib: int = 0,  # memory for recent frames of tunnel sessions, see slice(); 0: none are kept
        # Folders and files to write to, TCP ports to connect to (None: anything), whether programs are
        # started: the process is confined to that. None: it is not confined.
        needs: tuple[Sequence[str] | None, Sequence[int] | None, bool] | None = None,
        # Switches GRO and LRO off first; a child puts them back when this process ends, however it ends.
        is_offload_off: bool = False,
    ) -> Replay:
        """Opens rings on the caller's thread, gives up every right, confines the process, and captures.

        Raises PermissionError without the right to capture, CaptureError for an interface that cannot be
        captured, OSError when a right cannot be given up. stop() ends the intake; what was received is
        still judged.
        """
    def poll(self, timeout_ms: int, max_items: int = 1_000) -> Batch:
        """Waits at most ``timeout_ms`` for findings or ended sessions. Raises KeyboardInterrupt on Ctrl-C.

        Reading a file on two processors, the calling thread waits off the engine's; when this returns it may
        run where it might before.
        """
    def stats(self) -> Stats: ...
    def snapshot(
        self, *, limit: int = 500, offset: int = 0, state: str | None = None, order: str = "worst"
    ) -> tuple[Session, ...]:
        """Live sessions, chosen, sorted and cut in Rust. ``order``: "worst" | "recent" | "key"."""
    def list_sessions(
        self,
        ended: Sequence[Session] = ...,  # kept elsewhere, and to be listed too
        *,
        order: str = "worst",
        is_reversed: bool = False,
        terms: Sequence[tuple[str, str, bool, Sequence[str]]] = ...,
        offset: int = 0,
        height: int = 50,
        anchor: str | None = None,
        line: int = 0,
    ) -> SessionWindow:
        """``height`` sessions from position ``offset`` on, of those that match all ``terms``.

        With ``anchor``, the id of a session in the list, the window is the one in which that session
        stands in line ``line``. A term is a field, a relation (= < <= > >=), whether it is negated, and
        values of which one is enough. Orders: worst, stalled, age, idle, client, headend, packets, bytes,
        retransmissions, dup_acks, zero_windows, missing, holes. Raises ValueError for what is none of these.
        """
    def list_flows(
        self,
        *,
        order: str = "bytes",
        is_reversed: bool = False,
        terms: Sequence[tuple[str, str, bool, Sequence[str]]] = ...,
        offset: int = 0,
        height: int = 50,
        anchor: str | None = None,
        line: int = 0,
    ) -> FlowWindow:
        """The same over every TCP conversation; of a replay also after its end (``keeps_flows``).

        Returns at once: while the table is looked at for the first time there are no rows, and ``progress``
        says how far it is. The order is up to some seconds old, the numbers are of now.
        """
    def session(self, session_id: str) -> Session | None: ...
    def slice(
        self,
        session_ids: Sequence[str],
        wanted: Sequence[tuple[str, int, str, int, int, int]],
        marks: Sequence[tuple[int, int, str | None, str, str]],
        *,
        about: Sequence[str],
        application: str,
        most: tuple[int, int, int] | None = None,  # as for slice_bytes
    ) -> tuple[bytes, Sliced]:
        """What is kept of the frames of these sessions as pcapng, also after the end of the run.

        A session begins with the frame by which it was recognised. The rest as for slice_captures.
        """
    def set_speed(self, speed: float) -> None: ...
    def set_paused(self, paused: bool) -> None: ...
    is_paused: bool
    def step(self, seconds: float) -> None:
        """Of captures: reads so much packet time, at least one packet, as fast as possible; then pauses."""
    def until_finding(self) -> None:
        """Of captures: reads up to the next finding, as fast as possible; then pauses."""
    def stop(self) -> None:
        """Ends the reading; poll() then hands over the rest and reports done."""
