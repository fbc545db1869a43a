//! What of a series fits into so many columns: per column the extremes and whatever is rare, so
//! that nothing an eye looks for is lost. The same series and window give the same drawing.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::series::{Hole, Marks, Point, Series};
use crate::time::Timestamp;

/// Stretches of one kind kept in one column; beyond that they are drawn as one (guess: a column
/// of a terminal has fewer dots to show them apart).
const MOST_SPANS: usize = 64;

/// Bytes sent within one column, without a gap between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Time of its first packet.
    pub at: Timestamp,
    /// First byte.
    pub low: i64,
    /// Behind the last byte.
    pub high: i64,
    /// One of [`Marks::DATA`], [`Marks::AGAIN`], [`Marks::LATE`].
    pub kind: u16,
    /// Packets in it.
    pub packets: u32,
}

/// What the other side acknowledged, as a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Time.
    pub at: Timestamp,
    /// Everything before it has arrived.
    pub ack: i64,
    /// The end of the window that it offers.
    pub edge: i64,
    /// Duplicate ACKs in this column.
    pub duplicates: u32,
}

/// Bytes that the other side says it has, beyond its ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Time.
    pub at: Timestamp,
    /// Left edge.
    pub left: i64,
    /// Right edge.
    pub right: i64,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// SYN of the side that is drawn.
    Syn,
    /// FIN of the side that is drawn.
    Fin,
    /// RST of the side that is drawn.
    Reset,
    /// RST of the other side.
    ResetByOther,
    /// The other side offers no window.
    ZeroWindow,
}

impl EventKind {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::Fin => "fin",
            Self::Reset => "reset",
            Self::ResetByOther => "reset_by_other",
            Self::ZeroWindow => "zero_window",
        }
    }
}

/// One of what is rare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Time.
    pub at: Timestamp,
    /// Sequence number of the side that is drawn.
    pub seq: i64,
    /// What it is.
    pub kind: EventKind,
    /// How many in this column.
    pub packets: u32,
}

/// One direction in one window of time.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Bytes sent.
    pub spans: Vec<Span>,
    /// What came back; the first step may be earlier than the window, so that the line begins at its edge.
    pub acks: Vec<Acked>,
    /// SACK blocks.
    pub bands: Vec<Band>,
    /// Missing bytes.
    pub holes: Vec<Hole>,
    /// Rare ones.
    pub events: Vec<Event>,
    /// Things that were drawn as one with others, or not at all.
    pub merged: u64,
}

/// Where a time falls.
struct Window {
    from: i64,
    until: i64,
    columns: usize,
}

impl Window {
    fn column(&self, at: Timestamp) -> Option<usize> {
        if !(self.from..=self.until).contains(&at.0) {
            return None;
        }
        let past = i128::from(at.0) - i128::from(self.from);
        let width = (i128::from(self.until) - i128::from(self.from)).max(1);
        let column = past * self.columns as i128 / width;
        Some((column as usize).min(self.columns - 1))
    }
}

impl Series {
    /// What `side` sent between two times, both included, and what came back for it, in at most
    /// `columns` columns.
    pub fn drawing(
        &self,
        side: usize,
        from: Timestamp,
        until: Timestamp,
        columns: usize,
    ) -> Drawing {
        let window = Window {
            from: from.0,
            until: until.0.max(from.0),
            columns: columns.max(1),
        };
        let mut drawn = Drawing::default();
        let mut at_column = Places::default();
        for point in self.points() {
            if point.marks.any(Marks::COPY) {
                continue;
            }
            let Some(column) = window.column(point.at) else {
                if point.at < from && point.side != side {
                    drawn.step_before(point);
                }
                continue;
            };
            if at_column.now != Some(column) {
                at_column.begin(column, &drawn);
            }
            if point.side == side {
                drawn.sent(point, &at_column);
            } else {
                drawn.answered(point, self.blocks(point), &at_column);
            }
        }
        drawn.take_holes(self.holes(side), &window);
        drawn
    }
}

/// Where the things of the present column begin.
#[derive(Default)]
struct Places {
    now: Option<usize>,
    spans: usize,
    acks: usize,
    bands: usize,
    events: usize,
}

impl Places {
    fn begin(&mut self, column: usize, drawn: &Drawing) {
        // Packets whose time goes back begin a column anew; that costs a few more marks.
        *self = Self {
            now: Some(column),
            spans: drawn.spans.len(),
            acks: drawn.acks.len(),
            bands: drawn.bands.len(),
            events: drawn.events.len(),
        };
    }
}

impl Drawing {
    fn step_before(&mut self, point: &Point) {
        if let Some(step) = step(point) {
            self.acks.clear();
            self.acks.push(step);
        }
    }

    fn sent(&mut self, point: &Point, places: &Places) {
        for (mark, kind) in [
            (Marks::SYN, EventKind::Syn),
            (Marks::FIN, EventKind::Fin),
            (Marks::RST, EventKind::Reset),
        ] {
            if point.marks.any(mark) {
                self.event(point.at, point.seq, kind, places);
            }
        }
        if !point.marks.any(Marks::DATA) || point.marks.any(Marks::RST) {
            return;
        }
        let kind = if point.marks.any(Marks::AGAIN) {
            Marks::AGAIN
        } else if point.marks.any(Marks::LATE) {
            Marks::LATE
        } else {
            Marks::DATA
        };
        let (low, high) = (point.seq, point.seq + i64::from(point.len));
        let known = self.spans.get_mut(places.spans..).unwrap_or_default();
        let number = known.iter().filter(|span| span.kind == kind).count();
        let touching = known.iter_mut().rev().find(|span| {
            span.kind == kind && (number >= MOST_SPANS || (low <= span.high && high >= span.low))
        });
        if let Some(span) = touching {
            if number >= MOST_SPANS && !(low <= span.high && high >= span.low) {
                self.merged += 1;
            }
            span.low = span.low.min(low);
            span.high = span.high.max(high);
            span.packets += 1;
        } else {
            self.spans.push(Span {
                at: point.at,
                low,
                high,
                kind,
                packets: 1,
            });
        }
    }

    fn answered(&mut self, point: &Point, blocks: &[(i64, i64)], places: &Places) {
        if point.marks.any(Marks::RST) {
            let seq = point
                .ack
                .or_else(|| self.acks.last().map(|step| step.ack))
                .unwrap_or(0);
            self.event(point.at, seq, EventKind::ResetByOther, places);
            return;
        }
        let Some(new) = step(point) else {
            return;
        };
        if point.marks.any(Marks::ZERO_WINDOW) {
            self.event(point.at, new.ack, EventKind::ZeroWindow, places);
        }
        // Of a column the first step, the highest and the last one tell all that can be seen.
        let known = self.acks.get_mut(places.acks..).unwrap_or_default();
        match known {
            [.., last] if last.ack == new.ack => {
                last.duplicates += new.duplicates;
                last.edge = new.edge;
            }
            [_, _, rest @ ..] if rest.len() >= 2 => {
                let [.., highest, last] = known else {
                    return;
                };
                if last.ack > highest.ack {
                    highest.clone_from(last);
                }
                let duplicates = last.duplicates;
                *last = new;
                last.duplicates += duplicates;
            }
            _ => self.acks.push(new),
        }
        for (left, right) in blocks {
            let known = self.bands.get_mut(places.bands..).unwrap_or_default();
            let is_full = known.len() >= MOST_SPANS;
            let touching = known
                .iter_mut()
                .rev()
                .find(|band| is_full || (*left <= band.right && *right >= band.left));
            if let Some(band) = touching {
                band.left = band.left.min(*left);
                band.right = band.right.max(*right);
                self.merged += u64::from(is_full);
            } else {
                self.bands.push(Band {
                    at: point.at,
                    left: *left,
                    right: *right,
                });
            }
        }
    }

    fn event(&mut self, at: Timestamp, seq: i64, kind: EventKind, places: &Places) {
        let known = self.events.get_mut(places.events..).unwrap_or_default();
        if let Some(event) = known.iter_mut().find(|event| event.kind == kind) {
            event.packets += 1;
        } else {
            self.events.push(Event {
                at,
                seq,
                kind,
                packets: 1,
            });
        }
    }

    /// Of the holes that began in one column the largest open one and the largest that ended.
    fn take_holes(&mut self, holes: Vec<Hole>, window: &Window) {
        let seen = holes.into_iter().filter(|hole| {
            hole.since.0 <= window.until && hole.until.is_none_or(|end| end.0 >= window.from)
        });
        let mut largest: BTreeMap<(usize, bool), Hole> = BTreeMap::new();
        for hole in seen {
            let began = Timestamp(hole.since.0.max(window.from));
            let key = (window.column(began).unwrap_or(0), hole.until.is_none());
            match largest.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(hole);
                }
                Entry::Occupied(mut known) => {
                    self.merged += 1;
                    if hole.to - hole.from > known.get().to - known.get().from {
                        known.insert(hole);
                    }
                }
            }
        }
        self.holes = largest.into_values().collect();
        self.holes.sort_by_key(|hole| (hole.since, hole.from));
    }
}

fn step(point: &Point) -> Option<Acked> {
    let ack = point.ack?;
    Some(Acked {
        at: point.at,
        ack,
        edge: ack.saturating_add(i64::try_from(point.window).unwrap_or(i64::MAX)),
        duplicates: u32::from(point.marks.any(Marks::DUPLICATE_ACK)),
    })
}
