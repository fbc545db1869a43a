//! The short way of a segment into its record against the long one.

use super::*;
use crate::frame::LinkType;
use proptest::prelude::*;

/// One segment of a conversation: side, flags, what is added to its numbers, payload, window.
type Step = (bool, u8, u8, u8, u8, u8);

fn frame_of((is_high, flags, seq, ack, payload, window): Step, keys: u32) -> Vec<u8> {
    let flags = match flags {
        0 => TcpFlags::SYN,
        1 => TcpFlags::SYN | TcpFlags::ACK,
        2 => TcpFlags::FIN | TcpFlags::ACK,
        3 => TcpFlags::RST,
        4 => TcpFlags::PSH,
        _ => TcpFlags::ACK,
    };
    let payload = usize::from(payload) * 10;
    let mut f = vec![2; 12];
    f.extend([0x08, 0, 0x45, 0]);
    f.extend(((40 + payload) as u16).to_be_bytes());
    f.extend([0x12, 0x34, 0x40, 0, 64, 6, 0, 0]);
    let ends = [(10_u32 << 24) + keys, 20 << 24];
    let ports = [4_000_u16, 5_000];
    let from = usize::from(is_high);
    f.extend(ends[from].to_be_bytes());
    f.extend(ends[1 - from].to_be_bytes());
    f.extend(ports[from].to_be_bytes());
    f.extend(ports[1 - from].to_be_bytes());
    // Around the end of the number space, so that it wraps.
    f.extend(
        u32::MAX
            .wrapping_add(u32::from(seq) * 10)
            .wrapping_sub(1_000)
            .to_be_bytes(),
    );
    f.extend(
        u32::MAX
            .wrapping_add(u32::from(ack) * 10)
            .wrapping_sub(1_000)
            .to_be_bytes(),
    );
    f.extend([0x50, flags]);
    f.extend((u16::from(window / 64) * 1_000).to_be_bytes());
    f.extend([0; 4]);
    f.resize(f.len() + payload, 7);
    f
}

/// Takes a segment as the engine does, or always the long way; what it added.
fn take(table: &mut FlowTable, bytes: &[u8], ts: Timestamp, is_short: bool) -> String {
    let frame = Frame {
        ts,
        link: LinkType(1),
        tap: 0,
        original_len: bytes.len() as u32,
        bytes,
    };
    let mut key = table.preparer().prepare(&frame);
    table.guess(&mut key);
    let head = *key.head();
    if is_short && let Some((delta, _)) = table.measure_guessed(&key, &head) {
        return format!("{delta:?}");
    }
    match table.entry(&key, ts) {
        Entry::Found(at) | Entry::Created(at) => {
            format!("{:?}", table.measure(at, key.sender(), &head).0)
        }
        Entry::Refused => "refused".to_owned(),
    }
}

proptest! {
    #[test]
    fn the_short_way_is_the_long_way(
        steps in prop::collection::vec((any::<Step>(), 0u8..12, 0u32..3), 1..120),
        keeps_totals: bool,
    ) {
        let mut tables = [(); 2].map(|()| FlowTable::new(1 << 20, keeps_totals));
        for (n, (step, flags, keys)) in steps.iter().enumerate() {
            let step = (step.0, *flags, step.2, step.3, step.4, step.5);
            let bytes = frame_of(step, *keys);
            let ts = Timestamp::from_parts(1_000 + n as i64, 0);
            let [short, long] = [true, false].map(|is_short| {
                let table = &mut tables[usize::from(is_short)];
                take(table, &bytes, ts, is_short)
            });
            prop_assert_eq!(short, long);
            let [one, other] = [0, 1].map(|n| {
                let table = &tables[n];
                let flows: Vec<_> = (0..table.places()).map(|at| format!("{:?}", table.flow(at))).collect();
                (flows, table.half_open)
            });
            prop_assert_eq!(one, other);
        }
    }
}
