//! A block of a `TPACKET_V3` ring as bytes: where its frames lie. Knows no socket; what does
//! not fit is not noted, whatever the lengths say (`linux/if_packet.h`, `packet_mmap.rst`).

use ctcpmon_core::frame::{FrameMeta, LinkType};
use ctcpmon_core::time::Timestamp;

/// Offset of the word that says whose the block is.
pub(crate) const STATUS: usize = 8;
/// `STATUS` of a block that is the reader's.
pub(crate) const USER: u32 = 1;
const PACKETS: usize = 12;
const FIRST: usize = 16;
/// Offset of the number of bytes in use.
pub(crate) const LENGTH: usize = 20;

/// Of a frame's header.
const NEXT: usize = 0;
const SECONDS: usize = 4;
const NANOS: usize = 8;
const CAPTURED: usize = 12;
const ORIGINAL: usize = 16;
const FRAME_STATUS: usize = 20;
const MAC: usize = 24;
const TCI: usize = 32;
const TPID: usize = 36;
/// The kind of packet in the address behind the header.
const KIND: usize = 48 + 10;
/// Sent by this machine.
const OUTGOING: u8 = 4;

const LOSING: u32 = 1 << 2;
/// `TP_STATUS_TS_RAW_HARDWARE`.
const STAMPED_BY_CARD: u32 = 1 << 31;
const VLAN_VALID: u32 = 1 << 4;
const TPID_VALID: u32 = 1 << 6;
const DOT1Q: u16 = 0x8100;
/// Addresses of an Ethernet header, and a tag behind them.
const ADDRESSES: usize = 12;
const TAG: usize = 4;

/// What a block held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// Frames noted.
    pub(crate) frames: u32,
    /// Frames that this machine sent: left out.
    pub(crate) outgoing: u32,
    /// Frames whose place does not lie in the block: left out.
    pub(crate) misplaced: u32,
    /// Frames that the card stamped with a clock of its own.
    pub(crate) by_card: u32,
    /// The kernel was dropping frames when it wrote this block.
    pub(crate) is_losing: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Notes the frames of the block that begins at `start` of `bytes` and ends with it. A tag
/// that the card took off is put back in front of the frame, where the header has been read.
pub(crate) fn note_frames(
    bytes: &mut [u8],
    start: usize,
    link: LinkType,
    tap: u16,
    out: &mut Vec<FrameMeta>,
) -> Noted {
    let mut noted = Noted::default();
    let block = bytes.get(start..).unwrap_or_default();
    let count = u32_at(block, PACKETS).unwrap_or(0);
    let mut at = start + u32_at(block, FIRST).unwrap_or(0) as usize;
    for number in 0..count {
        match frame_at(bytes, at, link, tap) {
            Some((meta, kind, status)) => {
                noted.is_losing |= status & LOSING != 0;
                if kind == OUTGOING {
                    noted.outgoing += 1;
                } else {
                    noted.frames += 1;
                    noted.by_card += u32::from(status & STAMPED_BY_CARD != 0);
                    out.push(meta);
                }
            }
            None => noted.misplaced += 1,
        }
        match u32_at(bytes.get(at..).unwrap_or_default(), NEXT) {
            Some(next) if next > 0 => at += next as usize,
            // The last one, or a chain that ends too early.
            _ => {
                noted.misplaced += count - number - 1;
                break;
            }
        }
    }
    noted
}

fn frame_at(bytes: &mut [u8], at: usize, link: LinkType, tap: u16) -> Option<(FrameMeta, u8, u32)> {
    let header = bytes.get(at..)?;
    let status = u32_at(header, FRAME_STATUS)?;
    let kind = *header.get(KIND)?;
    let ts = Timestamp::from_parts(
        i64::from(u32_at(header, SECONDS)?),
        i64::from(u32_at(header, NANOS)?),
    );
    let (mut captured, mut original) = (u32_at(header, CAPTURED)?, u32_at(header, ORIGINAL)?);
    let mut offset = at.checked_add(usize::from(u16_at(header, MAC)?))?;
    let (tci, tpid) = (u32_at(header, TCI)? as u16, u16_at(header, TPID)?);
    if bytes.len() < offset.checked_add(captured as usize)? {
        return None;
    }
    let is_tagged = status & VLAN_VALID != 0 && link == ETHERNET;
    if is_tagged && captured as usize >= ADDRESSES && offset >= at + TAG {
        let tpid = if status & TPID_VALID != 0 {
            tpid
        } else {
            DOT1Q
        };
        bytes.copy_within(offset..offset + ADDRESSES, offset - TAG);
        offset -= TAG;
        let tag = bytes.get_mut(offset + ADDRESSES..offset + ADDRESSES + TAG)?;
        tag[..2].copy_from_slice(&tpid.to_be_bytes());
        tag[2..].copy_from_slice(&tci.to_be_bytes());
        captured = captured.saturating_add(TAG as u32);
        original = original.saturating_add(TAG as u32);
    }
    let meta = FrameMeta {
        ts,
        offset: u32::try_from(offset).ok()?,
        captured_len: captured,
        original_len: original.max(captured),
        link,
        tap,
    };
    Some((meta, kind, status))
}

/// LINKTYPE of Ethernet.
pub(crate) const ETHERNET: LinkType = LinkType(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: usize = 48;
    const FRAME_AT: usize = 48 + 20 + 16;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// A block as the kernel lays it out: header, then each frame's header, address and bytes.
    fn block(frames: &[(&[u8], u32, u8)]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        put(&mut out, STATUS, &USER.to_ne_bytes());
        put(&mut out, PACKETS, &(frames.len() as u32).to_ne_bytes());
        put(&mut out, FIRST, &(HEADER as u32).to_ne_bytes());
        for (n, (frame, status, kind)) in frames.iter().enumerate() {
            let mut one = vec![0; (FRAME_AT + frame.len()).next_multiple_of(16)];
            let next = if n + 1 < frames.len() { one.len() } else { 0 };
            put(&mut one, NEXT, &(next as u32).to_ne_bytes());
            put(&mut one, SECONDS, &1_700_000_000_u32.to_ne_bytes());
            put(&mut one, NANOS, &(n as u32).to_ne_bytes());
            put(&mut one, CAPTURED, &(frame.len() as u32).to_ne_bytes());
            put(&mut one, ORIGINAL, &(frame.len() as u32 + 1).to_ne_bytes());
            put(&mut one, FRAME_STATUS, &status.to_ne_bytes());
            put(&mut one, MAC, &(FRAME_AT as u16).to_ne_bytes());
            put(&mut one, TCI, &0x2064_u32.to_ne_bytes());
            put(&mut one, TPID, &0x88a8_u16.to_ne_bytes());
            one[KIND] = *kind;
            put(&mut one, FRAME_AT, frame);
            out.extend(one);
        }
        let length = out.len() as u32;
        put(&mut out, LENGTH, &length.to_ne_bytes());
        out
    }

    fn noted(bytes: &mut [u8]) -> (Noted, Vec<FrameMeta>) {
        let mut out = Vec::new();
        let noted = note_frames(bytes, 0, ETHERNET, 3, &mut out);
        (noted, out)
    }

    #[test]
    fn frames_are_noted_in_order_and_those_of_this_machine_are_not() {
        let (a, b, c) = ([0xaa; 60], [0xbb; 61], [0xcc; 1_514]);
        let mut bytes = block(&[
            (&a, STAMPED_BY_CARD, 3),
            (&b, LOSING, OUTGOING),
            (&c, LOSING, 0),
        ]);
        let (noted, frames) = noted(&mut bytes);
        let want = Noted {
            frames: 2,
            outgoing: 1,
            misplaced: 0,
            by_card: 1,
            is_losing: true,
        };
        assert_eq!(noted, want);
        assert_eq!(
            (frames[0].ts.0, frames[1].ts.0),
            (1_700_000_000_000_000_000, 1_700_000_000_000_000_002)
        );
        assert_eq!(
            (
                frames[1].captured_len,
                frames[1].original_len,
                frames[1].tap
            ),
            (1_514, 1_515, 3)
        );
        let at = frames[1].offset as usize;
        assert_eq!(bytes[at..at + 1_514], c);
    }

    #[test]
    fn a_tag_that_the_card_took_off_is_put_back() {
        let frame: Vec<u8> = (0..60).collect();
        let mut bytes = block(&[
            (&frame, VLAN_VALID | TPID_VALID, 3),
            (&frame, VLAN_VALID, 3),
        ]);
        let (_, frames) = noted(&mut bytes);
        for (meta, tpid) in frames.iter().zip([[0x88, 0xa8], [0x81, 0]]) {
            let at = meta.offset as usize;
            let got = &bytes[at..at + meta.captured_len as usize];
            assert_eq!(got[..12], frame[..12]);
            assert_eq!(got[12..16], [tpid[0], tpid[1], 0x20, 0x64]);
            assert_eq!(got[16..], frame[12..]);
            assert_eq!(meta.original_len, 65);
        }
    }

    #[test]
    fn a_chain_that_ends_too_early_is_counted() {
        let mut bytes = block(&[(&[1; 60], 0, 3), (&[2; 60], 0, 3)]);
        put(&mut bytes, PACKETS, &5_u32.to_ne_bytes());
        let (noted, frames) = noted(&mut bytes);
        assert_eq!((noted.frames, noted.misplaced, frames.len()), (2, 3, 2));
    }

    proptest! {
        /// Whatever a block says, every frame lies in it and every one it claims is counted.
        #[test]
        fn what_does_not_fit_is_not_noted(
            mut bytes in prop::collection::vec(any::<u8>(), 0..600),
            count in 0_u32..2_000,
            first in 0_u32..700,
        ) {
            if bytes.len() >= HEADER {
                put(&mut bytes, PACKETS, &count.to_ne_bytes());
                put(&mut bytes, FIRST, &first.to_ne_bytes());
            }
            let claimed = if bytes.len() >= PACKETS + 4 {
                u32_at(&bytes, PACKETS).unwrap_or(0)
            } else {
                0
            };
            let (noted, frames) = noted(&mut bytes);
            for meta in &frames {
                prop_assert!(meta.offset as usize + meta.captured_len as usize <= bytes.len());
            }
            prop_assert_eq!(noted.frames as usize, frames.len());
            prop_assert_eq!(noted.frames + noted.outgoing + noted.misplaced, claimed);
        }
    }
}
