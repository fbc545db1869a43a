//! Which frames a slice of a capture is made of, and on which of them a remark belongs.
//! Picks; judges nothing. Sessions and remarks come from a run that has judged before.
//!
//! Memory is that of what was asked for, however long the capture.

use std::collections::BTreeMap;

use crate::decode::decode;
use crate::flow::FlowKey;
use crate::frame::Frame;
use crate::segment::{Endpoint, Segment, TcpFlags};
use crate::session::{TO_CLIENT, TO_HEADEND};
use crate::tcp::seq::distance;
use crate::time::Timestamp;

/// A session whose frames are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Client end.
    pub client: Endpoint,
    /// Headend end.
    pub headend: Endpoint,
    /// First capture time that belongs to it.
    pub from: Timestamp,
    /// Last one.
    pub until: Timestamp,
}

/// What the frame under a remark must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Any frame of the session.
    Any,
    /// Carries data.
    Data,
    /// Carries data beyond bytes that were not seen: the segment behind a hole.
    Beyond,
    /// Carries data all of which was seen before.
    Again,
    /// Acknowledges the same as the one before from this side.
    Repeat,
    /// FIN or RST.
    Close,
    /// Offers no window.
    ZeroWindow,
}

impl Sign {
    /// Every sign with its stable name.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::Any, "any"),
        (Self::Data, "data"),
        (Self::Beyond, "beyond"),
        (Self::Again, "again"),
        (Self::Repeat, "repeat"),
        (Self::Close, "close"),
        (Self::ZeroWindow, "zero_window"),
    ];

    /// The sign of that name.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(sign, _)| *sign)
    }
}

/// A remark, and where it belongs: on the first frame of its session at or after `at` that
/// came from `sender` and shows `sign`.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Index of the session among those wanted.
    pub session: usize,
    /// Capture time.
    pub at: Timestamp,
    /// [`TO_HEADEND`] or [`TO_CLIENT`]: who sent it; none: either side.
    pub direction: Option<usize>,
    /// What it must be.
    pub sign: Sign,
    /// The remark.
    pub text: String,
}

/// What one side has sent so far.
#[derive(Clone, Copy, Default)]
struct Sent {
    /// Behind its highest byte.
    next: Option<u32>,
    /// Its last ACK.
    ack: Option<u32>,
}

struct Followed {
    wanted: Wanted,
    sent: [Sent; 2],
    /// Remarks without a frame so far, the latest first.
    marks: Vec<Mark>,
}

/// Picks frames. Feed it every frame in order.
pub struct Selector {
    followed: Vec<Followed>,
    /// Sessions by their ends: of one pair of ends several generations may be wanted.
    by_ends: BTreeMap<FlowKey, Vec<usize>>,
}

impl Selector {
    /// Picks the frames of `wanted`; a mark of a session that is not among them is dropped.
    pub fn new(wanted: Vec<Wanted>, marks: Vec<Mark>) -> Self {
        let mut by_ends: BTreeMap<FlowKey, Vec<usize>> = BTreeMap::new();
        for (at, one) in wanted.iter().enumerate() {
            by_ends.entry(key_of(one)).or_default().push(at);
        }
        let mut followed: Vec<Followed> = wanted
            .into_iter()
            .map(|wanted| Followed {
                wanted,
                sent: [Sent::default(); 2],
                marks: Vec::new(),
            })
            .collect();
        for mark in marks {
            if let Some(one) = followed.get_mut(mark.session) {
                one.marks.push(mark);
            }
        }
        for one in &mut followed {
            // Remarks of one time stay in the order in which they were given.
            one.marks.sort_by_key(|mark| mark.at);
            one.marks.reverse();
        }
        Self { followed, by_ends }
    }

    /// True when `frame` is wanted; the remarks that belong on it are added to `remarks`.
    pub fn take(&mut self, frame: &Frame<'_>, remarks: &mut Vec<String>) -> bool {
        let Ok(segment) = decode(frame) else {
            return false;
        };
        let (key, _) = FlowKey::of(&segment);
        let Some(sessions) = self.by_ends.get(&key) else {
            return false;
        };
        let mut is_wanted = false;
        for at in sessions {
            let one = &mut self.followed[*at];
            if (one.wanted.from..=one.wanted.until).contains(&frame.ts) {
                is_wanted = true;
                one.take(&segment, remarks);
            }
        }
        is_wanted
    }

    /// The remarks that fit any frame and came too late for one: nothing of the session
    /// followed. Their place is behind its last frame.
    pub fn late(&mut self) -> Vec<String> {
        let of_one = |one: &mut Followed| {
            let mut late: Vec<Mark> = std::mem::take(&mut one.marks);
            late.reverse();
            late.into_iter()
                .filter(|mark| mark.sign == Sign::Any)
                .map(|mark| mark.text)
        };
        self.followed.iter_mut().flat_map(of_one).collect()
    }
}

impl Followed {
    fn take(&mut self, segment: &Segment<'_>, remarks: &mut Vec<String>) {
        let direction = if segment.src == self.wanted.client {
            TO_HEADEND
        } else {
            TO_CLIENT
        };
        let sent = self.sent[direction];
        // The latest stand first: those at hand are at the end.
        let due = self.marks.partition_point(|mark| mark.at > segment.ts);
        let fits = |mark: &Mark| {
            mark.direction.is_none_or(|wanted| wanted == direction)
                && sent.shows(mark.sign, segment)
        };
        for at in (due..self.marks.len()).rev() {
            if fits(&self.marks[at]) {
                remarks.push(self.marks.remove(at).text);
            }
        }
        self.sent[direction].note(segment);
    }
}

impl Sent {
    /// True when the next segment, `s`, shows `sign`.
    fn shows(self, sign: Sign, s: &Segment<'_>) -> bool {
        let has_data = s.payload_len > 0;
        let beyond = |seq: u32| self.next.map(|next| distance(seq, next));
        match sign {
            Sign::Any => true,
            Sign::Data => has_data,
            Sign::Beyond => has_data && beyond(s.seq).is_some_and(|bytes| bytes > 0),
            Sign::Again => {
                has_data
                    && beyond(s.seq.wrapping_add(s.payload_len)).is_some_and(|bytes| bytes <= 0)
            }
            Sign::Repeat => s.flags.any(TcpFlags::ACK) && self.ack == Some(s.ack),
            Sign::Close => s.flags.any(TcpFlags::FIN | TcpFlags::RST),
            Sign::ZeroWindow => s.window == 0 && !s.flags.any(TcpFlags::RST),
        }
    }

    fn note(&mut self, s: &Segment<'_>) {
        if s.flags.any(TcpFlags::RST) {
            return;
        }
        let end = s.seq.wrapping_add(s.seg_len());
        let is_new = |next: u32| s.flags.any(TcpFlags::SYN) || distance(end, next) > 0;
        if self.next.is_none_or(is_new) {
            self.next = Some(end);
        }
        if s.flags.any(TcpFlags::ACK) {
            self.ack = Some(s.ack);
        }
    }
}

fn key_of(wanted: &Wanted) -> FlowKey {
    let (a, b) = (wanted.client, wanted.headend);
    FlowKey {
        low: a.min(b),
        high: a.max(b),
    }
}
