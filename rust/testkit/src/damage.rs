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
