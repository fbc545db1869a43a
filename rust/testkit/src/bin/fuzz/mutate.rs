//! Damage to bytes, with a preference for what lengths and counts choke on.

use crate::random::Random;

/// Largest input made: parsers see their limits well below, and speed is iterations.
pub(crate) const MOST_BYTES: usize = 256 << 10;

const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// Damages `bytes` in up to `times` places.
pub(crate) fn bytes(random: &mut Random, bytes: &mut Vec<u8>, times: usize) {
    for _ in 0..=random.below(times) {
        once(random, bytes);
    }
    bytes.truncate(MOST_BYTES);
}

fn once(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
        return;
    }
    // Headers stand in front: half of the damage goes there.
    let reach = if random.once_in(2) {
        bytes.len().min(96)
    } else {
        bytes.len()
    };
    let at = random.below(reach);
    let end = (at + 1 + random.below(64)).min(bytes.len());
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 | 3 => number(random, bytes, at),
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at..end)),
        6 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        _ => {
            for byte in &mut bytes[at..end] {
                *byte = random.next() as u8;
            }
        }
    }
}

/// Overwrites one, two or four bytes with an odd number, in either byte order.
fn number(random: &mut Random, bytes: &mut [u8], at: usize) {
    let near = random.below(3) as u64;
    let value = random.pick(&NUMBERS).wrapping_sub(1).wrapping_add(near);
    let width = *random.pick(&[1, 2, 4]);
    let mut raw = (value as u32).to_le_bytes()[..width].to_vec();
    if random.once_in(2) {
        raw.reverse();
    }
    for (slot, byte) in bytes[at..].iter_mut().zip(raw) {
        *slot = byte;
    }
}
