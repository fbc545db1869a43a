//! Cases that sessions by chance (`chance`) found a detector wrong about: each with a twin
//! in which the same detector must speak.

use crate::cases::{self, Case, base, losing_client, one, one_way};
use crate::device::Device;
use crate::found_outside;
use crate::packet::Record;
use crate::path::{Outage, Path};
use crate::session::{AckHabit, Profile, Stream};
use crate::sim::{EPOCH_NS, Tap};

/// Every case: those of the detectors and those that chance found, here and elsewhere.
pub fn all() -> impl Iterator<Item = &'static Case> {
    cases::CASES.iter().chain(CASES).chain(found_outside::CASES)
}

/// A path that does nothing but what a case adds.
fn plain_path() -> Path {
    Path {
        seed: 1,
        loss: [[0.0; 2]; 2],
        burst: 0.0,
        lossless_until_ms: 0,
        outages: vec![],
        leg_us: [9_000; 2],
        jitter_us: 0,
        late: 0.0,
        late_us: 0,
        duplicate: 0.0,
        ttl: [128, 255],
        routers: 1,
    }
}

/// One packet every two seconds each way, nothing else.
fn slow_beat() -> Profile {
    let mut p = base();
    p.streams = [1_500, 1_900].map(|from_ms| Stream::steady(from_ms, 60_000, 2_200, 148));
    p
}

/// A user who only uploads; every second segment is answered by an empty ACK.
fn upload() -> Profile {
    Profile {
        bare_ack_every: [0, 2],
        ..one_way()
    }
}

/// Receivers that answer each segment with an empty ACK and stand at a hole for ever.
fn answers_each() -> Profile {
    let mut p = Profile {
        window: [14_000; 2],
        ack: [AckHabit::Frozen; 2],
        bare_ack_every: [0, 1],
        ..base()
    };
    p.streams[0] = p.streams[0].clone().losing(&[9]);
    p.streams[0].bytes = 100;
    p
}

/// Voice through a queue that holds 250 packets and lets them go in one burst.
fn burst_of_voice() -> Profile {
    let mut p = Profile {
        window: [65_000; 2],
        ack: [AckHabit::Frozen; 2],
        bare_ack_every: [1, 1],
        path: Some(Path {
            jitter_us: 4_000,
            ..plain_path()
        }),
        ..base()
    };
    p.streams = [1_500, 1_510].map(|from_ms| Stream::steady(from_ms, 30_000, 20, 132));
    p.streams[0] = p.streams[0].clone().losing(&[300]);
    p.streams[1].lose_behind = vec![100];
    p
}

fn both_ports(profile: Profile, device: Device) -> Vec<Record> {
    one(profile, device, Tap::BothPorts)
}

/// The cases.
pub const CASES: &[Case] = &[
    Case {
        name: "mirror_of_a_queue_that_releases",
        about: "A mirror of both ports of an inspection engine that lets go after 5 s.",
        raises: &[],
        silent: &["ctcp.stateful_drop", "ctcp.proxy_ack_freeze"],
        build: || {
            let mut p = base();
            p.streams[0] = p.streams[0].clone().losing(&[40, 120]);
            let release_ms = Some(5_000);
            both_ports(p, Device::Inspection { release_ms })
        },
    },
    Case {
        name: "mirror_of_a_queue_that_holds",
        about: "The same mirror of an engine that never lets go: the copies stop.",
        raises: &["ctcp.stateful_drop"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let mut p = base();
            p.streams[0] = p.streams[0].clone().losing(&[40]);
            both_ports(p, Device::Inspection { release_ms: None })
        },
    },
    Case {
        name: "mirror_of_tracking",
        about: "The same mirror of connection tracking: the copies stop at the limit.",
        raises: &["ctcp.stateful_drop"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || both_ports(losing_client(), Device::Tracking { reset: false }),
    },
    Case {
        name: "answers_each_and_stands",
        about: "A receiver with empty ACKs for each segment, an early loss, nobody tracks.",
        raises: &["ctcp.unfilled_hole"],
        silent: &["ctcp.proxy_ack_freeze", "ctcp.inspection_queue_freeze"],
        build: || one(answers_each(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "answers_each_and_is_dropped",
        about: "The same receiver behind connection tracking.",
        raises: &["ctcp.stateful_drop"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let mut p = answers_each();
            p.streams[0].bytes = 500;
            one(p, Device::Tracking { reset: false }, Tap::ClientSide)
        },
    },
    Case {
        name: "slow_beat_over_an_outage",
        about: "A packet every two seconds; the client's leg is out for five seconds.",
        raises: &[],
        silent: &["ctcp.silent_death"],
        build: || {
            let outage = Outage {
                from_ms: 30_200,
                to_ms: 35_200,
                dirs: [true, false],
                leg: 0,
            };
            let mut p = Profile {
                path: Some(Path {
                    outages: vec![outage],
                    ..plain_path()
                }),
                ..slow_beat()
            };
            p.streams[0].quiet = vec![(36_000, 37_300)];
            one(p, Device::None, Tap::HeadendSide)
        },
    },
    Case {
        name: "slow_beat_cut_off",
        about: "The same beat through a firewall that loses its state.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            let device = Device::StateLost { at_ms: 30_200 };
            one(slow_beat(), device, Tap::HeadendSide)
        },
    },
    Case {
        name: "upload_without_answers",
        about: "An upload whose empty ACKs stop: what stopped is the upload.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let device = Device::StateLost { at_ms: 30_000 };
            one(upload(), device, Tap::ClientSide)
        },
    },
    Case {
        name: "upload_with_answers",
        about: "The same upload through to its end.",
        raises: &[],
        silent: &["ctcp.silent_death", "ctcp.inspection_queue_freeze"],
        build: || one(upload(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "few_copies_in_a_mirror",
        about: "A mirror of both ports; the headend sends a packet now and then into a frozen ACK.",
        raises: &[],
        silent: &["ctcp.inspection_queue_freeze", "ctcp.stateful_drop"],
        build: || {
            let mut p = Profile {
                ack: [AckHabit::Frozen; 2],
                ..Profile::new(17, 0, 85_000)
            };
            p.streams[1] = Stream::steady(1_600, 85_000, 9_000, 148).losing(&[6]);
            let mut records = both_ports(p, Device::None);
            records.retain(|r| r.ts_ns > EPOCH_NS + 12_000_000_000);
            records
        },
    },
    Case {
        name: "more_holes_than_remembered",
        about: "A queue lets voice go in one burst that the path reorders: nothing is sent again.",
        raises: &[],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let release_ms = Some(5_000);
            one(
                burst_of_voice(),
                Device::Inspection { release_ms },
                Tap::Headend,
            )
        },
    },
];
