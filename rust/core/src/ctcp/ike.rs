//! The ISAKMP header (RFC 2408 section 3.1) and the rhythm of IKE messages.
//!
//! Only header fields are read: cookies, exchange, length. Nonces, hashes and
//! key material are never copied out of a packet.

use super::dpd::DpdMeter;
use crate::near::{Near, Origin, Value};
use crate::time::{MaybeTime, Timestamp};

/// Length of the ISAKMP header in bytes.
pub const HEADER_LEN: usize = 28;

/// Header fields of one ISAKMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsakmpHeader {
    /// Initiator cookie (IKEv2: SPI).
    pub initiator: u64,
    /// Responder cookie; 0 in the first message.
    pub responder: u64,
    /// Major and minor version: 0x10 IKEv1, 0x20 IKEv2.
    pub version: u8,
    /// Exchange type.
    pub exchange: u8,
    /// Flag bits; bit 0 is *encrypted* in IKEv1.
    pub flags: u8,
    /// Message id; 0 in phase 1.
    pub message_id: u32,
    /// Length of the message including this header, bytes.
    pub length: u32,
}

/// Exchange types that travel inside cTCP: Main, Aggressive, Informational,
/// Transaction (XAUTH, mode config), Quick.
pub const V1_EXCHANGES: [u8; 5] = [2, 4, 5, 6, 32];
/// IKEv2 exchange types, RFC 7296 section 3.1.
pub const V2_EXCHANGES: [u8; 4] = [34, 35, 36, 37];

/// Informational exchanges: DPD, deletes, notifies.
const INFORMATIONAL: [u8; 2] = [5, 37];

fn is_informational(exchange: u8) -> bool {
    INFORMATIONAL.contains(&exchange)
}

/// The exchange by its name in the field; `None` for a number not known here.
pub fn exchange_name(exchange: u8) -> Option<&'static str> {
    Some(match exchange {
        2 => "main",
        4 => "aggressive",
        5 => "informational",
        6 => "transaction",
        32 => "quick",
        34 => "ike_sa_init",
        35 => "ike_auth",
        36 => "create_child_sa",
        37 => "ikev2_informational",
        _ => return None,
    })
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..at + 8)?
        .try_into()
        .ok()
        .map(u64::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}

impl IsakmpHeader {
    /// Reads a header; `None` when fewer than 28 bytes are there or a field holds
    /// a value no IKE implementation sends.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            initiator: u64_at(bytes, 0)?,
            responder: u64_at(bytes, 8)?,
            version: *bytes.get(17)?,
            exchange: *bytes.get(18)?,
            flags: *bytes.get(19)?,
            message_id: u32_at(bytes, 20)?,
            length: u32_at(bytes, 24)?,
        };
        let known = match header.version {
            0x10 => V1_EXCHANGES.contains(&header.exchange) && header.flags & !0x07 == 0,
            0x20 => V2_EXCHANGES.contains(&header.exchange) && header.flags & !0x38 == 0,
            _ => false,
        };
        (known && header.initiator != 0 && header.length as usize >= HEADER_LEN).then_some(header)
    }
}

/// Times of an [`IkeMeter`].
#[derive(Clone, Copy, Debug)]
enum Time {
    /// Last message by direction.
    Last = 0,
    /// Last encrypted informational of DPD or delete size, by direction.
    Informational = 2,
    UnansweredSince = 4,
    // Of DPD.
    FirstAsked = 5,
    LastAsked = 6,
    Arrived = 7,
}

const TIMES: usize = Time::Arrived as usize + 1;
/// Stands for a time that is in [`Far`].
const FAR_NS: u32 = u32::MAX;
/// Requests without an answer whose number is in [`Odd`].
const ODD_PENDING: u8 = 2;

/// What has no place in the meter of most sessions: where both sides ask, or a request was
/// lost.
#[derive(Clone, Debug, Default)]
struct Odd {
    far: Option<Box<Far>>,
    /// Upper halves of the numbers of messages.
    messages: [u16; 2],
    /// Requests without an answer, where there is more than one, and the first of them.
    pending: u32,
    pending_since: MaybeTime,
    /// DPD of the side that did not ask first.
    other_dpd: DpdMeter,
}

/// Numbers that are too large for the meter.
#[derive(Clone, Debug, Default)]
struct Far {
    /// Times days away from the first message.
    times: [MaybeTime; TIMES],
    rtt_min_ns: [i64; 2],
}

/// With the word that the heap takes before it: 96.
const _: () = assert!(size_of::<Odd>() <= 88);

/// IKE messages of one session: who asked, who answered, how fast.
///
/// `DPD` in IKEv1 uses two informational messages with different message ids
/// (RFC 3706 section 5.3), so answers are paired by order and time, not by id.
///
/// Every tunnel session has one: 112 bytes, of which nothing is rounded.
#[derive(Clone, Debug)]
pub struct IkeMeter {
    /// Initiator cookie of the latest message with one.
    pub initiator: u64,
    /// Responder cookie, once seen.
    pub responder: u64,
    odd: Option<Box<Odd>>,
    /// Times count from here.
    origin: Origin,
    /// Smallest time from a message to the other side's next, ns; 0: none yet.
    rtt_min_ns: [u32; 2],
    /// DPD of the side that asked first; often the only one that does.
    asked: u32,
    dpd_answered: u32,
    rtt_max_ns: u32,
    arrived_beyond: u32,
    asked_beyond: u32,
    times: [Near; TIMES],
    /// Lower halves.
    messages: [u16; 2],
    /// Messages since the other side last sent one, of the side `is_waiting`; saturates.
    unanswered: u16,
    /// Exchange of the latest message.
    pub exchange: u8,
    marks: Marks,
}

/// Two bits each: how often a message of either direction was answered, requests of DPD that
/// wait; one bit each: who sent the last message, who asked first.
#[derive(Clone, Copy, Debug, Default)]
struct Marks(u8);

impl Marks {
    const PENDING: u8 = 4;
    const WAITING: u8 = 6;
    const DPD_OF: u8 = 7;

    fn bits(self, at: u8, mask: u8) -> u8 {
        self.0 >> at & mask
    }

    fn set(&mut self, at: u8, mask: u8, to: u8) {
        self.0 = self.0 & !(mask << at) | to.min(mask) << at;
    }
}

/// No message was seen.
pub static NO_IKE: IkeMeter = IkeMeter::NONE;

impl Default for IkeMeter {
    fn default() -> Self {
        Self::NONE
    }
}

impl IkeMeter {
    const NONE: Self = Self {
        initiator: 0,
        responder: 0,
        odd: None,
        origin: Origin::ZERO,
        rtt_min_ns: [0; 2],
        asked: 0,
        dpd_answered: 0,
        rtt_max_ns: 0,
        arrived_beyond: 0,
        asked_beyond: 0,
        times: [Near::NONE; TIMES],
        messages: [0; 2],
        unanswered: 0,
        exchange: 0,
        marks: Marks(0),
    };

    /// Messages of direction `dir`: 0 to the headend, 1 to the client.
    pub fn messages(&self, dir: usize) -> u32 {
        let high = self.odd.as_ref().map_or(0, |odd| odd.messages[dir]);
        u32::from(high) << 16 | u32::from(self.messages[dir])
    }

    /// Messages of this direction since the other side last sent one; at most 65,535.
    pub fn unanswered(&self, dir: usize) -> u32 {
        let is_waiting = usize::from(self.marks.bits(Marks::WAITING, 1)) == dir;
        u32::from(if is_waiting { self.unanswered } else { 0 })
    }

    /// First message of that run.
    pub fn unanswered_since(&self, dir: usize) -> Option<Timestamp> {
        (self.unanswered(dir) > 0).then(|| self.time(Time::UnansweredSince, 0).get())?
    }

    /// Last message of this direction.
    pub fn last(&self, dir: usize) -> Option<Timestamp> {
        self.time(Time::Last, dir).get()
    }

    /// Its last encrypted informational of DPD or delete size.
    pub fn last_informational(&self, dir: usize) -> Option<Timestamp> {
        self.time(Time::Informational, dir).get()
    }

    /// How often a message of this direction was answered, at most 3.
    pub fn answered(&self, dir: usize) -> u8 {
        self.marks.bits(2 * dir as u8, 3)
    }

    /// Smallest time from a message to the other side's next, ns; 0: none yet.
    pub fn rtt_min_ns(&self, dir: usize) -> i64 {
        match self.rtt_min_ns[dir] {
            FAR_NS => self.far().map_or(0, |far| far.rtt_min_ns[dir]),
            ns => i64::from(ns),
        }
    }

    /// Informational exchanges as questions and answers, by direction of the question.
    pub fn dpd(&self, dir: usize) -> DpdMeter {
        let odd = self.odd.as_deref();
        if usize::from(self.marks.bits(Marks::DPD_OF, 1)) != dir {
            return odd.map_or_else(DpdMeter::default, |odd| odd.other_dpd);
        }
        let last_asked = self.time(Time::LastAsked, 0);
        let (pending, pending_since) = match (self.marks.bits(Marks::PENDING, 3), odd) {
            (0, _) => (0, MaybeTime::NONE),
            (ODD_PENDING, Some(odd)) => (odd.pending, odd.pending_since),
            _ => (1, last_asked),
        };
        DpdMeter {
            asked: self.asked,
            answered: self.dpd_answered,
            pending,
            pending_since,
            first_asked: self.time(Time::FirstAsked, 0),
            last_asked,
            rtt_max_ns: self.rtt_max_ns,
            arrived: self.time(Time::Arrived, 0),
            arrived_beyond: self.arrived_beyond,
            asked_beyond: self.asked_beyond,
        }
    }

    fn set_dpd(&mut self, dir: usize, dpd: &DpdMeter) {
        if self.asked == 0 {
            self.marks.set(Marks::DPD_OF, 1, dir as u8);
        }
        if usize::from(self.marks.bits(Marks::DPD_OF, 1)) != dir {
            self.odd_mut().other_dpd = *dpd;
            return;
        }
        let is_odd = dpd.pending > 1 || dpd.pending == 1 && dpd.pending_since != dpd.last_asked;
        if is_odd {
            let odd = self.odd_mut();
            (odd.pending, odd.pending_since) = (dpd.pending, dpd.pending_since);
        }
        let pending = if is_odd {
            ODD_PENDING
        } else {
            u8::from(dpd.pending > 0)
        };
        self.marks.set(Marks::PENDING, 3, pending);
        self.asked = dpd.asked;
        self.dpd_answered = dpd.answered;
        self.rtt_max_ns = dpd.rtt_max_ns;
        self.arrived_beyond = dpd.arrived_beyond;
        self.asked_beyond = dpd.asked_beyond;
        self.set_time(Time::FirstAsked, 0, dpd.first_asked);
        self.set_time(Time::LastAsked, 0, dpd.last_asked);
        self.set_time(Time::Arrived, 0, dpd.arrived);
    }

    fn odd_mut(&mut self) -> &mut Odd {
        self.odd.get_or_insert_default()
    }

    fn far(&self) -> Option<&Far> {
        self.odd.as_ref()?.far.as_deref()
    }

    fn far_mut(&mut self) -> &mut Far {
        self.odd_mut().far.get_or_insert_default()
    }

    fn time(&self, time: Time, dir: usize) -> MaybeTime {
        let at = time as usize + dir;
        match self.times[at].value() {
            Value::Absent => MaybeTime::NONE,
            Value::Far => self.far().map_or(MaybeTime::NONE, |far| far.times[at]),
            Value::Is(ns) => self.origin.plus(ns).into(),
        }
    }

    fn set_time(&mut self, time: Time, dir: usize, to: MaybeTime) {
        let at = time as usize + dir;
        self.times[at] = match to.get() {
            None => Near::NONE,
            Some(ts) => Near::of(self.origin.offset(ts)),
        };
        if self.times[at].value() == Value::Far {
            self.far_mut().times[at] = to;
        }
    }

    /// A gap in the capture: what waits for an answer may have had it.
    pub fn on_capture_gap(&mut self) {
        self.unanswered = 0;
        for dir in 0..2 {
            let mut dpd = self.dpd(dir);
            if dpd.pending > 0 {
                dpd.pending = 0;
                dpd.pending_since = MaybeTime::NONE;
                self.set_dpd(dir, &dpd);
            }
        }
    }

    fn count(&mut self, dir: usize) {
        let (sum, is_over) = self.messages[dir].overflowing_add(1);
        self.messages[dir] = sum;
        if is_over {
            let high = &mut self.odd_mut().messages[dir];
            *high = high.saturating_add(1);
        }
    }

    fn take_rtt(&mut self, dir: usize, rtt_ns: i64) {
        let min = self.rtt_min_ns(dir);
        let rtt_ns = rtt_ns.max(1);
        if min != 0 && min <= rtt_ns {
            return;
        }
        self.rtt_min_ns[dir] = u32::try_from(rtt_ns).unwrap_or(FAR_NS);
        if self.rtt_min_ns[dir] == FAR_NS {
            self.far_mut().rtt_min_ns[dir] = rtt_ns;
        }
    }

    /// Takes one message sent in direction `dir` (0 to the headend, 1 to the client),
    /// `beyond` bytes beyond the last ACK that its sender got.
    pub fn on_message(
        &mut self,
        dir: usize,
        header: Option<&IsakmpHeader>,
        ts: Timestamp,
        beyond: u64,
    ) {
        let other = 1 - dir;
        if self.last(dir).or(self.last(other)).is_none() {
            self.origin = Origin::before(ts);
        }
        self.count(dir);
        if self.unanswered(other) > 0 {
            let answered = self.answered(other) + 1;
            self.marks.set(2 * other as u8, 3, answered);
            if let Some(asked) = self.last(other) {
                self.take_rtt(other, ts.since(asked));
            }
        }
        // The last message of a negotiation (quick mode's third) has no answer: what is asked
        // later begins a run of its own.
        let begins = header.is_some_and(|h| is_informational(h.exchange))
            && !is_informational(self.exchange);
        let unanswered = if begins {
            0
        } else {
            self.unanswered(dir) as u16
        };
        if unanswered == 0 {
            self.set_time(Time::UnansweredSince, 0, ts.into());
        }
        self.unanswered = unanswered.saturating_add(1);
        self.marks.set(Marks::WAITING, 1, dir as u8);
        self.set_time(Time::Last, dir, ts.into());
        if let Some(h) = header {
            self.initiator = h.initiator;
            if h.responder != 0 {
                self.responder = h.responder;
            }
            self.exchange = h.exchange;
            if h.exchange == 5 {
                self.set_time(Time::Informational, dir, ts.into());
            }
            if is_informational(h.exchange) {
                self.on_informational(dir, ts, beyond);
            }
        }
    }

    fn on_informational(&mut self, dir: usize, ts: Timestamp, beyond: u64) {
        let mut asked = self.dpd(1 - dir);
        if asked.asked > 0 && asked.answer(ts) {
            self.set_dpd(1 - dir, &asked);
            return;
        }
        let mut own = self.dpd(dir);
        own.ask(ts, beyond);
        self.set_dpd(dir, &own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NANOS_PER_MILLI;
    use proptest::prelude::*;

    fn header(version: u8, exchange: u8) -> [u8; 28] {
        let mut b = [0; 28];
        b[0] = 1;
        b[17] = version;
        b[18] = exchange;
        b[27] = 92;
        b
    }

    #[test]
    fn reads_what_ike_sends_and_nothing_else() {
        assert!(IsakmpHeader::parse(&header(0x10, 4)).is_some());
        assert!(IsakmpHeader::parse(&header(0x10, 7)).is_none());
        assert!(IsakmpHeader::parse(&header(0x30, 4)).is_none());
        assert!(IsakmpHeader::parse(&header(0x10, 4)[..27]).is_none());
    }

    #[test]
    fn pairs_questions_and_answers_by_order() {
        let mut m = IkeMeter::default();
        m.on_message(0, None, Timestamp(0), 0);
        m.on_message(1, None, Timestamp(50), 0);
        m.on_message(0, None, Timestamp(100), 0);
        m.on_message(0, None, Timestamp(200), 0);
        assert_eq!(
            (m.answered(0), m.unanswered(0), m.rtt_min_ns(0)),
            (1, 2, 50)
        );
        assert_eq!(m.unanswered_since(0), Some(Timestamp(100)));
        assert_eq!(m.unanswered_since(1), None);
    }

    #[test]
    fn the_last_word_of_a_negotiation_waits_for_nothing() {
        let quick = IsakmpHeader::parse(&header(0x10, 32));
        let dpd = IsakmpHeader::parse(&header(0x10, 5));
        let mut m = IkeMeter::default();
        m.on_message(1, quick.as_ref(), Timestamp(0), 0);
        m.on_message(0, quick.as_ref(), Timestamp(50), 0);
        m.on_message(0, dpd.as_ref(), Timestamp(900), 0);
        m.on_message(0, dpd.as_ref(), Timestamp(990), 0);
        assert_eq!(m.unanswered(0), 2);
        assert_eq!(m.unanswered_since(0), Some(Timestamp(900)));
    }

    #[test]
    fn dpd_tells_answers_from_questions() {
        let h = IsakmpHeader::parse(&header(0x10, 5));
        let s = |t: i64| Timestamp(t * 1_000 * NANOS_PER_MILLI);
        let mut m = IkeMeter::default();
        for t in [0, 10, 20, 30] {
            m.on_message(0, h.as_ref(), s(t), 7);
            m.on_message(1, h.as_ref(), s(t).plus(40 * NANOS_PER_MILLI), 0);
        }
        assert_eq!((m.dpd(0).asked, m.dpd(0).answered), (4, 4));
        assert_eq!(m.dpd(1).asked, 0, "answers are no questions");
        assert!(m.dpd(0).is_answered() && !m.dpd(1).is_answered());
        assert_eq!(
            (m.dpd(0).arrived.get(), m.dpd(0).arrived_beyond),
            (Some(s(30)), 7)
        );
        m.on_message(0, h.as_ref(), s(40), 900);
        m.on_message(1, h.as_ref(), s(45), 0);
        assert_eq!(
            (m.dpd(0).pending, m.dpd(1).asked),
            (1, 1),
            "five seconds later is no answer"
        );
        assert_eq!(m.dpd(0).arrived_beyond, 7);
    }

    proptest! {
        /// Packed into few bytes it says what plain numbers would.
        #[test]
        fn says_what_plain_numbers_would(
            messages in prop::collection::vec((0usize..2, 0usize..4, -30i64..60, 0u64..5), 1..80),
        ) {
            // Near, over seconds, and over days.
            const STEPS: [i64; 4] = [1, NANOS_PER_MILLI, 100 * NANOS_PER_MILLI, 1 << 46];
            let informational = IsakmpHeader::parse(&header(0x10, 5));
            let mut m = IkeMeter::default();
            let mut dpd = [DpdMeter::default(); 2];
            let (mut sent, mut waits, mut since) = ([0u32; 2], [0u32; 2], [None; 2]);
            let (mut last, mut min) = ([None; 2], [0i64; 2]);
            let mut now = Timestamp(1_795_402_680_000_000_000);
            for (dir, scale, steps, beyond) in messages {
                now = now.plus(steps * STEPS[scale]);
                let other = 1 - dir;
                m.on_message(dir, informational.as_ref(), now, beyond);
                if let Some(asked) = last[other].filter(|_| waits[other] > 0) {
                    let rtt = now.since(asked).max(1);
                    min[other] = if min[other] == 0 { rtt } else { rtt.min(min[other]) };
                }
                sent[dir] += 1;
                (waits[other], since[other]) = (0, None);
                waits[dir] += 1;
                since[dir] = since[dir].or(Some(now));
                last[dir] = Some(now);
                if dpd[other].asked == 0 || !dpd[other].answer(now) {
                    dpd[dir].ask(now, beyond);
                }
                for d in 0..2 {
                    prop_assert_eq!(m.dpd(d), dpd[d]);
                    prop_assert_eq!((m.messages(d), m.unanswered(d)), (sent[d], waits[d]));
                    prop_assert_eq!((m.unanswered_since(d), m.last(d)), (since[d], last[d]));
                    prop_assert_eq!((m.last_informational(d), m.rtt_min_ns(d)), (last[d], min[d]));
                }
            }
        }
    }

    #[test]
    fn many_messages_are_counted_on() {
        let mut m = IkeMeter::default();
        for n in 0..140_000 {
            m.on_message(0, None, Timestamp(n), 0);
        }
        assert_eq!((m.messages(0), m.messages(1)), (140_000, 0));
        assert_eq!(m.unanswered(0), 65_535);
    }
}
