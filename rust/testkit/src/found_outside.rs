//! Cases that a generator written apart from this one found a detector wrong about, in pairs:
//! one that must raise it, one in which it must stay silent.

use crate::cases::{Case, base, fake_tcp, one};
use crate::damage::{later, merged, renumbered, with_wireguard};
use crate::device::Device;
use crate::packet::Record;
use crate::session::{AckHabit, Dress, Profile, Stream};
use crate::sim::Tap;

/// Voice each way from the first second on.
fn voice() -> Profile {
    let mut p = base();
    p.streams = [1_500, 1_510].map(|from_ms| Stream::steady(from_ms, 60_000, 30, 148));
    p
}

/// A program fetches its mail when the tunnel comes up; then the user reads, and the headend
/// goes on sending what nobody answers.
fn reads_mail() -> Profile {
    let mut p = base();
    p.streams[0] = Stream {
        more: [15_000, 29_000, 41_000].map(|ms| (ms, 148)).to_vec(),
        ..Stream::steady(1_500, 2_300, 40, 100)
    };
    p.streams[1] = Stream::steady(1_520, 2_320, 20, 1_100);
    p.broadcasts = Some(Stream::steady(3_000, 60_000, 900, 148));
    p
}

/// Somebody types a password for eight seconds, in the middle of the handshake.
fn typed(records: Vec<Record>) -> Vec<Record> {
    later(records, 5, 8_000)
}

/// A user who pauses now and then while the headend sends.
fn pauses() -> Profile {
    let mut p = base();
    p.streams[0] = p.streams[0].clone().pausing(&[
        (6_000, 4_000),
        (14_000, 6_000),
        (25_000, 7_000),
        (36_000, 9_000),
        (50_000, 8_000),
    ]);
    p.streams[1].every_ms = 700;
    p
}

/// A user who uploads; small answers come close together.
fn answered_upload() -> Profile {
    let mut p = base();
    p.streams[0].every_ms = 60;
    p.streams[1] = Stream {
        bytes: 100,
        more: (20..580).map(|n| (n * 100 + 51, 100)).collect(),
        ..Stream::steady(2_050, 58_000, 100, 100)
    };
    p
}

/// A headend that only answers, seen in front of a firewall that holds what the client sends.
fn answered_until(ms: i64) -> Profile {
    let mut p = base();
    p.streams[1].to_ms = ms;
    p
}

/// A user fetches something, reads for four seconds and logs out: nobody had anything to say
/// that would have acknowledged the last packets.
fn last_words() -> Profile {
    let mut p = Profile {
        logout_ms: Some(24_000),
        ..answered_until(20_000)
    };
    p.streams[0] = Stream {
        more: vec![(20_100, 100), (20_110, 100), (20_120, 100)],
        ..Stream::steady(1_500, 20_000, 200, 348)
    };
    p
}

/// udp2raw whose data of one side are lost: these segments, seen at the client itself.
fn goes_back(lost: &[usize]) -> Profile {
    let mut p = fake_tcp(Dress::Udp2raw);
    p.streams[0] = p.streams[0].clone().losing(lost);
    p
}

/// WireGuard in fake TCP of another maker, with receivers that stand still at a hole. The
/// client's segments from number 100 on are lost, or that one alone; the handshake begins
/// anew at these times.
fn wireguard(lost: &[usize], anew_ms: &[i64]) -> Vec<Record> {
    let mut p = Profile {
        ack: [AckHabit::Frozen; 2],
        window: [40_000; 2],
        ..fake_tcp(Dress::Phantun)
    };
    p.streams[0] = p.streams[0].clone().losing(lost);
    p.streams[0].more = anew_ms.iter().map(|ms| (*ms, 148)).collect();
    with_wireguard(one(p, Device::None, Tap::Client))
}

/// The cases.
pub const CASES: &[Case] = &[
    Case {
        name: "mail_and_then_reading",
        about: "Two seconds of fetching, then a user who reads while the headend sends on.",
        raises: &[],
        silent: &["ctcp.silent_death"],
        build: || one(reads_mail(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "voice_cut_off_at_once",
        about: "Voice that a firewall cuts off after three seconds.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.stateful_drop"],
        build: || one(voice(), Device::StateLost { at_ms: 4_500 }, Tap::ClientSide),
    },
    Case {
        name: "typed_password_and_cut_off",
        about: "A password was typed in the handshake; later a firewall loses its state.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            let device = Device::StateLost { at_ms: 30_000 };
            typed(one(voice(), device, Tap::ClientSide))
        },
    },
    Case {
        name: "typed_password_and_pauses",
        about: "The same handshake, then a user who pauses now and then.",
        raises: &[],
        silent: &["ctcp.silent_death"],
        build: || typed(one(pauses(), Device::None, Tap::ClientSide)),
    },
    Case {
        name: "small_packets_merged",
        about: "The capturing host merges small packets that come close together.",
        raises: &[],
        silent: &["ctcp.unfilled_hole", "ctcp.proxy_ack_freeze"],
        build: || merged(one(answered_upload(), Device::None, Tap::ClientSide), 2),
    },
    Case {
        name: "dropped_in_the_headend",
        about: "The headend drops ESP packets before they are put into TCP.",
        raises: &["ctcp.unfilled_hole"],
        silent: &["ctcp.proxy_ack_freeze"],
        build: || renumbered(one(answered_upload(), Device::None, Tap::ClientSide), 1, 90),
    },
    Case {
        name: "requests_held_at_a_hole",
        about: "A request is lost; the headend, which only answers, falls silent.",
        raises: &["ctcp.silent_death"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            let mut p = answered_until(20_000);
            p.streams[0] = p.streams[0].clone().losing(&[99]);
            one(p, Device::None, Tap::ClientSide)
        },
    },
    Case {
        name: "silent_headend_given_up",
        about: "A firewall loses its state; the client gives up with a RST.",
        raises: &["ctcp.silent_death", "ctcp.reset_after_loss"],
        silent: &["ctcp.stateful_drop"],
        build: || {
            let p = Profile {
                logout_ms: Some(45_000),
                ..base()
            };
            one(p, Device::StateLost { at_ms: 20_000 }, Tap::ClientSide)
        },
    },
    Case {
        name: "last_words_and_logout",
        about: "A user reads for some seconds after the last packet and logs out.",
        raises: &[],
        silent: &["ctcp.reset_after_loss", "ctcp.silent_death"],
        build: || one(last_words(), Device::None, Tap::ClientSide),
    },
    Case {
        name: "udp2raw_goes_back_in_vain",
        about: "udp2raw goes back to the ACK again and again, and nothing arrives.",
        raises: &["ctcp.inspection_queue_freeze"],
        silent: &["ctcp.silent_death"],
        build: || {
            let lost: Vec<usize> = (100..1_000).collect();
            one(goes_back(&lost), Device::None, Tap::Client)
        },
    },
    Case {
        name: "udp2raw_goes_back_once",
        about: "udp2raw goes back to the ACK and the segment arrives.",
        raises: &[],
        silent: &["ctcp.inspection_queue_freeze", "ctcp.unfilled_hole"],
        build: || one(goes_back(&[100]), Device::None, Tap::Client),
    },
    Case {
        name: "wireguard_handshakes_fail",
        about: "WireGuard in fake TCP: the ACK stands still and handshakes come to nothing.",
        raises: &["ctcp.inspection_queue_freeze"],
        silent: &["ctcp.silent_death"],
        build: || {
            let lost: Vec<usize> = (60..1_000).collect();
            wireguard(&lost, &[30_000, 35_200, 40_500, 45_700, 51_000])
        },
    },
    Case {
        name: "wireguard_stands_still",
        about: "WireGuard in fake TCP: the ACK stands still and the one handshake works.",
        raises: &["ctcp.unfilled_hole"],
        silent: &["ctcp.inspection_queue_freeze", "ctcp.ike_unanswered"],
        build: || wireguard(&[60], &[30_000]),
    },
];
