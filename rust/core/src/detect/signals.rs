//! Derived signals that several detectors share. Still measuring: each is a number
//! or a question about one session at one time, no verdict.

use super::verdict::{LossSide, Side};
use crate::ctcp::fake_tcp::Product;
use crate::flow::candidate::Recognised;
use crate::session::Session;
use crate::tcp::half_stream::{HalfStream, Spacing};
use crate::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, Timestamp};

/// Strict tracking lets the window of the last ACK and as much again as the largest
/// window ever offered pass beyond that ACK, this many bytes at most, but never less than one
/// window (measured on Linux 6.18: 2.0 x window at 8 to 32 kB, 66.0 to 71.2 kB at 65535).
pub const TRACKING_ALLOWANCE_BYTES: u64 = 66_000;
/// Packets a side must have sent before its silence means something (guess: above
/// the five to six messages of an IKE handshake, after which a one-way user is silent).
pub const RHYTHM_PACKETS: u32 = 10;
/// Shortest silence that means something. Origin: inspection queues release after
/// 4 s (ASA) or 5 s (IOS; measured pauses up to 5.3 s); the release must be seen first.
pub const MIN_SILENCE_NS: i64 = 6 * NANOS_PER_SECOND;
/// Silence must exceed the longest pause ever seen this many times when pauses of that
/// size are well known (guess; Wireshark and DPD practice use 3 missed beats).
pub const GAP_FACTOR: i64 = 3;

/// Pauses seen, and how many times their mean a silence must last: then one like it comes
/// by chance less than once in 500 pauses. People pause at random; with `n` pauses of mean
/// `m` seen the next one lasts longer than `s` with probability `(1 + s / (n m)) ^ -n`
/// (exponential pauses, mean not known), so the factor is `n (500 ^ (1 / n) - 1)`.
const PAUSE_TENTHS: [(u32, i64); 12] = [
    (50, 66),
    (30, 69),
    (20, 73),
    (15, 77),
    (12, 81),
    (10, 86),
    (8, 94),
    (6, 109),
    (5, 123),
    (4, 149),
    (3, 208),
    (2, 427),
];

/// How long a side must be silent before that is no pause of its own.
pub fn pause_limit_ns(spacing: &Spacing) -> i64 {
    let by_longest = spacing.max_gap_ns.saturating_mul(GAP_FACTOR);
    if spacing.is_steady() {
        return by_longest;
    }
    let (n, mean) = spacing.pauses();
    let tenths = PAUSE_TENTHS
        .iter()
        .find(|(least, _)| n >= *least)
        .map_or(4_990, |(_, tenths)| *tenths);
    by_longest.max(mean / 10 * tenths)
}

/// Data segments of the other side into the silence (guess: three DPD requests and
/// two more packets).
pub const MIN_OPPOSITE: u32 = 5;
/// The same when the silent side kept a steady beat (guess: with three missed beats of
/// a clock nothing else is needed).
const MIN_OPPOSITE_STEADY: u32 = 3;

/// Tap loss above which a hole is as likely the tap's (guess: one segment in a
/// thousand; reliability practice calls a tap degraded from there on).
pub const TAP_GAP_LIMIT: f64 = 0.001;

/// Spacing of the other side's data that makes its talk a trickle (guess: slower than
/// any application that waits for an answer, as slow as broadcasts and DPD).
const TRICKLE_GAP_NS: i64 = 4 * NANOS_PER_SECOND;
/// And this many times its spacing before (guess).
const TRICKLE_FACTOR: i64 = 3;

/// An ACK that stood still for less is nobody's sign; every detector of a frozen ACK waits
/// longer (the shortest wait is that of a window overrun, 1 s).
const CALM_FREEZE_NS: i64 = NANOS_PER_SECOND;
/// Data silent for less are nobody's sign while packets go on (the shortest wait is that of
/// [`super::proxy_ack_freeze`], 15 s).
const CALM_DATA_NS: i64 = 10 * NANOS_PER_SECOND;

/// True when neither side is closed, silent, or waits for an ACK for long: most sessions most
/// of the time, told by a few numbers. Detectors with [`super::Detector::needs_unrest`] have
/// nothing to say then, which a build with assertions checks each time.
pub fn is_calm(session: &Session, now: Timestamp) -> bool {
    let is_calm = |h: &HalfStream| {
        let moves = h.segments_since_una() == 0
            || h.unacked_since().is_none_or(|since| {
                now.since(since) < CALM_FREEZE_NS
                    && (h.ack_repeats() == 0 || h.ack_repeated().since(since) < CALM_FREEZE_NS)
            });
        let since = |t: Option<Timestamp>| t.map_or(0, |t| now.since(t));
        moves
            && !h.sent_close()
            && (h.opposite_run() < MIN_OPPOSITE_STEADY || since(h.last_ts()) < LIMIT_SILENCE_NS)
            && since(h.last_data_ts()) < CALM_DATA_NS
    };
    let answers = !session.ike_waits() && session.linked().is_none();
    answers && session.half.iter().all(is_calm)
}

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
    /// The same, counted from the last DPD request that was answered: until then the
    /// data arrived, whatever the ACK says.
    pub unproven_ns: i64,
    /// The ACK stands at the edge of a hole that the tap sees.
    pub at_hole: bool,
}

/// The ACK for direction `dir`, if it stands still below at least one new segment.
pub fn frozen(session: &Session, dir: usize, now: Timestamp) -> Option<Frozen> {
    let h = &session.half[dir];
    let since = h.unacked_since()?;
    if h.segments_since_una() == 0 {
        return None;
    }
    let arrived = session
        .ike()
        .dpd(dir)
        .arrived
        .get()
        .unwrap_or(since)
        .max(since);
    let heard_since = |start: Timestamp| match h.ack_repeats() {
        0 => 0,
        _ => h.ack_repeated().since(start).max(0),
    };
    Some(Frozen {
        dir,
        since,
        age_ns: now.since(since),
        segments: h.segments_since_una(),
        unacked: h.unacked_bytes().unwrap_or(0),
        repeats: h.ack_repeats(),
        heard_ns: heard_since(since),
        unproven_ns: heard_since(arrived),
        at_hole: h.hole_at_una(),
    })
}

/// What the receiver's empty ACKs say while its ACK stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareAcks {
    /// It never had the habit, or too little was seen.
    NoHabit,
    /// It goes on as before: data arrive at whoever sends these ACKs.
    AsBefore,
    /// It sent hardly any before and answers each segment: a real TCP that asks for a hole
    /// (RFC 5681 section 4.2: an immediate ACK for every segment beyond it).
    ForEverySegment,
    /// It sends none any more although it is heard: nothing arrives.
    Stopped,
}

/// Segments in a row without an empty ACK that end the habit: at the lowest share that
/// counts as one, chance brings that once in a hundred times.
const HABIT_SEGMENTS: u32 = 13;
/// Share of segments answered by an empty ACK that counts as a habit (guess: delayed
/// ACKs answer every second segment, RFC 1122 section 4.2.3.2; some ride on data).
const HABIT_SHARE: f64 = 0.3;

/// Compares the receiver's empty ACKs during the freeze `f` with those before.
pub fn bare_acks(session: &Session, f: &Frozen) -> BareAcks {
    let h = &session.half[f.dir];
    let Some(before) = h.bare_ack_share() else {
        // Too early to know its habit: nothing can be more than before.
        return BareAcks::NoHabit;
    };
    let during = f64::from(h.bare_repeats()) / f64::from(f.segments.max(1));
    if f.segments >= 2 * HABIT_SEGMENTS && during >= 0.8 && before < HABIT_SHARE / 2.0 {
        BareAcks::ForEverySegment
    } else if before < HABIT_SHARE {
        BareAcks::NoHabit
    } else if h.segments_since_bare() >= HABIT_SEGMENTS {
        BareAcks::Stopped
    } else {
        BareAcks::AsBefore
    }
}

/// Marks of a real TCP stack on the segments of one side of a stream whose endpoints
/// have none: something in line terminates the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpMarks {
    /// Segments that are not whole tunnel packets: the stream was cut anew.
    pub recut: bool,
    /// Segments sent again.
    pub resent: bool,
    /// Its window moves; every cTCP stack that can be read keeps it constant.
    pub window_moves: bool,
}

impl TcpMarks {
    /// Any of them.
    pub fn any(self) -> bool {
        self.recut || self.resent || self.window_moves
    }
}

/// Marks on what side `role` sends.
pub fn tcp_marks(session: &Session, role: usize) -> TcpMarks {
    let frames = &session.framing(role);
    // An offload of the capturing host merges whole packets and never cuts one.
    let merged = match frames.without_trailer {
        0 => 0,
        _ => frames.merged,
    };
    let odd = frames.without_trailer + merged;
    let (low, high) = session.half[1 - role].peer_window_range;
    let is_ctcp = matches!(session.kind, Recognised::Ctcp(_));
    // udp2raw goes back in sequence space itself and draws its window by chance.
    let goes_back = goes_back(session);
    let is_mirrored = session.half[role].forwarded_copies() > 0;
    TcpMarks {
        // One in twenty, and more than one: a tap that cuts frames makes single ones.
        recut: is_ctcp && odd >= 2 && odd * 20 > frames.with_trailer,
        // A mirror of both ports shows what a queue held twice, too late for a copy.
        resent: !goes_back && !is_mirrored && session.half[role].retransmissions() >= 2,
        window_moves: !goes_back && low < high,
    }
}

/// The receiver offers the one window that stacks of this family hold constant
/// (QuickSec, phantun: 65535 in every packet, SYN-ACK included); those step over a hole,
/// so their ACK stands still only when nothing arrives (domain.md 1.6).
pub fn window_is_constant_full(half: &HalfStream) -> bool {
    half.peer_window_range == (u16::MAX, u16::MAX)
        && [0, u16::MAX].contains(&half.peer_window_first)
}

/// DPD requests sent into the freeze that nobody answers although they used to be
/// answered: what is sent does not arrive.
pub fn dpd_unanswered_since(
    session: &Session,
    dir: usize,
    since: Timestamp,
    now: Timestamp,
) -> bool {
    let dpd = session.ike().dpd(dir);
    dpd.is_answered()
        && dpd.pending >= DPD_PENDING
        && dpd.pending_since.get().is_some_and(|t| t >= since)
        && dpd.since_asked_ns(now) >= DPD_WAIT_NS.max(i64::from(dpd.rtt_max_ns) * 4)
}

/// True for udp2raw, whose receiver moves its ACK only with a segment that begins there, and
/// whose sender goes back to it after three equal ACKs (network.cpp, `after_send_raw0` and
/// `after_recv_raw0`): a restart that arrives heals the freeze whatever caused it.
pub fn goes_back(session: &Session) -> bool {
    session.kind == Recognised::FakeTcp(Product::Udp2raw)
}

/// Restarts at one ACK that mean that they do not arrive (guess: three lost in a row were seen
/// by chance at one packet lost in ten; five are one in 100,000 there).
pub const RESTARTS: u16 = 5;

/// True when udp2raw went back to the frozen ACK again and again.
pub fn restarts_fail(session: &Session, dir: usize) -> bool {
    goes_back(session) && session.half[dir].restarts_at_una() >= RESTARTS
}

/// Segments of a direction without a merged one that rule an offload out (guess: one merges
/// wherever packets come close together).
const UNMERGED: u64 = 16;

/// True when ESP numbers missing in direction `dir` cannot be in merged segments.
pub fn esp_is_whole(session: &Session, dir: usize) -> bool {
    session.oversized() == 0
        && session.framing(dir).merged == 0
        && session
            .segments_since_skip(dir)
            .is_none_or(|segments| segments >= UNMERGED)
}

/// True when the next word of DPD is worth waiting for: a request sent into the freeze was
/// answered, so this receiver stands still while data arrive, and the next request is due.
pub fn dpd_will_tell(session: &Session, f: &Frozen, now: Timestamp) -> bool {
    let dpd = session.ike().dpd(f.dir);
    let was_answered = f.unproven_ns < f.heard_ns;
    let is_asked = dpd.pending > 0
        && dpd.since_asked_ns(now) >= DPD_WAIT_NS.max(i64::from(dpd.rtt_max_ns) * 4);
    was_answered && !is_asked && f.unproven_ns < DPD_DUE_NS
}

/// Time a side must have been watched before its silence means something by itself: what
/// was seen of it before may be nothing but the handshake, or all that a program fetches
/// when the tunnel comes up (guess).
pub const WATCHED_NS: i64 = 10 * NANOS_PER_SECOND;

/// Longest wait for the next request (guess: the usual rhythm of 10 s and a retry).
const DPD_DUE_NS: i64 = 15 * NANOS_PER_SECOND;
/// Requests without an answer that count (guess: one may be a lost packet).
const DPD_PENDING: u32 = 2;
/// Wait for the answer to the last of them (guess: several round trips).
const DPD_WAIT_NS: i64 = 2 * NANOS_PER_SECOND;

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
    /// From here on it is no pause of its own, ns.
    pub pause_limit_ns: i64,
    /// After how long it is called a stall, ns.
    pub patience_ns: i64,
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
    let silence = quiet(session, dir, now)?;
    (silence.age_ns >= silence.patience_ns).then_some(silence)
}

/// The same, however long it has lasted.
pub fn quiet(session: &Session, dir: usize, now: Timestamp) -> Option<Silence> {
    let h = &session.half[dir];
    let other = &session.half[1 - dir];
    let since = h.last_ts()?;
    let spacing = h.spacing();
    if spacing.packets < RHYTHM_PACKETS {
        return None;
    }
    let age_ns = now.since(since);
    let talking = other.last_data_ts()?;
    let opposite = spacing.opposite_run;
    // Keepalives and DPD keep a beat; the handshake before them is faster.
    let is_slow_clock = spacing.max_gap_ns >= MIN_SILENCE_NS / GAP_FACTOR && spacing.is_steady();
    let need = if is_slow_clock {
        MIN_OPPOSITE_STEADY
    } else {
        MIN_OPPOSITE.max(2 * spacing.max_opposite_run.min(200) + 1)
    };
    // A path that is out for as long as a release timer: the next packet comes within one
    // usual gap after that.
    let out_ns = MIN_SILENCE_NS + spacing.max_gap_ns;
    let limit_ns = pause_limit_ns(&spacing);
    let enough = opposite >= need && talking.since(since) >= age_ns / 2;
    let spread = talking.since(spacing.opposite_since) / i64::from(opposite.max(2) - 1);
    let usual = spacing.opposite_usual_ns.max(1);
    let has_slowed = spread > usual.saturating_mul(TRICKLE_FACTOR);
    let ike = u64::from(session.ike().messages(dir));
    let is_known = h
        .first_ts()
        .is_some_and(|first| since.since(first) >= WATCHED_NS)
        || (h.data_segments() >= ike + u64::from(RHYTHM_PACKETS) && !has_slowed);
    (enough && is_known).then_some(Silence {
        is_trickle: spread > TRICKLE_GAP_NS && has_slowed,
        dir,
        since,
        age_ns,
        usual_gap_ns: spacing.max_gap_ns,
        pause_limit_ns: limit_ns,
        patience_ns: out_ns.max(limit_ns),
        opposite,
        opposite_since: spacing.opposite_since,
    })
}

/// Bytes beyond the ACK that strict tracking lets pass in direction `dir`.
pub fn allowance(session: &Session, dir: usize) -> Option<u64> {
    let h = &session.half[dir];
    let scale = session.half[1 - dir].window_scale();
    let window = h.window_bytes(scale)?;
    let most = h.max_window_bytes(scale);
    Some((window + most).min(TRACKING_ALLOWANCE_BYTES).max(window))
}

/// A direction that fell silent just when the data beyond the receiver's ACK had
/// reached what strict tracking lets pass: the device between sender and tap drops it.
#[derive(Clone, Copy, Debug)]
pub struct LimitReached {
    /// The freeze of the receiver's ACK, which began earlier.
    pub frozen: Frozen,
    /// Last packet of the direction.
    pub since: Timestamp,
    /// How long it has been silent, ns.
    pub silence_ns: i64,
    /// Data segments of the receiver into the silence.
    pub opposite: u32,
}

/// Silence that is enough when the limit was reached (guess: several round trips;
/// the queue timers of inspection engines play no part, they hold data at the hole).
pub const LIMIT_SILENCE_NS: i64 = 2_500 * NANOS_PER_MILLI;
/// The limit in per cent of [`allowance`] (measured factors: 0.95 to 1.2 of it, plus
/// one segment that the tap saw and the device dropped).
pub const LIMIT_PCT: core::ops::RangeInclusive<u64> = 90..=140;

/// Tests direction `dir` for it.
pub fn silent_at_limit(session: &Session, dir: usize, now: Timestamp) -> Option<LimitReached> {
    let h = &session.half[dir];
    let frozen = frozen(session, dir, now)?;
    let since = h.last_ts()?;
    let silence_ns = now.since(since);
    let allowance = allowance(session, dir)?;
    let used = frozen.unacked * 100 / allowance.max(1);
    let opposite = h.spacing().opposite_run;
    (silence_ns >= LIMIT_SILENCE_NS.max(pause_limit_ns(&h.spacing()))
        && LIMIT_PCT.contains(&used)
        && opposite >= MIN_OPPOSITE_STEADY.max(h.spacing().max_opposite_run.min(200) + 1)
        && h.ack_repeated() >= since)
        .then_some(LimitReached {
            frozen,
            since,
            silence_ns,
            opposite,
        })
}

/// Slower than before by this factor is a back-off (guess: three doublings of an RTO).
const SLOWED_FACTOR: i64 = 8;
/// And slower than this (guess: no application that waits for an answer paces so).
const SLOWED_GAP_NS: i64 = NANOS_PER_SECOND;

/// The sender of direction `dir` slowed down since the ACK stands still, as the traffic
/// inside does when nothing is answered (lab-findings 5: a trickle within seconds).
pub fn has_slowed(session: &Session, dir: usize, now: Timestamp) -> bool {
    session.half[dir]
        .data_pace_ns(now)
        .is_some_and(|(usual, latest)| {
            latest >= SLOWED_GAP_NS.max(usual.saturating_mul(SLOWED_FACTOR))
        })
}

/// Initial TTLs of the common stacks: Linux and BSD 64, Windows 128, Cisco and
/// Solaris 255.
const INITIAL_TTL: [u8; 3] = [64, 128, 255];

/// Routers between a sender and the tap by the TTL of its segments; `None` when the
/// TTL is not known.
pub fn hops(half: &HalfStream) -> Option<u8> {
    let ttl = [half.ttl().data, half.ttl().pure_ack]
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

/// True when a RST of this side has a TTL that none of its other packets has: a device
/// on the way made it. Endpoints build RST and SYN alike (QuickSec: TTL 240 for both).
pub fn reset_is_foreign(half: &HalfStream) -> bool {
    let known = [half.ttl().data, half.ttl().pure_ack, half.ttl().handshake];
    half.rst().is_some_and(|(_, ttl)| {
        half.ttl().data != 0 && half.data_segments() >= 5 && !known.contains(&ttl)
    })
}

/// The mirror shows this direction before and behind the device: copies with a lower
/// TTL are the rule. Returns data segments since the last copy and its time.
pub fn forwarded_copies(half: &HalfStream) -> Option<(u32, Timestamp)> {
    let originals = half
        .data_segments()
        .saturating_sub(u64::from(half.data_since_copy()));
    (half.forwarded_copies() >= 8 && half.forwarded_copies() * 10 >= originals * 6)
        .then_some((half.data_since_copy(), half.last_copy()))
}

/// Holes a receiver must be seen to step over before that is its habit (guess: a tap
/// that misses a frame now and then makes one or two look like it).
const STEPS_OVER: u32 = 3;

/// True when the receiver of direction `dir` was seen to step over holes: its ACK
/// names the highest byte, so an ACK that stands still means nothing arrives.
///
/// A tap that loses packets makes any receiver look like that, so proven gaps of the
/// tap, or ordinary TCP that misses segments, take the proof away.
pub fn receiver_steps_over(session: &Session, dir: usize, ctx: &super::Context) -> bool {
    session.half[dir].holes_stepped_over() >= STEPS_OVER
        && ctx.tunnel_gaps == 0
        && ctx.tap_gap_ratio.is_none_or(|r| r <= TAP_GAP_LIMIT)
}

/// A loss this long before a silence is taken as its cause.
pub const RECENT_LOSS_NS: i64 = 90 * NANOS_PER_SECOND;
/// Empty segments since its last data that make a side one that only answers (guess: more
/// than a pause between two answers of DPD).
pub const ONLY_ACKS: u32 = 5;

/// A loss of what side `role` sends about `at`: a hole shows with the segment behind it.
pub fn lost_near(session: &Session, role: usize, at: Timestamp, within_ns: i64) -> bool {
    let lost = session.half[role].last_loss();
    lost.is_some_and(|t| at.since(t).abs() < within_ns)
}

/// Whose data stopped when side `silent` was not heard any more after `since`: its own, as a
/// rule. A side that only answered has nothing to be cut off, and one that fell silent right
/// behind a hole of the other side's data does not get what it would answer.
pub fn stopped_by_silence(session: &Session, silent: usize, since: Timestamp) -> usize {
    let h = &session.half[silent];
    let has_lost = lost_near(session, silent, since, RECENT_LOSS_NS);
    let only_answered = h.acks_since_data() >= ONLY_ACKS && h.pure_acks() > h.data_segments();
    let behind_hole = lost_near(session, 1 - silent, since, MIN_SILENCE_NS);
    if !has_lost && (only_answered || behind_hole) {
        1 - silent
    } else {
        silent
    }
}

/// Where the loss that started a freeze in direction `dir` was.
pub fn loss_side(session: &Session, dir: usize) -> Option<LossSide> {
    let h = &session.half[dir];
    if h.hole_at_una() || h.holes().iter().any(|x| x.is_counted && !x.is_gap) {
        return Some(sender_side(dir));
    }
    if h.snd_una().is_some_and(|una| una >= h.snd_first()) && h.unacked_since().is_some() {
        // The tap saw every byte, the receiver acknowledged less: lost beyond the tap.
        // (An ACK below the first byte seen is older than the capture.)
        return Some(sender_side(1 - dir));
    }
    None
}

/// The side of the tap on which the sender of direction `dir` is.
pub fn sender_side(dir: usize) -> LossSide {
    if dir == 0 {
        LossSide::Client
    } else {
        LossSide::Headend
    }
}

/// The side that sends in direction `dir`.
pub fn side(dir: usize) -> Side {
    Side::of(dir)
}

/// Nanoseconds as milliseconds for evidence.
pub const fn ms(ns: i64) -> f64 {
    (ns / NANOS_PER_MILLI) as f64
}
