//! pcapng framing (draft-ietf-opsawg-pcapng). A block whose frame holds but whose
//! content lies is left out and counted; a block whose frame is broken ends the
//! input unless a trustworthy section header follows.

mod blocks;
mod options;
mod section;
mod time;

use ctcpmon_core::time::Timestamp;

use crate::notes::NoteKind;
use crate::wire::{Parsed, Sink, Stop, Window, u16_of, u32_of};
use blocks::{Block, Interface};
use section::{SECTION, Search};

/// Shortest section header in bytes.
pub(crate) const SECTION_HEADER: usize = section::SHORTEST;
/// Longest block accepted, from libpcap's and Wireshark's limit of 16 MiB.
const LONGEST_BLOCK: usize = 16 << 20;
/// Shortest block: type and the length at both ends.
const SHORTEST_BLOCK: usize = 12;
/// Most broken blocks behind which a section header is looked for. Each can make
/// 16 MiB be moved once more, so this bounds the work of a hostile file to about
/// a second; honest damage has a handful. A guess.
const MOST_BREAKS: u32 = 64;
/// Parser state of one pcapng input.
#[derive(Debug, Default)]
pub(crate) struct Pcapng {
    big: bool,
    /// Sections begun so far.
    sections: u32,
    interfaces: Vec<Interface>,
    last: Option<Timestamp>,
    /// Behind a broken block, on the search for a section header.
    searching: bool,
    /// Broken blocks so far.
    breaks: u32,
}

impl Pcapng {
    /// Whether `magic` may start a pcapng file.
    pub(crate) fn recognises(magic: [u8; 4]) -> bool {
        magic == SECTION
    }

    /// Checks the first section header; an error is the reason in plain language.
    pub(crate) fn new(head: &[u8; SECTION_HEADER]) -> Result<Self, String> {
        let [_, _, _, _, l0, l1, l2, l3, m0, m1, m2, m3, v0, v1, ..] = *head;
        let Some(big) = section::byte_order([m0, m1, m2, m3]) else {
            return Err("starts like a pcapng file, but states no byte order".to_owned());
        };
        let length = u32_of([l0, l1, l2, l3], big) as usize;
        if let Some(fault) = frame_fault(length) {
            return Err(format!("is a pcapng file whose section header {fault}"));
        }
        let major = u16_of([v0, v1], big);
        if major != 1 {
            return Err(format!(
                "is a pcapng file of version {major}, which is not known"
            ));
        }
        Ok(Self::default())
    }

    /// Notes the frames of the window until it or the room ends.
    pub(crate) fn parse(&mut self, window: &Window<'_>, sink: &mut Sink<'_>) -> Parsed {
        let mut at = 0;
        while sink.has_room() {
            let rest = window.bytes.get(at..).unwrap_or_default();
            if self.breaks > MOST_BREAKS {
                return Parsed {
                    consumed: at,
                    stop: Stop::End,
                };
            }
            if self.searching {
                match section::find(rest) {
                    Search::Found(skip) => {
                        at += skip;
                        self.searching = false;
                        sink.findings.add(NoteKind::Resumed, window.offset(at), || {
                            "reading went on at the next section header".to_owned()
                        });
                    }
                    Search::Undecided { skip, need } => {
                        return Parsed {
                            consumed: at + skip,
                            stop: Stop::NeedMore(need),
                        };
                    }
                }
                continue;
            }
            let Some(&head) = rest.first_chunk::<12>() else {
                return Parsed {
                    consumed: at,
                    stop: Stop::NeedMore(SHORTEST_BLOCK),
                };
            };
            let [t0, t1, t2, t3, l0, l1, l2, l3, m0, m1, m2, m3] = head;
            let starts_section = [t0, t1, t2, t3] == SECTION;
            let mut big = self.big;
            if starts_section {
                let Some(order) = section::byte_order([m0, m1, m2, m3]) else {
                    self.broken(window, &mut at, sink, || "states no byte order".to_owned());
                    continue;
                };
                big = order;
            }
            let length = u32_of([l0, l1, l2, l3], big) as usize;
            if let Some(fault) = frame_fault(length) {
                self.broken(window, &mut at, sink, || fault);
                continue;
            }
            let Some(whole) = rest.get(..length) else {
                return Parsed {
                    consumed: at,
                    stop: Stop::NeedMore(length),
                };
            };
            let trailer = whole
                .last_chunk::<4>()
                .map_or(0, |four| u32_of(*four, big) as usize);
            if trailer != length {
                self.broken(window, &mut at, sink, || {
                    format!("states {length} bytes at its start and {trailer} at its end")
                });
                continue;
            }
            let body = whole.get(8..length - 4).unwrap_or_default();
            let block = Block {
                at,
                offset: window.offset(at),
                body,
            };
            if starts_section {
                if let Err(fault) = self.section(&block, big) {
                    self.broken(window, &mut at, sink, || fault);
                    continue;
                }
            } else {
                self.block(u32_of([t0, t1, t2, t3], big), &block, window, sink);
            }
            at += length;
        }
        Parsed {
            consumed: at,
            stop: Stop::Full,
        }
    }

    /// At the end of the input with `rest` left over: how many of its bytes lie
    /// in front of a section header at which reading can go on.
    pub(crate) fn finish(&mut self, window: &Window<'_>, sink: &mut Sink<'_>) -> Option<usize> {
        // What starts at 0 is incomplete, so a header must lie behind it; the same
        // holds for each candidate on which the search waits for more.
        let mut from = 1;
        let found = loop {
            let behind = window
                .bytes
                .get(from..)
                .filter(|behind| !behind.is_empty())?;
            match section::find(behind) {
                Search::Found(skip) => break from + skip,
                Search::Undecided { skip, .. } => from += skip + 1,
            }
        };
        if !self.searching {
            let mut at = 0;
            self.broken(window, &mut at, sink, || {
                "reaches past the end of the input".to_owned()
            });
        }
        self.searching.then_some(found)
    }

    /// Whether the left-over bytes at the end have been accounted for.
    pub(crate) fn is_searching(&self) -> bool {
        self.searching
    }

    #[cold]
    fn broken(
        &mut self,
        window: &Window<'_>,
        at: &mut usize,
        sink: &mut Sink<'_>,
        fault: impl FnOnce() -> String,
    ) {
        sink.findings
            .add(NoteKind::Corrupt, window.offset(*at), || {
                format!(
                    "block {}; nothing is used up to the next section header",
                    fault()
                )
            });
        self.breaks += 1;
        self.searching = true;
        *at += 1;
    }

    fn section(&mut self, block: &Block<'_>, big: bool) -> Result<(), String> {
        let Some(&[_, _, _, _, v0, v1, ..]) = block.body.first_chunk::<16>() else {
            return Err("is too short for a section header".to_owned());
        };
        let major = u16_of([v0, v1], big);
        if major != 1 {
            return Err(format!(
                "starts a section of version {major}, which is not known"
            ));
        }
        self.big = big;
        self.sections = self.sections.saturating_add(1);
        self.interfaces.clear();
        Ok(())
    }
}

/// What is wrong with a block length, if anything.
fn frame_fault(length: usize) -> Option<String> {
    if length < SHORTEST_BLOCK {
        Some(format!(
            "claims a length of {length} bytes, less than the {SHORTEST_BLOCK} possible"
        ))
    } else if !length.is_multiple_of(4) {
        Some(format!(
            "claims a length of {length} bytes, not a multiple of 4"
        ))
    } else if length > LONGEST_BLOCK {
        Some(format!(
            "claims a length of {length} bytes, more than the {LONGEST_BLOCK} allowed"
        ))
    } else {
        None
    }
}
