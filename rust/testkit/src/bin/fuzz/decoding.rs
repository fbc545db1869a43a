//! Target `decode`: damaged frames under every link type.
//!
//! An input is the wire length (four bytes, little-endian), then the captured bytes.

use ctcpmon_core::decode::{LINK_TYPES, decode};
use ctcpmon_core::frame::Frame;
use ctcpmon_core::time::Timestamp;

use crate::mutate;
use crate::pool::Pool;
use crate::random::Random;

/// Headers that may stand in front of an IP packet, and headers of tunnels.
const LAYERS: [&[u8]; 14] = [
    &[0x81, 0, 0, 5, 8, 0],
    &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5, 8, 0],
    &[0x88, 0x47, 0, 1, 0x01, 0x40],
    &[0x88, 0x64, 0x11, 0, 0, 1, 0, 90, 0, 0x21],
    &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0],
    &[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0],
    &[2, 0, 0, 0],
    &[0xff, 3, 0, 0x21],
    &[0x86, 0xdd],
    &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
    &[0x0f, 0, 8, 0],
    // IPv4 with GRE, ERSPAN II, VXLAN.
    &[
        0x45, 0, 1, 0, 0, 0, 0, 0, 64, 47, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0, 8, 0, 0, 0, 0,
        1, 0, 0, 0, 2,
    ],
    &[
        0x45, 0, 1, 0, 0, 0, 0, 0, 64, 47, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x10, 0, 0x88, 0xbe, 0,
        0, 0, 2, 0x10, 1, 0, 1, 0, 0, 0, 0,
    ],
    &[
        0x45, 0, 1, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0xc0, 0, 0x12, 0xb5, 1,
        0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0,
    ],
];

pub(crate) fn make(random: &mut Random, pool: &Pool) -> Vec<u8> {
    let stream = pool.stream(random);
    let mut frame = random.pick(&stream.frames).bytes.clone();
    frame.truncate(2_048);
    // From the Ethernet header, the type field or the IP header on, with layers in front.
    if random.once_in(2) {
        frame.drain(..random.pick(&[0, 12, 14]).min(&frame.len()));
        for _ in 0..random.below(4) {
            let layer = random.pick(&LAYERS).iter().copied();
            frame.splice(0..0, layer);
        }
        if random.once_in(2) {
            frame.splice(0..0, [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        }
    }
    if !random.once_in(8) {
        mutate::bytes(random, &mut frame, 6);
    }
    let more = if random.once_in(4) {
        random.below(70_000)
    } else {
        0
    };
    let mut input = ((frame.len() + more) as u32).to_le_bytes().to_vec();
    input.append(&mut frame);
    input
}

pub(crate) fn run(input: &[u8]) -> Result<u64, String> {
    let Some((wire, bytes)) = input.split_first_chunk::<4>() else {
        return Ok(0);
    };
    let mut segments = 0;
    let outer = bytes.as_ptr_range();
    for decoder in LINK_TYPES {
        let frame = Frame {
            ts: Timestamp(0),
            link: decoder.link,
            tap: 0,
            original_len: u32::from_le_bytes(*wire),
            bytes,
        };
        let Ok(segment) = decode(&frame) else {
            continue;
        };
        segments += 1;
        let inner = segment.payload.as_ptr_range();
        let is_inside = outer.start <= inner.start && inner.end <= outer.end;
        if !segment.payload.is_empty() && !is_inside {
            return Err(format!("{}: payload outside the frame", decoder.name));
        }
        if segment.payload.len() as u64 > u64::from(segment.payload_len) {
            return Err(format!("{}: more payload captured than sent", decoder.name));
        }
    }
    Ok(segments)
}
