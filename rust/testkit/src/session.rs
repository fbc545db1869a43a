//! One emulated cTCP session: who sends what when, and how the ends acknowledge.

use crate::packet::End;
use crate::path::Path;

/// How an endpoint acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckHabit {
    /// The highest byte received: steps over a hole.
    Highest,
    /// Stands at the first hole for ever.
    Frozen,
}

/// What the segments look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// Cisco cTCP: IKE, then ESP, each with a trailer.
    Ctcp,
    /// udp2raw in faketcp mode, sequence mode 3: a sender that gets three equal ACKs sets
    /// its sequence number back and sends other bytes there.
    Udp2raw,
    /// phantun: SYN with number 0, constant window, no options behind it.
    Phantun,
}

/// Data of one direction.
#[derive(Clone, Debug)]
pub struct Stream {
    /// First and last time it sends, ms from the start of the scenario.
    pub from_ms: i64,
    /// Last time.
    pub to_ms: i64,
    /// Spacing, ms.
    pub every_ms: i64,
    /// Payload bytes of one segment.
    pub bytes: usize,
    /// Segments of this direction (from 0, IKE included) that get lost before the device.
    pub lose: Vec<usize>,
    /// Segments lost behind the device.
    pub lose_behind: Vec<usize>,
    /// Times in which nothing is sent, ms: from, to.
    pub quiet: Vec<(i64, i64)>,
    /// More data, one by one: ms, bytes.
    pub more: Vec<(i64, usize)>,
}

impl Stream {
    /// A steady stream without loss.
    pub fn steady(from_ms: i64, to_ms: i64, every_ms: i64, bytes: usize) -> Self {
        Self {
            from_ms,
            to_ms,
            every_ms,
            bytes,
            lose: vec![],
            lose_behind: vec![],
            quiet: vec![],
            more: vec![],
        }
    }

    /// Nothing but IKE.
    pub fn silent() -> Self {
        Self::steady(0, -1, 1_000, 0)
    }

    /// Pauses: `(after ms, for ms)` of what was sent last.
    #[must_use]
    pub fn pausing(mut self, pauses: &[(i64, i64)]) -> Self {
        self.quiet = pauses.iter().map(|(at, ms)| (*at, at + ms)).collect();
        self
    }

    /// Loses these segments before the device.
    #[must_use]
    pub fn losing(mut self, segments: &[usize]) -> Self {
        self.lose = segments.to_vec();
        self
    }
}

/// One session.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Client.
    pub client: End,
    /// Headend.
    pub headend: End,
    /// First packet, ms.
    pub start_ms: i64,
    /// Client's data, headend's data.
    pub streams: [Stream; 2],
    /// Acknowledgement habit of client and headend.
    pub ack: [AckHabit; 2],
    /// What the segments look like.
    pub dress: Dress,
    /// Client and headend answer every so many data segments with an empty ACK; 0: never.
    pub bare_ack_every: [usize; 2],
    /// An empty ACK this long after data unless data of its own carry it, ms; 0: none.
    pub delayed_ack_ms: [i64; 2],
    /// An empty segment every so often, ms; 0: none.
    pub heartbeat_ms: [i64; 2],
    /// Window of client and headend.
    pub window: [u16; 2],
    /// Window in SYN and SYN-ACK, where it is another.
    pub syn_window: [Option<u16>; 2],
    /// The network; `None`: 9 ms each leg and nothing else.
    pub path: Option<Path>,
    /// More data of the headend, beside its stream.
    pub broadcasts: Option<Stream>,
    /// DPD request of the client every so often, ms; 0: none.
    pub dpd_every_ms: i64,
    /// Logs out at this time: IKE delete and a bare RST.
    pub logout_ms: Option<i64>,
    /// The headend stops answering at this time (crash).
    pub headend_dies_ms: Option<i64>,
}

impl Profile {
    /// A session of `client` (last octet, port) with balanced traffic until `to_ms`.
    pub fn new(host: u8, start_ms: i64, to_ms: i64) -> Self {
        Self {
            client: ([10, 1, 4, host], 1_060 + u16::from(host)),
            headend: ([198, 51, 100, 9], 10_000),
            start_ms,
            streams: [
                Stream::steady(start_ms + 1_500, to_ms, 200, 348),
                Stream::steady(start_ms + 1_550, to_ms, 230, 508),
            ],
            ack: [AckHabit::Highest; 2],
            dress: Dress::Ctcp,
            bare_ack_every: [0; 2],
            delayed_ack_ms: [0; 2],
            heartbeat_ms: [0; 2],
            window: [65_535; 2],
            syn_window: [None; 2],
            path: None,
            broadcasts: None,
            dpd_every_ms: 0,
            logout_ms: None,
            headend_dies_ms: None,
        }
    }
}
