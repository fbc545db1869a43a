//! The packets of one session as points of a time-sequence graph: what each side sent and what
//! the other acknowledged, with bytes that are missing. Counts and remembers; judges nothing.
//!
//! Numbers are relative to the start of each side, as tshark writes them: the SYN is 0, the
//! first byte 1; of a session without a SYN the first byte seen is 1. They do not wrap. Memory is
//! bounded by [`MOST_POINTS`] and [`MOST_HOLES`]; what does not fit is counted.

mod drawing;
mod holes;

use crate::frame::Frame;
use crate::segment::{Endpoint, Segment, TcpFlags};
use crate::session::{TO_CLIENT, TO_HEADEND};
use crate::tcp::seq::distance;
use crate::time::{NANOS_PER_MILLI, Timestamp};

pub use drawing::{Acked, Band, Drawing, Event, EventKind, Span};
pub use holes::{Hole, HoleEnd};

use holes::Holes;

/// Packets remembered (guess: more than a screen has dots).
pub const MOST_POINTS: usize = 200_000;
/// Holes remembered of each side, and of those how many may be open (guess).
pub const MOST_HOLES: usize = 4_096;
/// SACK blocks remembered.
const MOST_BLOCKS: usize = 200_000;
/// The same packet within this time is a mirror's second copy: the limits of
/// `tcp/half_stream/copies.rs`, with and without an IP identification.
const COPY_NS: i64 = 150 * NANOS_PER_MILLI;
const COPY_NO_ID_NS: i64 = 5 * NANOS_PER_MILLI;
const REMEMBERED: usize = 12;

/// What a packet is, as far as a graph shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u16);

impl Marks {
    /// Carries bytes.
    pub const DATA: u16 = 1;
    /// Carries bytes, all of which were seen before.
    pub const AGAIN: u16 = 1 << 1;
    /// Carries bytes that were missing: later than what follows them.
    pub const LATE: u16 = 1 << 2;
    /// Begins beyond the highest byte seen: a hole is before it.
    pub const BEYOND: u16 = 1 << 3;
    /// Duplicate ACK (RFC 5681 section 2).
    pub const DUPLICATE_ACK: u16 = 1 << 4;
    /// SYN.
    pub const SYN: u16 = 1 << 5;
    /// FIN.
    pub const FIN: u16 = 1 << 6;
    /// RST.
    pub const RST: u16 = 1 << 7;
    /// Offers no window.
    pub const ZERO_WINDOW: u16 = 1 << 8;
    /// A mirror's second copy of a packet; not drawn.
    pub const COPY: u16 = 1 << 9;
    /// Every mark with its name, in the order in which they are told.
    pub const NAMES: [(u16, &'static str); 10] = [
        (Self::SYN, "syn"),
        (Self::FIN, "fin"),
        (Self::RST, "rst"),
        (Self::DATA, "data"),
        (Self::AGAIN, "again"),
        (Self::LATE, "late"),
        (Self::BEYOND, "beyond"),
        (Self::DUPLICATE_ACK, "duplicate_ack"),
        (Self::ZERO_WINDOW, "zero_window"),
        (Self::COPY, "copy"),
    ];

    /// True when any of `bits` is set.
    pub const fn any(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Capture time.
    pub at: Timestamp,
    /// Its number among the frames taken, from 0.
    pub frame: u32,
    /// Who sent it: [`TO_HEADEND`] the client, [`TO_CLIENT`] the headend.
    pub side: usize,
    /// What it is.
    pub marks: Marks,
    /// SEG.SEQ, relative.
    pub seq: i64,
    /// Bytes of payload.
    pub len: u32,
    /// SEG.ACK, relative to the other side.
    pub ack: Option<i64>,
    /// SEG.WND, scaled when both SYNs were seen and offered that.
    pub window: u64,
    /// Its SACK blocks: the first one and how many.
    blocks: (u32, u8),
}

/// One side's numbers.
#[derive(Debug, Default)]
struct Sender {
    /// The number that is 0.
    base: Option<u32>,
    /// Behind the highest byte seen, relative.
    next: Option<i64>,
    ack: Option<i64>,
    window: Option<u16>,
    scale: Option<u8>,
    has_syn: bool,
    holes: Holes,
    /// The last packets, for telling a mirror's copies.
    recent: [Option<Fingerprint>; REMEMBERED],
    place: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    numbers: (u32, u32, u32, u16, u8),
    ip_id: u16,
    at: Timestamp,
}

impl Sender {
    /// The relative form of `number`, nearest to what was seen last.
    fn relative(&self, number: u32) -> i64 {
        let near = self.next.unwrap_or(0);
        let reference = self.base.unwrap_or(number).wrapping_add(near as u32);
        near + i64::from(distance(number, reference))
    }

    /// True for a packet seen a moment ago.
    fn is_copy(&mut self, s: &Segment<'_>) -> bool {
        let one = Fingerprint {
            numbers: (s.seq, s.ack, s.payload_len, s.window, s.flags.0),
            ip_id: s.ip_id.unwrap_or(0),
            at: s.ts,
        };
        let is_known = self.recent.iter().flatten().any(|known| {
            let limit = if one.ip_id == 0 {
                COPY_NO_ID_NS
            } else {
                COPY_NS
            };
            known.numbers == one.numbers
                && known.ip_id == one.ip_id
                && (0..limit).contains(&one.at.0.saturating_sub(known.at.0))
        });
        if let Some(place) = self.recent.get_mut(self.place) {
            *place = Some(one);
        }
        self.place = (self.place + 1) % REMEMBERED;
        is_known
    }
}

/// The graph of one session. Feed it its frames in order.
#[derive(Debug)]
pub struct Series {
    ends: [Endpoint; 2],
    sides: [Sender; 2],
    points: Vec<Point>,
    blocks: Vec<(i64, i64)>,
    frames: u32,
    left_out: u64,
}

impl Series {
    /// Of the session between these ends.
    pub fn new(client: Endpoint, headend: Endpoint) -> Self {
        Self {
            ends: [client, headend],
            sides: [Sender::default(), Sender::default()],
            points: Vec::new(),
            blocks: Vec::new(),
            frames: 0,
            left_out: 0,
        }
    }

    /// Takes a frame; others than those of the session only count.
    pub fn take(&mut self, frame: &Frame<'_>) {
        let number = self.frames;
        self.frames = self.frames.saturating_add(1);
        let Ok(segment) = crate::decode::decode(frame) else {
            return;
        };
        let side = if (segment.src, segment.dst) == (self.ends[0], self.ends[1]) {
            TO_HEADEND
        } else if (segment.src, segment.dst) == (self.ends[1], self.ends[0]) {
            TO_CLIENT
        } else {
            return;
        };
        if self.points.len() >= MOST_POINTS {
            self.left_out += 1;
            return;
        }
        let point = self.measure(&segment, side, number);
        self.points.push(point);
    }

    fn measure(&mut self, s: &Segment<'_>, side: usize, frame: u32) -> Point {
        let [client, headend] = &mut self.sides;
        let (own, other) = if side == TO_HEADEND {
            (client, headend)
        } else {
            (headend, client)
        };
        let mut marks = 0;
        for (flag, mark) in [
            (TcpFlags::SYN, Marks::SYN),
            (TcpFlags::FIN, Marks::FIN),
            (TcpFlags::RST, Marks::RST),
        ] {
            if s.flags.any(flag) {
                marks |= mark;
            }
        }
        let is_syn = s.flags.any(TcpFlags::SYN);
        let is_reset = s.flags.any(TcpFlags::RST);
        if own.base.is_none() && (!is_reset || s.seq != 0) {
            own.base = Some(if is_syn { s.seq } else { s.seq.wrapping_sub(1) });
        }
        if s.payload_len > 0 {
            marks |= Marks::DATA;
        }
        let is_copy = own.is_copy(s);
        let seq = own.relative(s.seq);
        if is_copy {
            marks |= Marks::COPY;
        } else if !is_reset {
            let end = seq + i64::from(s.seg_len());
            match own.next {
                Some(next) if end > next => {
                    if seq > next {
                        own.holes.open(next, seq, s.ts);
                        marks |= Marks::BEYOND;
                    }
                    own.next = Some(end);
                }
                None => own.next = Some(end),
                Some(_) if s.payload_len > 0 => {
                    let is_late = own.holes.fill(seq, end, s.ts);
                    marks |= if is_late { Marks::LATE } else { Marks::AGAIN };
                }
                Some(_) => {}
            }
        }
        if is_syn {
            own.has_syn = true;
            own.scale = s.options().window_scale;
        }
        let shift = match (own.scale, other.scale) {
            (Some(shift), Some(_)) if !is_syn && other.has_syn => shift,
            _ => 0,
        };
        let mut ack = None;
        let mut blocks = (self.blocks.len() as u32, 0);
        if s.flags.any(TcpFlags::ACK) && !(is_reset && s.ack == 0) {
            if other.base.is_none() {
                other.base = Some(s.ack.wrapping_sub(1));
            }
            let value = other.relative(s.ack);
            ack = Some(value);
            if !is_copy {
                let has_outstanding = other.next.is_some_and(|next| next > value);
                let is_bare = s.seg_len() == 0 && !is_reset;
                if is_bare
                    && has_outstanding
                    && own.ack == Some(value)
                    && own.window == Some(s.window)
                {
                    marks |= Marks::DUPLICATE_ACK;
                }
                own.ack = Some(value);
                other.holes.pass(value, s.ts);
                let options = s.options();
                for (left, right) in options.sack.into_iter().take(options.sack_len.into()) {
                    if self.blocks.len() < MOST_BLOCKS {
                        let (left, right) = (other.relative(left), other.relative(right));
                        self.blocks.push((left, right.max(left)));
                        blocks.1 += 1;
                    }
                }
            }
        }
        if !is_reset {
            if s.window == 0 {
                marks |= Marks::ZERO_WINDOW;
            }
            own.window = Some(s.window);
        }
        Point {
            at: s.ts,
            frame,
            side,
            marks: Marks(marks),
            seq,
            len: s.payload_len,
            ack,
            window: u64::from(s.window) << shift,
            blocks,
        }
    }

    /// The packets, in order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// SACK blocks of a packet: left and right edge, relative to the other side.
    pub fn blocks(&self, point: &Point) -> &[(i64, i64)] {
        let start = point.blocks.0 as usize;
        let end = start.saturating_add(point.blocks.1.into());
        self.blocks.get(start..end).unwrap_or_default()
    }

    /// The holes in what `side` sent, in the order in which they opened.
    pub fn holes(&self, side: usize) -> Vec<Hole> {
        self.sides
            .get(side)
            .map(|sender| sender.holes.all())
            .unwrap_or_default()
    }

    /// Packets and holes for which there was no room.
    pub fn left_out(&self) -> u64 {
        let holes: u64 = self.sides.iter().map(|side| side.holes.left_out()).sum();
        self.left_out + holes
    }
}
