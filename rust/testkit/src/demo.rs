//! The capture behind `ctcpmon demo`: a minute on a SPAN port on the client side of a
//! firewall, with three sessions of one site that stall after a loss, one that a
//! proxy freezes, one at risk, one healthy, and an NDMP backup on the same port.

use crate::device::Device;
use crate::packet::{ACK, End, PSH, Record, SYN, Segment, frame};
use crate::session::{AckHabit, Profile, Stream};
use crate::sim::{EPOCH_NS, Scenario, Tap};

const TO_MS: i64 = 48_000;

fn profile(net: u8, host: u8, start_ms: i64) -> Profile {
    let mut p = Profile::new(host, start_ms, TO_MS);
    p.client.0 = [10, net, 4, host];
    p.streams = [
        Stream::steady(start_ms + 1_500, TO_MS, 620, 124),
        Stream::steady(start_ms + 1_700, TO_MS, 710, 156),
    ];
    p
}

/// The frames, in time order.
pub fn records() -> Vec<Record> {
    let strangled = |host, start, lost| Profile {
        window: [2_048; 2],
        ack: [AckHabit::Frozen; 2],
        streams: [
            profile(1, host, start).streams[0].clone().losing(&[lost]),
            profile(1, host, start).streams[1].clone(),
        ],
        ..profile(1, host, start)
    };
    let mut at_risk = profile(9, 40, 900);
    at_risk.streams[0] = at_risk.streams[0].clone().losing(&[30, 61]);
    let mut frozen = profile(7, 30, 1_300);
    frozen.streams[0] = frozen.streams[0].clone().losing(&[25]);
    let scenarios = [
        Scenario {
            sessions: vec![
                strangled(17, 0, 16),
                strangled(18, 400, 22),
                strangled(21, 700, 27),
                profile(1, 11, 200),
            ],
            device: Device::Tracking { reset: false },
            tap: Tap::ClientSide,
        },
        Scenario {
            sessions: vec![frozen],
            device: Device::Proxy,
            tap: Tap::ClientSide,
        },
        Scenario {
            sessions: vec![at_risk],
            device: Device::None,
            tap: Tap::ClientSide,
        },
    ];
    let mut out: Vec<Record> = scenarios.iter().flat_map(Scenario::run).collect();
    out.extend(ndmp());
    out.sort_by_key(|r| r.ts_ns);
    out
}

/// A backup on the port that cTCP shares with NDMP: true TCP, acknowledged.
fn ndmp() -> Vec<Record> {
    let (client, server): (End, End) = (([192, 0, 2, 44], 40_044), ([192, 0, 2, 60], 10_000));
    let mut next = [7_000_u32, 90_000];
    let mut out = Vec::new();
    let mut put = |ms: i64, dir: usize, flags: u8, payload: Vec<u8>| {
        let segment = Segment {
            dir,
            seq: next[dir],
            ack: next[1 - dir],
            flags,
            window: 60_000,
            payload,
            options: vec![],
            ttl: 64,
            ip_id: ms as u16 ^ dir as u16,
        };
        next[dir] = segment.end();
        out.push(Record {
            ts_ns: EPOCH_NS + ms * 1_000_000,
            frame: frame(&segment, client, server),
        });
    };
    put(3_000, 0, SYN, vec![]);
    put(3_010, 1, SYN | ACK, vec![]);
    put(3_020, 0, ACK, vec![]);
    for i in 0..32_i64 {
        let ms = 4_000 + i * 1_300;
        let mut request = vec![0x80, 0, 0, 60];
        request.extend((i as u32).to_be_bytes());
        request.extend([0x69, 0x23, 0xb0, 0xa8, 0, 0, 0, 0, 0, 0, 9, 1]);
        request.resize(64, 0);
        let mut reply = request.clone();
        reply[15] = 1;
        put(ms, 0, ACK | PSH, request);
        put(ms + 12, 1, ACK | PSH, reply);
    }
    out
}
