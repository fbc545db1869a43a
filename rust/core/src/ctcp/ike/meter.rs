//! The rhythm of IKE messages in few bytes: every tunnel session has one. What most sessions do
//! not have is boxed, and a time that is nearly always equal to another has no place.

use super::{IsakmpHeader, is_informational};
use crate::ctcp::dpd::DpdMeter;
use crate::ctcp::identity::{Identity, UNNAMED};
use crate::near::{Near, Origin, Value};
use crate::time::{MaybeTime, Timestamp};

#[cfg(test)]
mod tests;

/// Times of an [`IkeMeter`] that have a place of their own.
#[derive(Clone, Copy, Debug)]
enum Time {
    /// Last message by direction.
    Last = 0,
    // Of DPD.
    FirstAsked = 2,
    LastAsked = 3,
    /// Last encrypted informational of DPD or delete size, of the side that did not ask first.
    Informational = 4,
    /// What [`told`] says.
    Spare = 5,
}

const TIMES: usize = Time::Spare as usize + 1;
/// Stands for a time that is in [`Far`].
const FAR_NS: u32 = u32::MAX;
/// Stands for numbers of requests that are in [`Far`].
const FAR_LOST: u8 = 7;
/// Requests without an answer whose number is in [`Odd`].
const ODD_PENDING: u8 = 2;

/// Bits of `IkeMeter::told`: times that are nearly always equal to another one have no place.
mod told {
    /// The last informational of the side that asked first was its last request.
    pub(super) const INFORMATIONAL_IS_ASKED: u8 = 1;
    /// Its last request has arrived.
    pub(super) const ARRIVED_IS_ASKED: u8 = 2;
    /// One message waits for an answer: the last one.
    pub(super) const SINCE_IS_LAST: u8 = 4;
    /// The request that arrived was an earlier one, sent at the time in the spare place.
    pub(super) const ARRIVED_IS_SPARE: u8 = 8;
    /// The first message that waits was sent at the time in the spare place. Where neither
    /// that nor the last one, it is in [`super::Odd`].
    pub(super) const SINCE_IS_SPARE: u8 = 16;
    /// Where the number of requests begins that neither were answered nor wait.
    pub(super) const LOST_AT: u32 = 5;
}

/// What is asked for seldom enough to lie in a box where there is one.
#[derive(Clone, Copy, Debug, Default)]
struct Few {
    /// Longest time to an answer, of DPD of the side that asked first.
    rtt_max_ns: [u8; 4],
    arrived_beyond: [u8; 4],
    asked_beyond: [u8; 4],
    /// Exchange of the latest message.
    exchange: u8,
    /// What [`told`] names.
    told: u8,
    marks: Marks,
}

/// The box of what only some sessions have, with the few bytes in whose place it is.
#[derive(Clone, Debug)]
enum Place {
    Few(Few),
    Extra(Box<Extra>),
}

const _: () = assert!(size_of::<Place>() == 16);

/// What only some sessions have.
#[derive(Clone, Debug, Default)]
struct Extra {
    odd: Option<Box<Odd>>,
    identity: Identity,
    few: Few,
}

/// With the word that the heap takes before it: 64.
const _: () = assert!(size_of::<Extra>() <= 56);

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
    /// Last informational of the side that asked first, where it was no request.
    informational: MaybeTime,
    /// First message of those that wait, where there is no place for it.
    since: MaybeTime,
    /// DPD of the side that did not ask first.
    other_dpd: DpdMeter,
}

/// Numbers that are too large for the meter.
#[derive(Clone, Debug, Default)]
struct Far {
    /// Times days away from the first message.
    times: [MaybeTime; TIMES],
    rtt_min_ns: [i64; 2],
    asked: u32,
    answered: u32,
}

/// With the word that the heap takes before it: 112.
const _: () = assert!(size_of::<Odd>() <= 104);

/// IKE messages of one session: who asked, who answered, how fast.
///
/// `DPD` in IKEv1 uses two informational messages with different message ids
/// (RFC 3706 section 5.3), so answers are paired by order and time, not by id.
///
/// Every tunnel session has one: 88 bytes, of which nothing is rounded.
#[derive(Clone, Debug)]
pub struct IkeMeter {
    /// Initiator cookie of the latest message with one.
    pub initiator: u64,
    /// Responder cookie, once seen.
    pub responder: u64,
    place: Place,
    /// Times count from here.
    origin: Origin,
    /// Smallest time from a message to the other side's next, ns; 0: none yet.
    rtt_min_ns: [u32; 2],
    /// DPD requests of the side that asked first; often the only one that does.
    asked: u16,
    times: [Near; TIMES],
    /// Lower halves.
    messages: [u16; 2],
    /// Messages since the other side last sent one, of the side `is_waiting`; saturates.
    unanswered: u16,
}

const _: () = assert!(size_of::<IkeMeter>() == 88);

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

impl Default for IkeMeter {
    fn default() -> Self {
        Self::NONE
    }
}

impl IkeMeter {
    const NONE: Self = Self {
        initiator: 0,
        responder: 0,
        place: Place::Few(Few {
            rtt_max_ns: [0; 4],
            arrived_beyond: [0; 4],
            asked_beyond: [0; 4],
            exchange: 0,
            told: 0,
            marks: Marks(0),
        }),
        origin: Origin::ZERO,
        rtt_min_ns: [0; 2],
        asked: 0,
        times: [Near::NONE; TIMES],
        messages: [0; 2],
        unanswered: 0,
    };

    /// Messages of direction `dir`: 0 to the headend, 1 to the client.
    pub fn messages(&self, dir: usize) -> u32 {
        let high = self.odd().map_or(0, |odd| odd.messages[dir]);
        u32::from(high) << 16 | u32::from(self.messages[dir])
    }

    /// Messages of this direction since the other side last sent one; at most 65,535.
    pub fn unanswered(&self, dir: usize) -> u32 {
        let is_waiting = usize::from(self.few().marks.bits(Marks::WAITING, 1)) == dir;
        u32::from(if is_waiting { self.unanswered } else { 0 })
    }

    /// First message of that run.
    pub fn unanswered_since(&self, dir: usize) -> Option<Timestamp> {
        (self.unanswered(dir) > 0).then(|| self.waits_since(dir).get())?
    }

    fn waits_since(&self, dir: usize) -> MaybeTime {
        match self.few().told & (told::SINCE_IS_LAST | told::SINCE_IS_SPARE) {
            0 => self.odd().map_or(MaybeTime::NONE, |odd| odd.since),
            told::SINCE_IS_LAST => self.time(Time::Last, dir),
            _ => self.time(Time::Spare, 0),
        }
    }

    /// Keeps when the first message of side `dir` was sent that waits for an answer.
    fn set_waits_since(&mut self, dir: usize, to: MaybeTime) {
        self.few_mut().told &= !(told::SINCE_IS_LAST | told::SINCE_IS_SPARE);
        if to == self.time(Time::Last, dir) {
            self.few_mut().told |= told::SINCE_IS_LAST;
        } else if self.few().told & told::ARRIVED_IS_SPARE == 0 {
            self.set_time(Time::Spare, 0, to);
            self.few_mut().told |= told::SINCE_IS_SPARE;
        } else {
            self.odd_mut().since = to;
        }
    }

    fn arrived(&self) -> MaybeTime {
        match self.few().told & (told::ARRIVED_IS_ASKED | told::ARRIVED_IS_SPARE) {
            0 => MaybeTime::NONE,
            told::ARRIVED_IS_ASKED => self.time(Time::LastAsked, 0),
            _ => self.time(Time::Spare, 0),
        }
    }

    fn set_arrived(&mut self, to: MaybeTime) {
        self.few_mut().told &= !(told::ARRIVED_IS_ASKED | told::ARRIVED_IS_SPARE);
        if to == MaybeTime::NONE {
            return;
        }
        if to == self.time(Time::LastAsked, 0) {
            self.few_mut().told |= told::ARRIVED_IS_ASKED;
            return;
        }
        if self.few().told & told::SINCE_IS_SPARE != 0 {
            self.odd_mut().since = self.time(Time::Spare, 0);
            self.few_mut().told &= !told::SINCE_IS_SPARE;
        }
        self.set_time(Time::Spare, 0, to);
        self.few_mut().told |= told::ARRIVED_IS_SPARE;
    }

    /// Last message of this direction.
    pub fn last(&self, dir: usize) -> Option<Timestamp> {
        self.time(Time::Last, dir).get()
    }

    /// Its last encrypted informational of DPD or delete size.
    pub fn last_informational(&self, dir: usize) -> Option<Timestamp> {
        self.informational(dir).get()
    }

    /// Side that asked first.
    fn dpd_of(&self) -> usize {
        usize::from(self.few().marks.bits(Marks::DPD_OF, 1))
    }

    fn informational(&self, dir: usize) -> MaybeTime {
        if dir != self.dpd_of() {
            self.time(Time::Informational, 0)
        } else if self.few().told & told::INFORMATIONAL_IS_ASKED != 0 {
            self.time(Time::LastAsked, 0)
        } else {
            self.odd().map_or(MaybeTime::NONE, |odd| odd.informational)
        }
    }

    fn set_informational(&mut self, dir: usize, to: MaybeTime) {
        if dir != self.dpd_of() {
            self.set_time(Time::Informational, 0, to);
            return;
        }
        self.few_mut().told &= !told::INFORMATIONAL_IS_ASKED;
        if to != MaybeTime::NONE && to == self.time(Time::LastAsked, 0) {
            self.few_mut().told |= told::INFORMATIONAL_IS_ASKED;
        } else if to != MaybeTime::NONE || self.odd().is_some() {
            self.odd_mut().informational = to;
        }
    }

    /// How often a message of this direction was answered, at most 3.
    pub fn answered(&self, dir: usize) -> u8 {
        self.few().marks.bits(2 * dir as u8, 3)
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
        let odd = self.odd();
        if self.dpd_of() != dir {
            return odd.map_or_else(DpdMeter::default, |odd| odd.other_dpd);
        }
        let last_asked = self.time(Time::LastAsked, 0);
        let (pending, pending_since) = match (self.few().marks.bits(Marks::PENDING, 3), odd) {
            (0, _) => (0, MaybeTime::NONE),
            (ODD_PENDING, Some(odd)) => (odd.pending, odd.pending_since),
            _ => (1, last_asked),
        };
        let few = self.few();
        let (asked, answered) = match few.told >> told::LOST_AT {
            FAR_LOST => self.far().map_or((0, 0), |far| (far.asked, far.answered)),
            lost => {
                let asked = u32::from(self.asked);
                (asked, asked.saturating_sub(pending + u32::from(lost)))
            }
        };
        DpdMeter {
            asked,
            answered,
            pending,
            pending_since,
            first_asked: self.time(Time::FirstAsked, 0),
            last_asked,
            rtt_max_ns: u32::from_le_bytes(few.rtt_max_ns),
            arrived: self.arrived(),
            arrived_beyond: u32::from_le_bytes(few.arrived_beyond),
            asked_beyond: u32::from_le_bytes(few.asked_beyond),
        }
    }

    fn set_dpd(&mut self, dir: usize, dpd: &DpdMeter) {
        if self.dpd(self.dpd_of()).asked == 0 {
            self.few_mut().marks.set(Marks::DPD_OF, 1, dir as u8);
        }
        if self.dpd_of() != dir {
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
        self.few_mut().marks.set(Marks::PENDING, 3, pending);
        self.set_requests(dpd);
        let few = self.few_mut();
        few.rtt_max_ns = dpd.rtt_max_ns.to_le_bytes();
        few.arrived_beyond = dpd.arrived_beyond.to_le_bytes();
        few.asked_beyond = dpd.asked_beyond.to_le_bytes();
        self.set_time(Time::FirstAsked, 0, dpd.first_asked);
        self.set_time(Time::LastAsked, 0, dpd.last_asked);
        self.set_arrived(dpd.arrived);
    }

    /// Keeps the numbers of requests.
    fn set_requests(&mut self, dpd: &DpdMeter) {
        let lost = dpd
            .asked
            .checked_sub(dpd.answered.saturating_add(dpd.pending));
        let lost = lost.and_then(|lost| u8::try_from(lost).ok());
        let near = u16::try_from(dpd.asked).ok().zip(lost);
        if let Some((asked, lost)) = near.filter(|(_, lost)| *lost < FAR_LOST) {
            self.asked = asked;
            self.set_lost(lost);
            return;
        }
        self.set_lost(FAR_LOST);
        let far = self.far_mut();
        (far.asked, far.answered) = (dpd.asked, dpd.answered);
    }

    fn set_lost(&mut self, to: u8) {
        let few = self.few_mut();
        few.told = few.told & !(FAR_LOST << told::LOST_AT) | to << told::LOST_AT;
    }

    fn few(&self) -> &Few {
        match &self.place {
            Place::Few(few) => few,
            Place::Extra(extra) => &extra.few,
        }
    }

    fn few_mut(&mut self) -> &mut Few {
        match &mut self.place {
            Place::Few(few) => few,
            Place::Extra(extra) => &mut extra.few,
        }
    }

    fn extra(&self) -> Option<&Extra> {
        match &self.place {
            Place::Few(_) => None,
            Place::Extra(extra) => Some(extra),
        }
    }

    #[cold]
    fn extra_mut(&mut self) -> &mut Extra {
        if let Place::Few(few) = self.place {
            self.place = Place::Extra(Box::new(Extra {
                few,
                ..Extra::default()
            }));
        }
        match &mut self.place {
            Place::Extra(extra) => extra,
            Place::Few(_) => unreachable!("it was just made"),
        }
    }

    /// Exchange of the latest message.
    pub fn exchange(&self) -> u8 {
        self.few().exchange
    }

    /// What the ends said of themselves in clear.
    pub fn identity(&self) -> &Identity {
        self.extra().map_or(&UNNAMED, |extra| &extra.identity)
    }

    /// Reads what the ends say of themselves, of one message, ISAKMP header first.
    pub fn read_identity(&mut self, header: &IsakmpHeader, message: &[u8], is_client: bool) {
        if !Identity::may_be_in(header) {
            return;
        }
        let mut said = match &mut self.place {
            Place::Few(_) => Identity::default(),
            Place::Extra(extra) => std::mem::take(&mut extra.identity),
        };
        said.on_message(header, message, is_client);
        if said.is_something() {
            self.extra_mut().identity = said;
        }
    }

    fn odd(&self) -> Option<&Odd> {
        self.extra()?.odd.as_deref()
    }

    fn odd_mut(&mut self) -> &mut Odd {
        self.extra_mut().odd.get_or_insert_default()
    }

    fn far(&self) -> Option<&Far> {
        self.odd()?.far.as_deref()
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
            self.few_mut().marks.set(2 * other as u8, 3, answered);
            if let Some(asked) = self.last(other) {
                self.take_rtt(other, ts.since(asked));
            }
        }
        // The last message of a negotiation (quick mode's third) has no answer: what is asked
        // later begins a run of its own.
        let begins = header.is_some_and(|h| is_informational(h.exchange))
            && !is_informational(self.exchange());
        let unanswered = if begins {
            0
        } else {
            self.unanswered(dir) as u16
        };
        let since = match unanswered {
            0 => ts.into(),
            _ => self.waits_since(dir),
        };
        self.unanswered = unanswered.saturating_add(1);
        self.few_mut().marks.set(Marks::WAITING, 1, dir as u8);
        self.set_time(Time::Last, dir, ts.into());
        self.set_waits_since(dir, since);
        if let Some(h) = header {
            self.initiator = h.initiator;
            if h.responder != 0 {
                self.responder = h.responder;
            }
            self.few_mut().exchange = h.exchange;
            if is_informational(h.exchange) {
                self.on_informational(dir, h.exchange, ts, beyond);
            }
        }
    }

    fn on_informational(&mut self, dir: usize, exchange: u8, ts: Timestamp, beyond: u64) {
        let mut last = [0, 1].map(|dir| self.informational(dir));
        if exchange == 5 {
            last[dir] = ts.into();
        }
        let mut asked = self.dpd(1 - dir);
        if asked.asked > 0 && asked.answer(ts) {
            self.set_dpd(1 - dir, &asked);
        } else {
            let mut own = self.dpd(dir);
            own.ask(ts, beyond);
            self.set_dpd(dir, &own);
        }
        // Behind the requests: most are told by those.
        for (dir, last) in last.into_iter().enumerate() {
            self.set_informational(dir, last);
        }
    }
}
