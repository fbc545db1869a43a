//! Writes frames straight into a batch: Ethernet, IPv4, TCP, payload.

use ctcpmon_core::frame::{FrameBatch, FrameMeta, LinkType};
use ctcpmon_core::time::Timestamp;

use super::families::Tuple;
use crate::dice::Dice;

/// Bytes to fill payloads with, longer than any payload.
const NOISE_BYTES: usize = 4_096;
const HEADERS: usize = 54;

/// Headers of one segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) tuple: Tuple,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) ip_id: u16,
    pub(super) ttl: u8,
}

impl Head {
    pub(super) fn new(tuple: &Tuple, seq: u32, flags: u8, ip_id: u16) -> Self {
        Self {
            tuple: *tuple,
            seq,
            ack: 0,
            flags,
            window: 29_200,
            ip_id,
            ttl: 61,
        }
    }
}

/// The writer; knows what time it is and what a payload is made of.
#[derive(Debug)]
pub(super) struct Wire {
    ts: Timestamp,
    snaplen: usize,
    noise: Vec<u8>,
}

impl Wire {
    pub(super) fn new(snaplen: usize) -> Self {
        let mut dice = Dice::new(7);
        Self {
            ts: Timestamp(0),
            snaplen: snaplen.max(HEADERS),
            noise: (0..NOISE_BYTES).map(|_| dice.bits() as u8).collect(),
        }
    }

    pub(super) fn at(&mut self, ts_ns: i64) {
        self.ts = Timestamp(ts_ns);
    }

    /// Adds a segment with `len` bytes of payload that mean nothing, cut to the snaplen.
    pub(super) fn push(
        &self,
        batch: &mut FrameBatch,
        head: &Head,
        options: &[u8],
        len: usize,
        first: &[u8],
    ) {
        let captured =
            (self.snaplen - HEADERS - options.len().min(self.snaplen - HEADERS)).min(len);
        let first = &first[..first.len().min(captured)];
        let rest = &self.noise[..captured - first.len()];
        self.parts(batch, head, options, len, [first, rest, &[]]);
    }

    /// Adds a whole segment: `first`, noise, `last`, `len` bytes in all.
    pub(super) fn push_whole(
        &self,
        batch: &mut FrameBatch,
        head: &Head,
        first: &[u8],
        len: usize,
        last: &[u8],
    ) {
        // Not the same noise in every packet of a stream.
        let from = head.seq as usize % (NOISE_BYTES / 2);
        let middle = &self.noise[from..from + (len - first.len() - last.len())];
        self.parts(batch, head, &[], len, [first, middle, last]);
    }

    fn parts(
        &self,
        batch: &mut FrameBatch,
        head: &Head,
        options: &[u8],
        payload_len: usize,
        payload: [&[u8]; 3],
    ) {
        let tcp_len = 20 + options.len() + payload_len;
        let mut h = [0_u8; HEADERS];
        h[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        h[12..14].copy_from_slice(&[8, 0]);
        h[14] = 0x45;
        h[16..18].copy_from_slice(&((20 + tcp_len) as u16).to_be_bytes());
        h[18..20].copy_from_slice(&head.ip_id.to_be_bytes());
        h[20] = 0x40;
        h[22] = head.ttl;
        h[23] = 6;
        h[26..30].copy_from_slice(&head.tuple.src.to_be_bytes());
        h[30..34].copy_from_slice(&head.tuple.dst.to_be_bytes());
        let sum = ip_checksum(&h[14..34]);
        h[24..26].copy_from_slice(&sum.to_be_bytes());
        h[34..36].copy_from_slice(&head.tuple.src_port.to_be_bytes());
        h[36..38].copy_from_slice(&head.tuple.dst_port.to_be_bytes());
        h[38..42].copy_from_slice(&head.seq.to_be_bytes());
        h[42..46].copy_from_slice(&head.ack.to_be_bytes());
        h[46] = ((20 + options.len()) as u8 / 4) << 4;
        h[47] = head.flags;
        h[48..50].copy_from_slice(&head.window.to_be_bytes());
        let offset = batch.bytes.len();
        batch.bytes.extend_from_slice(&h);
        batch.bytes.extend_from_slice(options);
        for part in payload {
            batch.bytes.extend_from_slice(part);
        }
        batch.frames.push(FrameMeta {
            ts: self.ts,
            offset: offset as u32,
            captured_len: (batch.bytes.len() - offset) as u32,
            original_len: (14 + 20 + tcp_len) as u32,
            link: LinkType(1),
            tap: 0,
        });
    }
}

fn ip_checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks_exact(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
