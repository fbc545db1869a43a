//! Derived signals that several detectors share. Still measuring: each is a number
//! or a question about one session at one time, no verdict.

use super::verdict::{LossSide, Side};
use crate::session::Session;
use crate::tcp::half_stream::HalfStream;
use crate::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, Timestamp};

/// Strict tracking lets `min(2 x window, this)` bytes pass beyond the last ACK it
/// accepted, but never less than one window (lab-findings 1.2: 66.0 to 71.2 kB at
/// window 65535, 2.0 x window at 8 to 32 kB).
pub const TRACKING_ALLOWANCE_BYTES: u64 = 66_000;
/// Packets a side must have sent before its silence means something (guess: above
/// the five to six messages of an IKE handshake, after which a one-way user is silent).
pub const RHYTHM_PACKETS: u32 = 10;
/// Shortest silence that means something. Origin: inspection queues release after
/// 4 s (ASA) or 5 s (IOS, lab i04); the release must be seen first.
pub const MIN_SILENCE_NS: i64 = 7 * NANOS_PER_SECOND;
/// Silence must exceed the longest gap ever seen this many times (guess; Wireshark
/// and DPD practice use 3 missed beats).
pub const GAP_FACTOR: i64 = 3;
/// Data segments of the other side into the silence (guess: three DPD requests and
/// two more packets).
pub const MIN_OPPOSITE: u32 = 5;

/// Tap loss above which a hole is as likely the tap's (guess: one segment in a
/// thousand; reliability practice calls a tap degraded from there on).
pub const TAP_GAP_LIMIT: f64 = 0.001;

/// Spacing of the other side's data that makes its talk a trickle (guess: slower than
/// any application that waits for an answer, as slow as broadcasts and DPD).
const TRICKLE_GAP_NS: i64 = 4 * NANOS_PER_SECOND;
/// And this many times its spacing before (guess).
const TRICKLE_FACTOR: i64 = 3;

/// An ACK that stands still below data that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Frozen {
    /// Direction of the data.
    pub dir: usize,
    /// Since when.
    pub since: Timestamp,
    /// How long, ns.
    pub age_ns: i64,
    /// New data segments since then.
    pub segments: u32,
    /// Bytes beyond the ACK.
    pub unacked: u64,
    /// Packets of the receiver that repeated the ACK.
    pub repeats: u32,
    /// How long after the freeze the receiver was still heard, ns.
    pub heard_ns: i64,
    /// The ACK stands at the edge of a hole that the tap sees.
    pub at_hole: bool,
}

/// The ACK for direction `dir`, if it stands still below at least one new segment.
pub fn frozen(session: &Session, dir: usize, now: Timestamp) -> Option<Frozen> {
    let h = &session.half[dir];
    let since = h.unacked_since?;
    if h.segments_since_una == 0 {
        return None;
    }
    Some(Frozen {
        dir,
        since,
        age_ns: now.since(since),
        segments: h.segments_since_una,
        unacked: h.unacked_bytes().unwrap_or(0),
        repeats: h.ack_repeats,
        heard_ns: if h.ack_repeats == 0 {
            0
        } else {
            h.ack_repeated.since(since)
        },
        at_hole: h.hole_at_una(),
    })
}

/// One side gone quiet while the other goes on.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Direction of the silent side's data.
    pub dir: usize,
    /// Its last packet.
    pub since: Timestamp,
    /// How long, ns.
    pub age_ns: i64,
    /// Longest gap between two of its packets before, ns.
    pub usual_gap_ns: i64,
    /// Data segments of the other side since.
    pub opposite: u32,
    /// First of them.
    pub opposite_since: Timestamp,
    /// The other side sends far less than it did: an idle user with a stray packet
    /// now and then looks like this too.
    pub is_trickle: bool,
}

/// The silence of side `dir`, if it is longer than that side's habit allows while
/// the other side still sends.
pub fn silence(session: &Session, dir: usize, now: Timestamp) -> Option<Silence> {
    let h = &session.half[dir];
    let other = &session.half[1 - dir];
    let since = h.last_ts?;
    let spacing = &h.spacing;
    if spacing.packets < RHYTHM_PACKETS {
        return None;
    }
    let age_ns = now.since(since);
    let talking = other.last_data_ts?;
    let opposite = spacing.opposite_run;
    let enough = age_ns >= MIN_SILENCE_NS.max(GAP_FACTOR * spacing.max_gap_ns)
        && opposite >= MIN_OPPOSITE.max(2 * spacing.max_opposite_run.min(200) + 1)
        && talking.since(since) >= age_ns / 2;
    let spread = talking.since(spacing.opposite_since) / i64::from(opposite.max(2) - 1);
    let usual = spacing.opposite_usual_ns.max(1);
    enough.then_some(Silence {
        is_trickle: spread > TRICKLE_GAP_NS && spread > TRICKLE_FACTOR * usual,
        dir,
        since,
        age_ns,
        usual_gap_ns: spacing.max_gap_ns,
        opposite,
        opposite_since: spacing.opposite_since,
    })
}

/// Bytes beyond the ACK that strict tracking lets pass in direction `dir`.
pub fn allowance(session: &Session, dir: usize) -> Option<u64> {
    let window = session.half[dir].window_bytes(session.half[1 - dir].offer.window_scale)?;
    Some((2 * window).min(TRACKING_ALLOWANCE_BYTES).max(window))
}

/// Initial TTLs of the common stacks: Linux and BSD 64, Windows 128, Cisco and
/// Solaris 255.
const INITIAL_TTL: [u8; 3] = [64, 128, 255];

/// Routers between a sender and the tap by the TTL of its segments; `None` when the
/// TTL is not known.
pub fn hops(half: &HalfStream) -> Option<u8> {
    let ttl = [half.ttl.data, half.ttl.pure_ack]
        .into_iter()
        .find(|t| *t != 0)?;
    INITIAL_TTL
        .iter()
        .find(|initial| ttl <= **initial)
        .map(|initial| initial - ttl)
}

/// True when no router lies between the tap and the receiver of direction `dir`
/// while one lies between the tap and the sender. A frozen ACK then proves little:
/// what the tap sees may well arrive, and a receiver that never steps over a hole
/// shows the same picture (lab-findings 5).
pub fn tap_is_at_receiver(session: &Session, dir: usize) -> bool {
    hops(&session.half[1 - dir]) == Some(0) && hops(&session.half[dir]).is_some_and(|h| h > 0)
}

/// The mirror shows this direction before and behind the device: copies with a lower
/// TTL are the rule. Returns data segments since the last copy and its time.
pub fn forwarded_copies(half: &HalfStream) -> Option<(u32, Timestamp)> {
    let originals = half
        .data_segments
        .saturating_sub(u64::from(half.data_since_copy));
    (half.forwarded_copies >= 8 && half.forwarded_copies * 10 >= originals * 6)
        .then_some((half.data_since_copy, half.last_copy))
}

/// True when the receiver of direction `dir` was seen to step over a hole: its ACK
/// names the highest byte, so an ACK that stands still means nothing arrives.
///
/// A tap that loses packets makes any receiver look like that, so one proven gap of
/// the tap, or ordinary TCP that misses segments, takes the proof away.
pub fn receiver_steps_over(session: &Session, dir: usize, ctx: &super::Context) -> bool {
    session.half[dir].holes_stepped_over > 0
        && ctx.tunnel_gaps == 0
        && ctx.tap_gap_ratio.is_none_or(|r| r <= TAP_GAP_LIMIT)
}

/// Where the loss that started a freeze in direction `dir` was.
pub fn loss_side(session: &Session, dir: usize) -> Option<LossSide> {
    let h = &session.half[dir];
    if h.hole_at_una() || h.holes.iter().any(|x| x.is_counted && !x.is_gap) {
        return Some(if dir == 0 {
            LossSide::Client
        } else {
            LossSide::Headend
        });
    }
    if h.snd_una.is_some() && h.unacked_since.is_some() {
        // The tap saw every byte, the receiver acknowledged less: lost beyond the tap.
        return Some(if dir == 0 {
            LossSide::Headend
        } else {
            LossSide::Client
        });
    }
    None
}

/// The side that sends in direction `dir`.
pub fn side(dir: usize) -> Side {
    Side::of(dir)
}

/// Nanoseconds as milliseconds for evidence.
pub fn ms(ns: i64) -> f64 {
    (ns / NANOS_PER_MILLI) as f64
}
