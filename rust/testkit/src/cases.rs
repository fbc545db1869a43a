//! The cases: each detector has one that raises it and a twin that must stay silent.

use crate::damage::{doubled, swapped, without};
use crate::device::Device;
use crate::packet::Record;
use crate::session::{AckHabit, Dress, Profile, Stream};
use crate::sim::{Scenario, Tap};

/// One case.
#[derive(Debug)]
pub struct Case {
    /// Folder in `tests/cases`.
    pub name: &'static str,
    /// What it shows, one sentence.
    pub about: &'static str,
    /// Detector that must raise a stall (or its own verdict).
    pub raises: &'static [&'static str],
    /// Detectors that must stay silent although the traffic resembles what they look for.
    pub silent: &'static [&'static str],
    /// Frames.
    pub build: fn() -> Vec<Record>,
}

pub(crate) fn one(profile: Profile, device: Device, tap: Tap) -> Vec<Record> {
    Scenario {
        sessions: vec![profile],
        device,
        tap,
    }
    .run()
}

pub(crate) fn base() -> Profile {
    Profile::new(17, 0, 60_000)
}

/// Windows of 8 kB: connection tracking gives up 16 kB behind a hole.
fn small_window() -> Profile {
    Profile {
        window: [8_192; 2],
        ack: [AckHabit::Frozen; 2],
        ..base()
    }
}

pub(crate) fn losing_client() -> Profile {
    let mut p = small_window();
    p.streams[0] = p.streams[0].clone().losing(&[40]);
    p
}

fn steps_over() -> Profile {
    let mut p = base();
    p.streams[0] = p.streams[0].clone().losing(&[40, 90]);
    p
}

pub(crate) fn one_way() -> Profile {
    let mut p = base();
    p.streams[1] = Stream::silent();
    p.streams[0].every_ms = 400;
    p
}

/// The pauses of a person at a keyboard, ms: `(at, for)`.
const PAUSES: [(i64, i64); 7] = [
    (4_000, 2_600),
    (8_000, 5_200),
    (14_500, 2_100),
    (18_000, 1_500),
    (21_000, 2_500),
    (25_000, 7_900),
    (36_000, 2_600),
];

fn person() -> Profile {
    let mut p = base();
    p.streams[0] = p.streams[0].clone().pausing(&PAUSES);
    p
}

/// Receivers that never step over a hole, window 64 kB, a loss after 32 s.
fn frozen_late() -> Profile {
    let mut p = Profile {
        window: [65_535; 2],
        ..small_window()
    };
    p.streams[0] = p.streams[0].clone().losing(&[160]);
    p
}

/// The same with DPD every six seconds.
fn frozen_with_dpd() -> Profile {
    Profile {
        dpd_every_ms: 6_000,
        ..frozen_late()
    }
}

/// The same receivers, which answer every second segment with an empty ACK.
fn frozen_with_bare_acks() -> Profile {
    Profile {
        bare_ack_every: [2; 2],
        ..frozen_late()
    }
}

pub(crate) fn fake_tcp(dress: Dress) -> Profile {
    let mut p = Profile {
        dress,
        ack: [match dress {
            Dress::Udp2raw => AckHabit::Frozen,
            _ => AckHabit::Highest,
        }; 2],
        ..Profile::new(17, 0, 60_000)
    };
    p.client.1 = 45_017;
    p.headend.1 = 4_096;
    p
}

fn losing(mut p: Profile, segments: &[usize]) -> Profile {
    p.streams[0] = p.streams[0].clone().losing(segments);
    p
}

/// Every case of the project.
pub const CASES: &[Case] = &[
    Case {
        name: "healthy",
        about: "Balanced traffic through connection tracking, no loss.",
        raises: &[],
        silent: &[
            "ctcp.stateful_drop",
            "ctcp.silent_death",
            "ctcp.window_overrun",
            "ctcp.unfilled_hole",
        ],
        build: || one(base(), Device::Tracking { reset: false }, Tap::ClientSide),
    },
    Case {
        name: "tracking_drops_after_loss",
        about: "One segment lost before the firewall, receivers freeze the ACK; tap in front.",
        raises: &["ctcp.stateful_drop", "ctcp.unfilled_hole"],
        silent: &[],
        build: || {
            one(
                losing_client(),
                Device::Tracking { reset: false },
                Tap::ClientSide,
            )
        },
    },
    Case {
        name: "tracking_drops_seen_behind",
        about: "The same behind the firewall: the client's direction falls silent at the limit.",
        raises: &["ctcp.stateful_drop"],
        silent: &[],
        build: || {
            one(
                losing_client(),
                Device::Tracking { reset: false },
                Tap::HeadendSide,
            )
        },
    },
    Case {
        name: "tracking_both_ports",
        about: "The same with both ports mirrored: the copies behind the device stop.",
        raises: &["ctcp.stateful_drop"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            one(
                losing_client(),
                Device::Tracking { reset: false },
                Tap::BothPorts,
            )
        },
    },
    Case {
        name: "loss_without_device",
        about: "Two losses, receivers step over them, nobody tracks: at risk, not stalled.",
        raises: &["ctcp.unfilled_hole"],
        silent: &[
            "ctcp.stateful_drop",
            "ctcp.proxy_ack_freeze",
            "ctcp.silent_death",
        ],
        build: || one(steps_over(), Device::None, Tap::HeadendSide),
    },
    Case {
        name: "frozen_ack_at_receiver",
        about: "A receiver that never steps over a hole, no device; the tap stands beside it.",
        raises: &["ctcp.unfilled_hole"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            let p = Profile {
                window: [65_535; 2],
                ..losing_client()
            };
            one(p, Device::None, Tap::HeadendSide)
        },
    },
    Case {
        name: "frozen_ack_with_dpd",
        about: "A receiver that never steps over a hole; its DPD answers show that data arrive.",
        raises: &["ctcp.unfilled_hole"],
        silent: &["ctcp.inspection_queue_freeze", "ctcp.stateful_drop"],
        build: || one(frozen_with_dpd(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "held_with_dpd",
        about: "The same with an inspection engine that holds all behind the hole, DPD included.",
        raises: &["ctcp.inspection_queue_freeze"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let p = Profile {
                window: [16_384; 2],
                ..frozen_with_dpd()
            };
            one(p, Device::Inspection { release_ms: None }, Tap::ClientSide)
        },
    },
    Case {
        name: "frozen_ack_with_bare_acks",
        about: "A receiver that never steps over a hole but answers every second segment.",
        raises: &["ctcp.unfilled_hole"],
        silent: &["ctcp.inspection_queue_freeze", "ctcp.stateful_drop"],
        build: || one(frozen_with_bare_acks(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "held_with_bare_acks",
        about: "The same with an inspection engine: the empty ACKs stop.",
        raises: &["ctcp.inspection_queue_freeze"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let p = Profile {
                window: [16_384; 2],
                ..frozen_with_bare_acks()
            };
            one(p, Device::Inspection { release_ms: None }, Tap::ClientSide)
        },
    },
    Case {
        name: "outage_behind_the_tap",
        about: "The path to the headend is out for five seconds; nobody tracks the stream.",
        raises: &[],
        silent: &[
            "ctcp.inspection_queue_freeze",
            "ctcp.stateful_drop",
            "ctcp.silent_death",
        ],
        build: || {
            let mut p = base();
            p.streams[0].every_ms = 50;
            p.streams[0].bytes = 1_236;
            p.streams[0].lose_behind = (200..300).collect();
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "trickle_at_the_limit",
        about: "Tracking drops; the traffic inside waits for answers and slows to a trickle.",
        raises: &["ctcp.stateful_drop"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let mut p = losing_client();
            p.streams[0] = p.streams[0].clone().pausing(&[
                (18_400, 1_000),
                (19_500, 2_000),
                (21_600, 4_000),
                (25_700, 8_000),
                (33_800, 16_000),
                (49_900, 11_000),
            ]);
            one(p, Device::Tracking { reset: false }, Tap::ClientSide)
        },
    },
    Case {
        name: "udp2raw_loss",
        about: "udp2raw loses packets on a path without state and goes back in sequence space.",
        raises: &["ctcp.unfilled_hole"],
        silent: &[
            "ctcp.proxy_ack_freeze",
            "ctcp.inspection_queue_freeze",
            "ctcp.stateful_drop",
            "ctcp.silent_death",
        ],
        build: || {
            let p = losing(fake_tcp(Dress::Udp2raw), &[40, 90, 91, 150]);
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "udp2raw_state_lost",
        about: "A firewall forgets a udp2raw tunnel.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let p = fake_tcp(Dress::Udp2raw);
            one(p, Device::StateLost { at_ms: 25_000 }, Tap::ClientSide)
        },
    },
    Case {
        name: "phantun_loss",
        about: "phantun loses packets on a path without state; nobody minds.",
        raises: &["ctcp.unfilled_hole"],
        silent: &[
            "ctcp.proxy_ack_freeze",
            "ctcp.inspection_queue_freeze",
            "ctcp.stateful_drop",
            "ctcp.silent_death",
        ],
        build: || {
            let p = losing(fake_tcp(Dress::Phantun), &[40, 90, 91, 150]);
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "phantun_held",
        about: "An inspection engine waits at a hole of a phantun tunnel.",
        raises: &["ctcp.inspection_queue_freeze"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || {
            let p = losing(fake_tcp(Dress::Phantun), &[60]);
            one(p, Device::Inspection { release_ms: None }, Tap::ClientSide)
        },
    },
    Case {
        name: "phantun_proxied",
        about: "A proxy stands in the way of a phantun tunnel.",
        raises: &["ctcp.proxy_ack_freeze"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            let p = losing(fake_tcp(Dress::Phantun), &[60]);
            one(p, Device::Proxy, Tap::ClientSide)
        },
    },
    Case {
        name: "pauses_of_a_person",
        about: "Somebody types, reads, and types again; the headend goes on meanwhile.",
        raises: &[],
        silent: &["ctcp.silent_death"],
        build: || one(person(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "person_cut_off",
        about: "The same person behind a firewall that loses its state.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            one(
                person(),
                Device::StateLost { at_ms: 24_000 },
                Tap::HeadendSide,
            )
        },
    },
    Case {
        name: "inspection_holds",
        about: "An inspection engine waits at the hole for ever.",
        raises: &["ctcp.inspection_queue_freeze"],
        silent: &["ctcp.proxy_ack_freeze", "ctcp.stateful_drop"],
        build: || {
            one(
                steps_over(),
                Device::Inspection { release_ms: None },
                Tap::ClientSide,
            )
        },
    },
    Case {
        name: "inspection_releases",
        about: "The same engine gives up after 4 s and lets everything go: a pause, no stall.",
        raises: &[],
        silent: &["ctcp.silent_death", "ctcp.stateful_drop"],
        build: || {
            one(
                steps_over(),
                Device::Inspection {
                    release_ms: Some(4_000),
                },
                Tap::HeadendSide,
            )
        },
    },
    Case {
        name: "proxy_freezes",
        about: "A proxy asks for the lost segment with duplicate ACKs and SACK, for ever.",
        raises: &["ctcp.proxy_ack_freeze"],
        silent: &[],
        build: || one(steps_over(), Device::Proxy, Tap::ClientSide),
    },
    Case {
        name: "reset_by_firewall",
        about: "A firewall that rejects resets the client; the headend goes on.",
        raises: &["ctcp.reset_after_loss"],
        silent: &[],
        build: || {
            one(
                losing_client(),
                Device::Tracking { reset: true },
                Tap::ClientSide,
            )
        },
    },
    Case {
        name: "forged_reset",
        about: "A RST that nobody obeys: both sides go on.",
        raises: &[],
        silent: &["ctcp.reset_after_loss", "ctcp.silent_death"],
        build: || {
            let mut r = one(base(), Device::None, Tap::ClientSide);
            let at = r.len() / 2;
            let mut forged = r[at].clone();
            forged.ts_ns += 1_000_000;
            forged.frame.truncate(54);
            forged.frame[17] = 40;
            forged.frame[18] ^= 0x55;
            forged.frame[47] = 4;
            r.insert(at + 1, forged);
            r
        },
    },
    Case {
        name: "logout",
        about: "An orderly end: IKE delete, then the bare RST of the client, then quiet.",
        raises: &[],
        silent: &["ctcp.reset_after_loss", "ctcp.silent_death"],
        build: || {
            let mut p = Profile {
                logout_ms: Some(40_000),
                ..base()
            };
            p.streams[0].to_ms = 39_900;
            p.streams[1].to_ms = 39_900;
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "state_lost",
        about: "The firewall loses its state without any loss before.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || one(base(), Device::StateLost { at_ms: 25_000 }, Tap::ClientSide),
    },
    Case {
        name: "one_way_user",
        about: "Only the client sends after IKE; the headend was never regular.",
        raises: &[],
        silent: &["ctcp.silent_death", "ctcp.stateful_drop"],
        build: || one(one_way(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "one_way_burst",
        about: "A one-way burst runs over the window: at risk without any loss.",
        raises: &["ctcp.window_overrun"],
        silent: &["ctcp.unfilled_hole", "ctcp.stateful_drop"],
        build: || {
            let mut p = one_way();
            p.streams[0].every_ms = 100;
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "dpd_unanswered",
        about: "The client asks with DPD, the headend stops answering IKE and dies.",
        raises: &["ctcp.ike_unanswered"],
        silent: &[],
        build: || {
            let mut p = Profile {
                dpd_every_ms: 10_000,
                headend_dies_ms: Some(45_000),
                ..Profile::new(17, 0, 120_000)
            };
            p.streams[0] = Stream::silent();
            p.streams[1] = Stream::silent();
            p.streams[0].to_ms = -1;
            p.streams[1].from_ms = 119_000;
            p.streams[1].to_ms = 119_000;
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "dpd_answered",
        about: "The same rhythm with every request answered.",
        raises: &[],
        silent: &["ctcp.ike_unanswered", "ctcp.silent_death"],
        build: || {
            let mut p = Profile {
                dpd_every_ms: 10_000,
                ..Profile::new(17, 0, 120_000)
            };
            p.streams[0] = Stream::silent();
            p.streams[1] = Stream::silent();
            p.streams[1].from_ms = 119_000;
            p.streams[1].to_ms = 119_000;
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "tap_loses_packets",
        about: "A healthy session on a tap that misses every fortieth frame.",
        raises: &[],
        silent: &[
            "ctcp.unfilled_hole",
            "ctcp.stateful_drop",
            "ctcp.silent_death",
        ],
        build: || without(one(base(), Device::None, Tap::ClientSide), 40),
    },
    Case {
        name: "reordering",
        about: "Neighbouring frames change places.",
        raises: &[],
        silent: &["ctcp.unfilled_hole", "ctcp.stateful_drop"],
        build: || swapped(one(base(), Device::None, Tap::ClientSide)),
    },
    Case {
        name: "span_duplicates",
        about: "The mirror shows every frame twice.",
        raises: &[],
        silent: &[
            "ctcp.proxy_ack_freeze",
            "ctcp.unfilled_hole",
            "ctcp.reset_after_loss",
        ],
        build: || doubled(one(base(), Device::None, Tap::ClientSide)),
    },
    Case {
        name: "one_way_span",
        about: "The mirror shows the client's direction only, of a session that stalls.",
        raises: &[],
        silent: &[
            "ctcp.stateful_drop",
            "ctcp.silent_death",
            "ctcp.window_overrun",
        ],
        build: || {
            let mut r = one(
                losing_client(),
                Device::Tracking { reset: false },
                Tap::ClientSide,
            );
            r.retain(|r| r.frame[26..30] == [10, 1, 4, 17]);
            r
        },
    },
    Case {
        name: "mid_stream_start",
        about: "The capture begins long after the session.",
        raises: &[],
        silent: &[
            "ctcp.silent_death",
            "ctcp.stateful_drop",
            "ctcp.unfilled_hole",
        ],
        build: || one(base(), Device::None, Tap::ClientSide).split_off(150),
    },
    Case {
        name: "idle_after_traffic",
        about: "Both sides fall quiet; nobody is waiting for anything.",
        raises: &[],
        silent: &["ctcp.silent_death", "ctcp.stateful_drop"],
        build: || {
            let mut p = base();
            p.streams[0].to_ms = 20_000;
            p.streams[1].to_ms = 20_000;
            let mut later = Profile::new(18, 55_000, 60_000);
            later.start_ms = 50_000;
            Scenario {
                sessions: vec![p, later],
                device: Device::None,
                tap: Tap::ClientSide,
            }
            .run()
        },
    },
    Case {
        name: "idle_user_with_broadcasts",
        about: "The user goes away; the headend sends a stray packet every ten seconds.",
        raises: &[],
        silent: &[
            "ctcp.stateful_drop",
            "ctcp.reset_after_loss",
            "ctcp.window_overrun",
        ],
        build: || {
            let mut p = Profile::new(17, 0, 200_000);
            p.streams[0].to_ms = 30_000;
            p.streams[1].to_ms = 30_000;
            p.broadcasts = Some(Stream::steady(40_000, 200_000, 10_000, 148));
            one(p, Device::None, Tap::ClientSide)
        },
    },
];
