//! Classic pcap framing (draft-ietf-opsawg-pcap). Records have no mark to find
//! them by, so the first length that cannot be true ends the input.

use ctcpmon_core::frame::{FrameMeta, LinkType};
use ctcpmon_core::time::{NANOS_PER_SECOND, Timestamp};

use crate::labels::Label;
use crate::notes::NoteKind;
use crate::wire::{Packet, Parsed, Sink, Stop, Window, max_captured, u16_of, u32_of};

/// Length of the file header in bytes.
pub(crate) const FILE_HEADER: usize = 24;
const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
/// Kuznetzov's patch: 8 more bytes per record (interface, protocol, packet type).
const MODIFIED: u32 = 0xa1b2_cd34;
const RECORD_HEADER: usize = 16;
const MODIFIED_RECORD_HEADER: usize = 24;

/// Which length field comes first in a record. libpcap's `lengths_swapped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// Captured length first.
    Plain,
    /// Version 2.3: either; the smaller one is the captured length.
    Either,
    /// Before 2.3: wire length first.
    Swapped,
}

/// Parser state of one classic pcap input.
#[derive(Debug)]
pub(crate) struct Pcap {
    big: bool,
    nanos_per_tick: i64,
    record_header: usize,
    lengths: Lengths,
    snap: u32,
    link: LinkType,
    last: Option<Timestamp>,
}

impl Pcap {
    /// Whether `magic` starts a classic pcap file.
    pub(crate) fn recognises(magic: [u8; 4]) -> bool {
        [MICROS, NANOS, MODIFIED]
            .iter()
            .any(|known| known.to_le_bytes() == magic || known.to_be_bytes() == magic)
    }

    /// Reads the file header; an error is the reason in plain language.
    pub(crate) fn new(header: &[u8; FILE_HEADER]) -> Result<Self, String> {
        let field = |at: usize| -> [u8; 4] {
            header
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .copied()
                .unwrap_or_default()
        };
        let big = [MICROS, NANOS, MODIFIED]
            .iter()
            .any(|m| m.to_be_bytes() == field(0));
        let magic = u32_of(field(0), big);
        let [a, b, c, d] = field(4);
        let (major, minor) = (u16_of([a, b], big), u16_of([c, d], big));
        if major != 2 {
            return Err(format!(
                "is a pcap file of version {major}.{minor}, which is not known"
            ));
        }
        Ok(Self {
            big,
            nanos_per_tick: if magic == NANOS { 1 } else { 1000 },
            record_header: if magic == MODIFIED {
                MODIFIED_RECORD_HEADER
            } else {
                RECORD_HEADER
            },
            lengths: match minor {
                0..=2 => Lengths::Swapped,
                3 => Lengths::Either,
                _ => Lengths::Plain,
            },
            snap: u32_of(field(16), big),
            // The high bits hold the length of the frame check sequence and the
            // class of the link type.
            link: LinkType((u32_of(field(20), big) & 0xffff) as u16),
            last: None,
        })
    }

    /// Notes the frames of the window until it or the room ends.
    pub(crate) fn parse(&mut self, window: &Window<'_>, sink: &mut Sink<'_>) -> Parsed {
        // One copy of the loop per byte order: the order is known for good.
        if self.big {
            self.walk::<true>(window, sink)
        } else {
            self.walk::<false>(window, sink)
        }
    }

    /// What frames are labelled with: the file is one interface, without a name.
    fn label(&self, sink: &Sink<'_>) -> u16 {
        sink.labels.map_or(sink.tap, |labels| {
            let label = Label {
                tap: sink.tap,
                link: self.link,
                snap: self.snap,
                name: None,
            };
            labels.number(0, 0, label)
        })
    }

    /// Notes frames from `at` on until the room, the window or what goes without saying ends; says where that is.
    /// Apart from [`Pcap::walk`], where what notes may need of a record was kept at hand for every
    /// one: 79 instructions a frame, of which 47 are left (callgrind).
    #[inline]
    fn usual<const BIG: bool>(
        &self,
        window: &Window<'_>,
        at: usize,
        sink: &mut Sink<'_>,
        (tap, most): (u16, u32),
        last: &mut Option<Timestamp>,
    ) -> usize {
        if self.lengths == Lengths::Swapped {
            return at;
        }
        let (link, header, tick) = (self.link, self.record_header, self.nanos_per_tick);
        let most = match self.snap {
            0 => most,
            snap => most.min(snap),
        };
        let room = sink.most.saturating_sub(sink.frames.len());
        let mut latest = last.map_or(i64::MIN, |last| last.0);
        let mut rest = window.bytes.get(at..).unwrap_or_default();
        let mut offset = window.batch_offset + at + header;
        for _ in 0..room {
            let Some(head) = rest.first_chunk::<RECORD_HEADER>() else {
                break;
            };
            let field = |n: usize| u32_of([head[n], head[n + 1], head[n + 2], head[n + 3]], BIG);
            let [seconds, fraction, captured, original] = [0, 4, 8, 12].map(field);
            let ts = i64::from(seconds) * NANOS_PER_SECOND + i64::from(fraction) * tick;
            if captured > most.min(original) || ts < latest {
                break;
            }
            let length = header + captured as usize;
            let Some(behind) = rest.get(length..) else {
                break;
            };
            sink.frames.push(FrameMeta {
                ts: Timestamp(ts),
                offset: offset as u32,
                captured_len: captured,
                original_len: original,
                link,
                tap,
            });
            (rest, latest) = (behind, ts);
            offset += length;
        }
        if latest != i64::MIN {
            *last = Some(Timestamp(latest));
        }
        window.bytes.len() - rest.len()
    }

    fn walk<const BIG: bool>(&mut self, window: &Window<'_>, sink: &mut Sink<'_>) -> Parsed {
        let most = max_captured(self.link);
        let tap = self.label(sink);
        // What stays is read once: the compiler cannot tell that noting a frame leaves it alone.
        let Self {
            nanos_per_tick,
            record_header,
            lengths,
            snap,
            link,
            mut last,
            ..
        } = *self;
        let mut at = 0;
        let parsed = loop {
            at = self.usual::<BIG>(window, at, sink, (tap, most), &mut last);
            if !sink.has_room() {
                break Parsed {
                    consumed: at,
                    stop: Stop::Full,
                };
            }
            let rest = window.bytes.get(at..).unwrap_or_default();
            let Some(&head) = rest.first_chunk::<RECORD_HEADER>() else {
                break Parsed {
                    consumed: at,
                    stop: Stop::NeedMore(record_header),
                };
            };
            let [
                s0,
                s1,
                s2,
                s3,
                f0,
                f1,
                f2,
                f3,
                c0,
                c1,
                c2,
                c3,
                o0,
                o1,
                o2,
                o3,
            ] = head;
            let seconds = u32_of([s0, s1, s2, s3], BIG);
            let fraction = u32_of([f0, f1, f2, f3], BIG);
            let mut captured = u32_of([c0, c1, c2, c3], BIG);
            let mut original = u32_of([o0, o1, o2, o3], BIG);
            if lengths == Lengths::Swapped || (lengths == Lengths::Either && captured > original) {
                std::mem::swap(&mut captured, &mut original);
            }
            if captured > most {
                sink.findings.add(NoteKind::Corrupt, window.offset(at), || {
                    format!(
                        "record claims {captured} captured bytes, more than the {most} possible; \
                         nothing behind it is used"
                    )
                });
                break Parsed {
                    consumed: at,
                    stop: Stop::End,
                };
            }
            let length = record_header + captured as usize;
            if rest.len() < length {
                break Parsed {
                    consumed: at,
                    stop: Stop::NeedMore(length),
                };
            }
            let packet = Packet {
                // Fits: 2^32 seconds are 136 years, and i64 holds 292.
                ts: Timestamp(
                    i64::from(seconds) * NANOS_PER_SECOND + i64::from(fraction) * nanos_per_tick,
                ),
                link,
                data: at + record_header,
                captured,
                original,
                snap,
                tap,
            };
            sink.packet(window, at, &packet, &mut last);
            at += length;
        };
        self.last = last;
        parsed
    }
}
