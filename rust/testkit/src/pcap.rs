//! Classic pcap with nanoseconds, for captures that other programs read.

use crate::packet::Record;

/// The bytes of a capture file.
pub fn file(records: &[Record]) -> Vec<u8> {
    let mut out = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    out.extend([2, 0, 4, 0]);
    out.extend([0; 8]);
    out.extend(65_535u32.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    for r in records {
        out.extend(((r.ts_ns / 1_000_000_000) as u32).to_le_bytes());
        out.extend(((r.ts_ns % 1_000_000_000) as u32).to_le_bytes());
        out.extend((r.frame.len() as u32).to_le_bytes());
        out.extend((r.frame.len() as u32).to_le_bytes());
        out.extend(&r.frame);
    }
    out
}
