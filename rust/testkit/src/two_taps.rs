//! The same scenario seen on both sides of its device, for runs with two taps. The
//! captures lie in `tests/taps/captures`; `make_captures` writes them.

use crate::device::Device;
use crate::packet::Record;
use crate::session::{AckHabit, Profile, Stream};
use crate::sim::{Scenario, Tap};

/// One pair of captures.
#[derive(Debug)]
pub struct Pair {
    /// Name of the files, before `_client.pcap` and `_headend.pcap`.
    pub name: &'static str,
    /// What it shows, one sentence.
    pub about: &'static str,
    /// What the tap on the client side and the tap on the headend side record.
    pub build: fn() -> [Vec<Record>; 2],
}

/// How far the clock of the headend-side tap is ahead in `tracking_stops`.
pub const CLOCK_AHEAD_NS: i64 = 3_700_000_000;

/// The pairs.
pub const PAIRS: &[Pair] = &[
    Pair {
        name: "forwards",
        about: "A router forwards everything.",
        build: || both(&quiet(), &Device::None),
    },
    Pair {
        name: "tracking_stops",
        about: "Connection tracking with NAT stops a direction; the clocks differ by 3.7 s.",
        build: || {
            let mut profile = quiet();
            profile.window = [4_096; 2];
            profile.ack = [AckHabit::Frozen; 2];
            profile.streams[0] = profile.streams[0].clone().losing(&[30]);
            let [client, headend] = both(&profile, &Device::Tracking { reset: false });
            [client, translated(headend)]
        },
    },
    Pair {
        name: "inspection_releases",
        about: "An inspector holds what lies behind a hole for five seconds and lets it go.",
        build: || {
            let mut profile = quiet();
            profile.streams[0] = profile.streams[0].clone().losing(&[30]);
            let release_ms = Some(5_000);
            both(&profile, &Device::Inspection { release_ms })
        },
    },
];

/// Forty seconds of small packets in both directions.
fn quiet() -> Profile {
    Profile {
        streams: [
            Stream::steady(1_500, 40_000, 210, 116),
            Stream::steady(1_600, 40_000, 340, 148),
        ],
        ..Profile::new(17, 0, 40_000)
    }
}

fn both(profile: &Profile, device: &Device) -> [Vec<Record>; 2] {
    [Tap::ClientSide, Tap::HeadendSide].map(|tap| {
        Scenario {
            sessions: vec![profile.clone()],
            device: device.clone(),
            tap,
        }
        .run()
    })
}

/// What the device and the second clock do to the frames: another client address and
/// port, other sequence numbers of the client, later stamps.
fn translated(records: Vec<Record>) -> Vec<Record> {
    const CLIENT: [u8; 4] = [10, 1, 4, 17];
    const OUTER: [u8; 4] = [203, 0, 113, 5];
    const SHIFT: u32 = 0x5a5a_1234;
    let (ip, port, seq) = (26, 34, 38);
    records
        .into_iter()
        .map(|mut record| {
            let frame = &mut record.frame;
            let to_headend = frame[ip..ip + 4] == CLIENT;
            let at = |first: usize, width: usize| {
                let second = first + width;
                if to_headend { first } else { second }
            };
            let (ip, port, number) = (at(ip, 4), at(port, 2), at(seq, 4));
            frame[ip..ip + 4].copy_from_slice(&OUTER);
            frame[port..port + 2].copy_from_slice(&40_001_u16.to_be_bytes());
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&frame[number..number + 4]);
            let moved = u32::from_be_bytes(bytes).wrapping_add(SHIFT);
            frame[number..number + 4].copy_from_slice(&moved.to_be_bytes());
            record.ts_ns += CLOCK_AHEAD_NS;
            record
        })
        .collect()
}
