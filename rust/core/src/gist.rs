//! What a session asks of a usual tunnel packet and would have to make of its bytes: told where they were just
//! read, so that the engine need not fetch them. Pure reading.

use crate::ctcp::recognise::exact_esp;
use crate::fold::fold;
use crate::segment::Head;

/// Odd words with well spread bits: the fractional parts of the square roots of primes, as in SHA-512.
const SPREAD: [u64; 8] = [
    0x6a09_e667_f3bc_c909,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Bytes of the payload that a sum takes in.
const SUMMED: usize = 48;

/// The gist of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gist {
    digest: u64,
    /// SPI and sequence number; 0: it is no ESP packet with its whole trailer. No SPI is 0.
    esp: u64,
}

impl Gist {
    /// Of a segment with this head, sent by end `sender` of the key, and what was captured of its payload.
    #[inline]
    pub(crate) fn of(head: &Head, payload: &[u8], sender: usize) -> Self {
        let esp = exact_esp(payload, head.payload_len);
        Self {
            digest: digest(head, payload, sender),
            esp: esp.map_or(0, |(spi, seq)| u64::from(spi) << 32 | u64::from(seq)),
        }
    }

    /// [`digest`] of the segment.
    #[inline]
    pub(crate) fn digest(self) -> u64 {
        self.digest
    }

    /// What [`exact_esp`] says of the payload.
    #[inline]
    pub(crate) fn exact_esp(self) -> Option<(u32, u32)> {
        (self.esp != 0).then_some(((self.esp >> 32) as u32, self.esp as u32))
    }
}

/// Digest of the fields that make two captures of one packet equal, and of 48 bytes of payload. Not keyed: it decides
/// about one packet of one flow, it places nothing in a table.
#[inline]
pub(crate) fn digest(head: &Head, payload: &[u8], sender: usize) -> u64 {
    let numbers = u64::from(head.seq) << 32 | u64::from(head.ack);
    let rest =
        u64::from(head.payload_len) << 32 | u64::from(head.window) << 8 | u64::from(head.flags.0);
    let mut sum = fold(
        numbers ^ SPREAD[0],
        rest ^ SPREAD[1].wrapping_add(sender as u64),
    );
    sum ^= sum_of(payload);
    fold(sum ^ SPREAD[2], SPREAD[1])
}

/// Of the beginning of a payload: folded multiplications that do not wait for each other; 0 of an empty one.
#[inline]
fn sum_of(payload: &[u8]) -> u64 {
    match payload.first_chunk() {
        Some(bytes) => sum_of_beginning(bytes),
        None if payload.is_empty() => 0,
        None => sum_of_few(payload),
    }
}

#[inline]
fn sum_of_beginning(bytes: &[u8; SUMMED]) -> u64 {
    let mut sum = 0;
    let words = bytes.as_chunks().0.chunks_exact(2);
    for (pair, spread) in words.zip(SPREAD[2..].chunks_exact(2)) {
        let [one, two] = [pair[0], pair[1]].map(u64::from_le_bytes);
        sum ^= fold(one ^ spread[0], two ^ spread[1]);
    }
    sum
}

/// Of a shorter one, as if zeros followed.
#[cold]
fn sum_of_few(payload: &[u8]) -> u64 {
    let mut padded = [0; SUMMED];
    padded[..payload.len()].copy_from_slice(payload);
    sum_of_beginning(&padded)
}
