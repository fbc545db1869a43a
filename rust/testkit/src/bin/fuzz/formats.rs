//! Capture files in both formats and byte orders, and the compressions around them.

use std::io::Write;

use crate::random::Random;

/// One frame of a stream.
#[derive(Clone)]
pub(crate) struct Frame {
    /// Nanoseconds since 1970.
    pub(crate) ts_ns: i64,
    /// Length on the wire.
    pub(crate) original: u32,
    pub(crate) bytes: Vec<u8>,
}

fn put32(out: &mut Vec<u8>, big: bool, value: u32) {
    out.extend(if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    });
}

/// Classic pcap; `unit_ns` is 1 or 1,000.
pub(crate) fn pcap(frames: &[Frame], link: u16, big: bool, unit_ns: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let magic = if unit_ns == 1 {
        0xa1b2_3c4d
    } else {
        0xa1b2_c3d4
    };
    put32(&mut out, big, magic);
    put32(&mut out, big, if big { 0x0002_0004 } else { 0x0004_0002 });
    for field in [0, 0, 262_144, u32::from(link)] {
        put32(&mut out, big, field);
    }
    for frame in frames {
        put32(&mut out, big, frame.ts_ns.div_euclid(1_000_000_000) as u32);
        let fraction = frame.ts_ns.rem_euclid(1_000_000_000) / unit_ns;
        put32(&mut out, big, fraction as u32);
        put32(&mut out, big, frame.bytes.len() as u32);
        put32(&mut out, big, frame.original);
        out.extend(&frame.bytes);
    }
    out
}

/// pcapng with nanosecond ticks, simple packets now and then, statistics at the end.
pub(crate) fn pcapng(random: &mut Random, frames: &[Frame], link: u16, big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let head = |out: &mut Vec<u8>| {
        let mut body = Vec::new();
        put32(&mut body, big, 0x1a2b_3c4d);
        put32(&mut body, big, if big { 0x0001_0000 } else { 0x0000_0001 });
        body.extend([0xff; 8]);
        block(out, big, 0x0a0d_0d0a, &body);
        let mut body = Vec::new();
        let link = u32::from(link);
        put32(&mut body, big, if big { link << 16 } else { link });
        put32(&mut body, big, 0);
        // if_tsresol: nanoseconds, then the end of the options.
        put32(&mut body, big, if big { 0x0009_0001 } else { 0x0001_0009 });
        body.extend([9, 0, 0, 0, 0, 0, 0, 0]);
        block(out, big, 1, &body);
    };
    head(&mut out);
    for frame in frames {
        let mut body = Vec::new();
        if random.once_in(16) {
            put32(&mut body, big, frame.bytes.len() as u32);
            body.extend(&frame.bytes);
            block(&mut out, big, 3, &body);
            continue;
        }
        if random.once_in(40) {
            head(&mut out);
        }
        put32(&mut body, big, 0);
        put32(&mut body, big, (frame.ts_ns >> 32) as u32);
        put32(&mut body, big, frame.ts_ns as u32);
        put32(&mut body, big, frame.bytes.len() as u32);
        put32(&mut body, big, frame.original);
        body.extend(&frame.bytes);
        block(&mut out, big, 6, &body);
    }
    block(&mut out, big, 5, &[0; 12]);
    out
}

fn block(out: &mut Vec<u8>, big: bool, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let length = padded as u32 + 12;
    put32(out, big, kind);
    put32(out, big, length);
    out.extend(body);
    out.resize(out.len() + padded - body.len(), 0);
    put32(out, big, length);
}

/// `bytes` in a container chosen by chance.
pub(crate) fn compressed(random: &mut Random, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    match random.below(3) {
        0 => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(bytes)?;
            out.finish()
        }
        1 => zstd::encode_all(bytes, 1),
        _ => {
            let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
            out.write_all(bytes)?;
            out.finish().map_err(std::io::Error::other)
        }
    }
}
