//! What pcapng blocks hold. Their frames are known to be sound here; whatever they
//! say inside is not. A block that contradicts itself is left out and counted.

use ctcpmon_core::frame::LinkType;

use super::time::Clock;
use super::{Pcapng, options};
use crate::labels::Label;
use crate::notes::NoteKind;
use crate::stats::InterfaceStats;
use crate::wire::{Packet, Sink, Window, max_captured, u16_of, u32_of, u64_of};

/// Most interfaces of one section: the number that the obsolete Packet Block can
/// name. Far above any machine; bounds memory against a file of descriptions.
const MOST_INTERFACES: usize = 1 << 16;
/// Most interface statistics kept per input. A guess, as above.
const MOST_STATS: usize = 1 << 12;

/// Block types (pcapng draft section 11.1).
mod block {
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE: u32 = 3;
    pub(super) const NAMES: u32 = 4;
    pub(super) const STATISTICS: u32 = 5;
    pub(super) const ENHANCED: u32 = 6;
    pub(super) const SECRETS: u32 = 10;
    pub(super) const CUSTOM: u32 = 0x0bad;
    pub(super) const CUSTOM_NOT_COPIED: u32 = 0x4000_0bad;
}

/// One interface of the running section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface {
    link: LinkType,
    snap: u32,
    clock: Clock,
    /// What its frames are labelled with.
    tap: u16,
    /// Where its statistics lie, once stated.
    stats: Option<usize>,
}

/// A block whose frame holds.
pub(super) struct Block<'a> {
    /// Where the block starts in the window.
    pub(super) at: usize,
    pub(super) offset: u64,
    /// Between the header and the trailing length.
    pub(super) body: &'a [u8],
}

impl Pcapng {
    /// Acts on one block that is no section header.
    pub(super) fn block(
        &mut self,
        kind: u32,
        block: &Block<'_>,
        window: &Window<'_>,
        sink: &mut Sink<'_>,
    ) {
        match kind {
            block::ENHANCED | block::PACKET => self.packet(kind, block, window, sink),
            block::SIMPLE => self.simple(block, window, sink),
            block::INTERFACE => self.interface(block, sink),
            block::STATISTICS => self.statistics(block, sink),
            block::NAMES | block::SECRETS | block::CUSTOM | block::CUSTOM_NOT_COPIED => {}
            _ => sink.findings.add(NoteKind::SkippedBlock, block.offset, || {
                format!("block of type {kind:#x} skipped")
            }),
        }
    }

    /// Enhanced Packet Block (section 4.3) and the obsolete Packet Block (appendix
    /// A), which differ in the first four bytes only.
    fn packet(&mut self, kind: u32, block: &Block<'_>, window: &Window<'_>, sink: &mut Sink<'_>) {
        let big = self.big;
        let Some((&head, room)) = block.body.split_first_chunk::<20>() else {
            return too_short(block, sink);
        };
        let [
            i0,
            i1,
            i2,
            i3,
            h0,
            h1,
            h2,
            h3,
            l0,
            l1,
            l2,
            l3,
            c0,
            c1,
            c2,
            c3,
            o0,
            o1,
            o2,
            o3,
        ] = head;
        let id = if kind == block::ENHANCED {
            u32_of([i0, i1, i2, i3], big)
        } else {
            u32::from(u16_of([i0, i1], big))
        };
        let Some(interface) = self.interfaces.get(id as usize) else {
            return unknown_interface(id, block, sink);
        };
        let captured = u32_of([c0, c1, c2, c3], big);
        if captured as usize > room.len() || captured > max_captured(interface.link) {
            return does_not_fit(captured, room.len(), block, sink);
        }
        let ticks = u64::from(u32_of([h0, h1, h2, h3], big)) << 32
            | u64::from(u32_of([l0, l1, l2, l3], big));
        let (ts, saturated) = interface.clock.time(ticks);
        if saturated {
            sink.findings
                .add(NoteKind::TimeSaturated, block.offset, || {
                    "packet time does not fit 64-bit nanoseconds".to_owned()
                });
        }
        let packet = Packet {
            ts,
            link: interface.link,
            data: block.at + 28,
            captured,
            original: u32_of([o0, o1, o2, o3], big),
            snap: interface.snap,
            tap: interface.tap,
        };
        sink.packet(window, block.at, &packet, &mut self.last);
    }

    /// Simple Packet Block (section 4.4): interface 0, no time, captured length by
    /// the snap length.
    fn simple(&mut self, block: &Block<'_>, window: &Window<'_>, sink: &mut Sink<'_>) {
        let Some((&head, room)) = block.body.split_first_chunk::<4>() else {
            return too_short(block, sink);
        };
        let Some(interface) = self.interfaces.first() else {
            return unknown_interface(0, block, sink);
        };
        let original = u32_of(head, self.big);
        let captured = match interface.snap {
            0 => original,
            snap => original.min(snap),
        };
        if captured as usize > room.len() || captured > max_captured(interface.link) {
            return does_not_fit(captured, room.len(), block, sink);
        }
        sink.findings.add(NoteKind::WithoutTime, block.offset, || {
            "packet without a time; it gets the time of the packet before it".to_owned()
        });
        let packet = Packet {
            ts: self.last.unwrap_or_default(),
            link: interface.link,
            data: block.at + 12,
            captured,
            original,
            snap: 0,
            tap: interface.tap,
        };
        sink.packet(window, block.at, &packet, &mut self.last);
    }

    /// Interface Description Block (section 4.2).
    fn interface(&mut self, block: &Block<'_>, sink: &mut Sink<'_>) {
        let big = self.big;
        let Some((&head, list)) = block.body.split_first_chunk::<8>() else {
            // Not counted as an interface: ids behind it shift, which is what
            // the block's writer gets for it.
            return too_short(block, sink);
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return sink
                .findings
                .add(NoteKind::TooManyInterfaces, block.offset, || {
                    format!("more than {MOST_INTERFACES} interfaces in one section")
                });
        }
        let [k0, k1, _, _, s0, s1, s2, s3] = head;
        let (mut resolution, mut offset, mut sound) = (6, 0, true);
        let mut name = None;
        sound &= options::walk(list, big, |code, value| match (code, value) {
            (9, &[byte]) => resolution = byte,
            (14, value) if value.len() == 8 => {
                offset = value
                    .first_chunk()
                    .map_or(0, |eight| u64_of(*eight, big) as i64);
            }
            (9 | 14, _) => sound = false,
            (2, value) => name = Some(value),
            _ => {}
        });
        if !sound {
            bad_options(block, sink);
        }
        let link = LinkType(u16_of([k0, k1], big));
        let snap = u32_of([s0, s1, s2, s3], big);
        let tap = sink.labels.map_or(sink.tap, |labels| {
            let label = Label {
                tap: sink.tap,
                link,
                snap,
                name: name.map(|name| String::from_utf8_lossy(name).into_owned()),
            };
            labels.number(self.sections, self.interfaces.len() as u32, label)
        });
        self.interfaces.push(Interface {
            link,
            snap,
            tap,
            clock: Clock::new(resolution, offset),
            stats: None,
        });
    }

    /// Interface Statistics Block (section 4.6).
    fn statistics(&mut self, block: &Block<'_>, sink: &mut Sink<'_>) {
        let big = self.big;
        let Some((&[i0, i1, i2, i3, ..], list)) = block.body.split_first_chunk::<12>() else {
            return too_short(block, sink);
        };
        let id = u32_of([i0, i1, i2, i3], big);
        let Some(interface) = self.interfaces.get_mut(id as usize) else {
            return unknown_interface(id, block, sink);
        };
        let mut stats = InterfaceStats {
            section: self.sections.saturating_sub(1),
            interface: id,
            ..InterfaceStats::default()
        };
        let sound = options::walk(list, big, |code, value| {
            let number = value.first_chunk().map(|eight| u64_of(*eight, big));
            match code {
                4 => stats.received = number,
                5 => stats.if_drop = number,
                6 => stats.filter_accepted = number,
                7 => stats.os_drop = number,
                8 => stats.delivered = number,
                _ => {}
            }
        });
        if !sound {
            bad_options(block, sink);
        }
        if let Some(known) = interface.stats.and_then(|index| sink.stats.get_mut(index)) {
            *known = stats;
        } else if sink.stats.len() < MOST_STATS {
            interface.stats = Some(sink.stats.len());
            sink.stats.push(stats);
        } else {
            sink.findings
                .add(NoteKind::TooManyInterfaces, block.offset, || {
                    format!("statistics of more than {MOST_STATS} interfaces")
                });
        }
    }
}

#[cold]
fn too_short(block: &Block<'_>, sink: &mut Sink<'_>) {
    let length = block.body.len();
    sink.findings
        .add(NoteKind::MalformedPacket, block.offset, || {
            format!("block body of {length} bytes is too short for its type; the block is left out")
        });
}

#[cold]
fn unknown_interface(id: u32, block: &Block<'_>, sink: &mut Sink<'_>) {
    sink.findings
        .add(NoteKind::UnknownInterface, block.offset, || {
            format!("block of interface {id}, which the section does not describe, is left out")
        });
}

#[cold]
fn does_not_fit(captured: u32, room: usize, block: &Block<'_>, sink: &mut Sink<'_>) {
    sink.findings
        .add(NoteKind::MalformedPacket, block.offset, || {
            format!(
                "packet claims {captured} captured bytes in a block with room for {room}; left out"
            )
        });
}

#[cold]
fn bad_options(block: &Block<'_>, sink: &mut Sink<'_>) {
    sink.findings.add(NoteKind::BadOption, block.offset, || {
        "malformed option list; options behind the fault are not used".to_owned()
    });
}
