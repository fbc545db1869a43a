//! What both capture formats share: integers of either byte order, limits, and
//! the place where parsed frames go.

use ctcpmon_core::frame::{FrameMeta, LinkType};
use ctcpmon_core::time::Timestamp;

use crate::labels::Labels;
use crate::notes::{Findings, NoteKind};
use crate::stats::InterfaceStats;

/// Largest captured length accepted: `MAXIMUM_SNAPLEN` of libpcap and
/// `WTAP_MAX_PACKET_SIZE_STANDARD` of Wireshark.
pub(crate) const MAX_CAPTURED: u32 = 262_144;

/// Largest captured length of a link type. D-Bus and `USBPcap` messages may be up
/// to 128 MiB and Elektrobit records 8 MiB by libpcap's `max_snaplen_for_dlt`;
/// all are held to the 16 MiB of one block.
pub(crate) const fn max_captured(link: LinkType) -> u32 {
    match link.0 {
        231 | 249 => 16 << 20,
        279 => 8 << 20,
        _ => MAX_CAPTURED,
    }
}

/// Unparsed bytes.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where `bytes` starts in the batch buffer.
    pub(crate) batch_offset: usize,
    /// Where `bytes` starts in the decompressed stream.
    pub(crate) stream_offset: u64,
}

impl Window<'_> {
    /// Stream offset of a position in the window.
    pub(crate) fn offset(&self, at: usize) -> u64 {
        self.stream_offset.saturating_add(at as u64)
    }
}

/// Why a parser returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// No room for more frames.
    Full,
    /// The next record needs this many bytes from the consumed position on, more
    /// than the window holds.
    NeedMore(usize),
    /// Nothing behind this point can be used; the reason is among the findings.
    End,
}

/// Outcome of one parse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed {
    /// Bytes of the window that are done with.
    pub(crate) consumed: usize,
    pub(crate) stop: Stop,
}

/// Where a parser puts what it finds.
pub(crate) struct Sink<'a> {
    pub(crate) frames: &'a mut Vec<FrameMeta>,
    /// Number of frames at which the batch is full.
    pub(crate) most: usize,
    pub(crate) tap: u16,
    /// Number the interfaces, where the caller wants to tell them apart.
    pub(crate) labels: Option<&'a Labels>,
    pub(crate) findings: &'a mut Findings,
    pub(crate) stats: &'a mut Vec<InterfaceStats>,
}

/// One packet as its record states it, lengths checked against the record.
pub(crate) struct Packet {
    pub(crate) ts: Timestamp,
    pub(crate) link: LinkType,
    /// Start of the data in the window.
    pub(crate) data: usize,
    pub(crate) captured: u32,
    pub(crate) original: u32,
    /// Snap length of the interface; 0 is none.
    pub(crate) snap: u32,
    /// What its frames are labelled with.
    pub(crate) tap: u16,
}

impl Sink<'_> {
    pub(crate) fn has_room(&self) -> bool {
        self.frames.len() < self.most
    }

    /// Notes a frame in place. `record` is where its record starts in the window,
    /// `last` the time of the frame before it in this input.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "every frame goes through it; a call cost a seventh of its reading"
    )]
    pub(crate) fn packet(
        &mut self,
        window: &Window<'_>,
        record: usize,
        packet: &Packet,
        last: &mut Option<Timestamp>,
    ) {
        let is_early = last.is_some_and(|last| packet.ts < last);
        let is_above_snap = packet.captured > packet.snap && packet.snap != 0;
        if is_early || is_above_snap || packet.original < packet.captured {
            self.note_oddities(window, record, packet, *last);
        }
        *last = Some(packet.ts);
        self.frames.push(FrameMeta {
            ts: packet.ts,
            offset: (window.batch_offset + packet.data) as u32,
            captured_len: packet.captured,
            original_len: packet.original.max(packet.captured),
            link: packet.link,
            tap: packet.tap,
        });
    }

    #[cold]
    fn note_oddities(
        &mut self,
        window: &Window<'_>,
        record: usize,
        packet: &Packet,
        last: Option<Timestamp>,
    ) {
        let Packet {
            ts,
            captured,
            original,
            snap,
            ..
        } = *packet;
        if original < captured {
            self.findings
                .add(NoteKind::AboveWireLength, window.offset(record), || {
                    format!("{captured} bytes captured of a packet of {original} bytes")
                });
        }
        if captured > snap && snap != 0 {
            self.findings
                .add(NoteKind::AboveSnapLength, window.offset(record), || {
                    format!("{captured} bytes captured under a snap length of {snap}")
                });
        }
        if let Some(last) = last
            && ts < last
        {
            self.findings
                .step_back(window.offset(record), last.since(ts));
        }
    }
}

/// `u32` at the start of four bytes.
#[inline]
pub(crate) fn u32_of(bytes: [u8; 4], big: bool) -> u32 {
    if big {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

/// `u16` of two bytes.
#[inline]
pub(crate) fn u16_of(bytes: [u8; 2], big: bool) -> u16 {
    if big {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    }
}

/// `u64` of eight bytes.
#[inline]
pub(crate) fn u64_of(bytes: [u8; 8], big: bool) -> u64 {
    if big {
        u64::from_be_bytes(bytes)
    } else {
        u64::from_le_bytes(bytes)
    }
}
