//! The ISAKMP header (RFC 2408 section 3.1) and the rhythm of IKE messages.
//!
//! Only header fields are read: cookies, exchange, length. Nonces, hashes and
//! key material are never copied out of a packet.

use crate::time::{MaybeTime, NANOS_PER_MILLI, Timestamp};

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

/// An informational message of the other side within this time answers one of this
/// side; a later one is a question of its own (guess: above every round trip, below
/// the shortest DPD retry in the field, ASA's 2 s).
const DPD_ANSWER_NS: i64 = 1_900 * NANOS_PER_MILLI;

/// DPD of one direction (RFC 3706): the only thing inside cTCP that the far end always
/// answers, and so the only proof that data arrive which does not depend on TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct DpdMeter {
    /// Requests.
    pub asked: u32,
    /// Requests that were answered.
    pub answered: u32,
    /// Requests since the last answer.
    pub pending: u32,
    /// First of them.
    pub pending_since: MaybeTime,
    /// First request of all.
    pub first_asked: Timestamp,
    /// Last request.
    pub last_asked: Timestamp,
    /// Longest time to an answer, ns; an answer comes within [`DPD_ANSWER_NS`].
    pub rtt_max_ns: u32,
    /// When the last request that was answered was sent: it arrived.
    pub arrived: MaybeTime,
    /// Most bytes beyond the receiver's ACK at which a request was sent that was answered;
    /// saturates far above any window.
    pub arrived_beyond: u32,
    asked_beyond: u32,
}

/// No request was seen.
static NO_DPD: DpdMeter = DpdMeter::NONE;

impl DpdMeter {
    const NONE: Self = Self {
        asked: 0,
        answered: 0,
        pending: 0,
        pending_since: MaybeTime::NONE,
        first_asked: Timestamp(0),
        last_asked: Timestamp(0),
        rtt_max_ns: 0,
        arrived: MaybeTime::NONE,
        arrived_beyond: 0,
        asked_beyond: 0,
    };

    /// True when requests of this direction used to be answered.
    pub fn is_answered(&self) -> bool {
        // Of the requests before the ones now waiting nine in ten (guess: loss on both
        // ways below five per cent).
        let settled = self.asked.saturating_sub(self.pending);
        self.answered >= 3 && self.answered * 10 >= settled * 9
    }

    /// Mean time between requests, ns; `None` before three of them.
    pub fn every_ns(&self) -> Option<i64> {
        (self.asked >= 3)
            .then(|| self.last_asked.since(self.first_asked) / i64::from(self.asked - 1))
    }

    fn ask(&mut self, ts: Timestamp, beyond: u64) {
        if self.asked == 0 {
            self.first_asked = ts;
        }
        self.asked = self.asked.saturating_add(1);
        self.pending = self.pending.saturating_add(1);
        self.pending_since.set_if_absent(ts);
        self.last_asked = ts;
        self.asked_beyond = u32::try_from(beyond).unwrap_or(u32::MAX);
    }

    /// True when a message of the other side at `ts` answers a request of this one.
    fn answer(&mut self, ts: Timestamp) -> bool {
        let rtt = ts.since(self.last_asked);
        if self.pending == 0 || rtt > DPD_ANSWER_NS {
            return false;
        }
        self.answered = self.answered.saturating_add(1);
        self.pending = 0;
        self.pending_since = MaybeTime::NONE;
        self.rtt_max_ns = self.rtt_max_ns.max(u32::try_from(rtt).unwrap_or(0));
        self.arrived = self.last_asked.into();
        self.arrived_beyond = self.arrived_beyond.max(self.asked_beyond);
        true
    }
}

/// IKE messages of one session: who asked, who answered, how fast.
///
/// `DPD` in IKEv1 uses two informational messages with different message ids
/// (RFC 3706 section 5.3), so answers are paired by order and time, not by id.
#[derive(Clone, Debug, Default)]
pub struct IkeMeter {
    /// Messages by direction: to the headend, to the client.
    pub messages: [u32; 2],
    /// Messages of this direction since the other side last sent one.
    pub unanswered: [u32; 2],
    /// First message of that run.
    pub unanswered_since: [MaybeTime; 2],
    /// Last message by direction.
    pub last: [MaybeTime; 2],
    /// How often a message of this direction was answered, at most 255.
    pub answered: [u8; 2],
    /// Smallest time from a message to the other side's next, ns; 0: none yet.
    pub rtt_min_ns: [i64; 2],
    /// Initiator cookie of the latest message with one.
    pub initiator: u64,
    /// Responder cookie, once seen.
    pub responder: u64,
    /// Exchange of the latest message.
    pub exchange: u8,
    /// Last encrypted informational of DPD or delete size, by direction.
    pub last_informational: [MaybeTime; 2],
    /// DPD of the side that asked first; often the only one that does.
    dpd: DpdMeter,
    dpd_of: u8,
    /// That of the other side.
    other_dpd: Option<Box<DpdMeter>>,
}

/// No message was seen.
pub static NO_IKE: IkeMeter = IkeMeter {
    messages: [0; 2],
    unanswered: [0; 2],
    unanswered_since: [MaybeTime::NONE; 2],
    last: [MaybeTime::NONE; 2],
    answered: [0; 2],
    rtt_min_ns: [0; 2],
    initiator: 0,
    responder: 0,
    exchange: 0,
    last_informational: [MaybeTime::NONE; 2],
    dpd: DpdMeter::NONE,
    dpd_of: 0,
    other_dpd: None,
};

impl IkeMeter {
    /// Informational exchanges as questions and answers, by direction of the question.
    pub fn dpd(&self, dir: usize) -> &DpdMeter {
        if usize::from(self.dpd_of) == dir {
            return &self.dpd;
        }
        self.other_dpd.as_deref().unwrap_or(&NO_DPD)
    }

    fn dpd_mut(&mut self, dir: usize) -> &mut DpdMeter {
        if self.dpd.asked == 0 {
            self.dpd_of = dir as u8;
        }
        if usize::from(self.dpd_of) == dir {
            return &mut self.dpd;
        }
        self.other_dpd.get_or_insert_default()
    }

    /// A gap in the capture: what waits for an answer may have had it.
    pub fn on_capture_gap(&mut self) {
        self.unanswered = [0; 2];
        self.unanswered_since = [MaybeTime::NONE; 2];
        for dpd in [Some(&mut self.dpd), self.other_dpd.as_deref_mut()]
            .into_iter()
            .flatten()
        {
            dpd.pending = 0;
            dpd.pending_since = MaybeTime::NONE;
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
        self.messages[dir] = self.messages[dir].saturating_add(1);
        if self.unanswered[other] > 0 {
            self.answered[other] = self.answered[other].saturating_add(1);
            if let Some(asked) = self.last[other].get() {
                let rtt = ts.since(asked).max(1);
                let min = &mut self.rtt_min_ns[other];
                *min = if *min == 0 { rtt } else { rtt.min(*min) };
            }
        }
        self.unanswered[other] = 0;
        self.unanswered_since[other] = MaybeTime::NONE;
        // The last message of a negotiation (quick mode's third) has no answer: what is asked
        // later begins a run of its own.
        if header.is_some_and(|h| is_informational(h.exchange)) && !is_informational(self.exchange)
        {
            self.unanswered[dir] = 0;
            self.unanswered_since[dir] = MaybeTime::NONE;
        }
        self.unanswered[dir] = self.unanswered[dir].saturating_add(1);
        self.unanswered_since[dir].set_if_absent(ts);
        self.last[dir] = ts.into();
        if let Some(h) = header {
            self.initiator = h.initiator;
            if h.responder != 0 {
                self.responder = h.responder;
            }
            self.exchange = h.exchange;
            if h.exchange == 5 {
                self.last_informational[dir] = ts.into();
            }
            if is_informational(h.exchange) {
                let is_asked = self.dpd(other).asked > 0;
                if !is_asked || !self.dpd_mut(other).answer(ts) {
                    self.dpd_mut(dir).ask(ts, beyond);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (m.answered[0], m.unanswered[0], m.rtt_min_ns[0]),
            (1, 2, 50)
        );
        assert_eq!(m.unanswered_since[0].get(), Some(Timestamp(100)));
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
        assert_eq!(m.unanswered[0], 2);
        assert_eq!(m.unanswered_since[0].get(), Some(Timestamp(900)));
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
}
