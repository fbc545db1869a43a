//! What a tap does to a capture: frames missed, changed places, seen twice.

use crate::packet::Record;

pub(crate) fn without(mut records: Vec<Record>, every: usize) -> Vec<Record> {
    let mut n = 0;
    records.retain(|_| {
        n += 1;
        n % every != 0
    });
    records
}

pub(crate) fn swapped(mut records: Vec<Record>) -> Vec<Record> {
    for i in (3..records.len().saturating_sub(1)).step_by(7) {
        let (a, b) = (records[i].ts_ns, records[i + 1].ts_ns);
        if b - a < 100_000_000 {
            records.swap(i, i + 1);
            records[i].ts_ns = a;
            records[i + 1].ts_ns = b;
        }
    }
    records
}

pub(crate) fn doubled(records: Vec<Record>) -> Vec<Record> {
    records
        .into_iter()
        .flat_map(|r| {
            [
                Record {
                    ts_ns: r.ts_ns + 150_000,
                    ..r.clone()
                },
                r,
            ]
            .into_iter()
            .rev()
        })
        .collect()
}

/// Everything from record `first` on comes `ms` later.
pub(crate) fn later(mut records: Vec<Record>, first: usize, ms: i64) -> Vec<Record> {
    for r in records.iter_mut().skip(first) {
        r.ts_ns += ms * 1_000_000;
    }
    records
}

/// Ethernet, IPv4 and TCP headers without options, as the ends of cTCP send them.
const HEADERS: usize = 54;

/// Data that follow each other within `ms` become one segment, as in a host with receive
/// offload.
pub(crate) fn merged(records: Vec<Record>, ms: i64) -> Vec<Record> {
    let mut out: Vec<Record> = Vec::new();
    for r in records {
        let last = out.iter_mut().rev().find(|o| is_from_one_side(o, &r));
        match last {
            Some(last)
                if r.ts_ns - last.ts_ns < ms * 1_000_000
                    && last.frame.len() > HEADERS
                    && r.frame.len() > HEADERS =>
            {
                last.frame.extend_from_slice(&r.frame[HEADERS..]);
                let ip_len = (last.frame.len() - 14) as u16;
                last.frame[16..18].copy_from_slice(&ip_len.to_be_bytes());
            }
            _ => out.push(r),
        }
    }
    out
}

fn is_from_one_side(a: &Record, b: &Record) -> bool {
    a.frame[26..30] == b.frame[26..30]
}

/// From its data segment `first` on the ESP numbers of side `dir` are one higher, and one
/// more fifty segments later: the sender dropped two packets before it gave them to TCP.
pub(crate) fn renumbered(mut records: Vec<Record>, dir: usize, first: usize) -> Vec<Record> {
    let is_data = |r: &Record| r.frame.len() > HEADERS && usize::from(r.frame[26] != 10) == dir;
    for (n, r) in records.iter_mut().filter(|r| is_data(r)).enumerate() {
        let more = u32::from(n >= first) + u32::from(n >= first + 50);
        let at = HEADERS + 4..HEADERS + 8;
        if let Some(Ok(number)) = r.frame.get(at.clone()).map(TryInto::try_into) {
            let number = u32::from_be_bytes(number) + more;
            if n >= first {
                r.frame[at].copy_from_slice(&number.to_be_bytes());
            }
        }
    }
    records
}

/// Every payload becomes a message of WireGuard: by its length an initiation, a response or
/// data with a counter. Of segments without options.
pub(crate) fn with_wireguard(mut records: Vec<Record>) -> Vec<Record> {
    let mut counters = [0_u64; 2];
    for r in &mut records {
        let dir = usize::from(r.frame[26] != 10);
        let Some(payload) = r.frame.get_mut(HEADERS..).filter(|p| p.len() >= 32) else {
            continue;
        };
        let kind = match payload.len() {
            148 => 1,
            92 => 2,
            _ => 4,
        };
        payload[..4].copy_from_slice(&[kind, 0, 0, 0]);
        if kind == 4 {
            payload[4..8].copy_from_slice(&[7 + dir as u8; 4]);
            payload[8..16].copy_from_slice(&counters[dir].to_le_bytes());
            counters[dir] += 1;
        }
    }
    records
}
