//! What a healthy tunnel session holds, in the allocator's own bytes, and that a warm one
//! allocates nothing. The flow record beside it (112 to 126 bytes with its index) is not in it: the
//! table takes room for 16,384 of them at once.
#![allow(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; every call is passed on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ctcpmon_core::session::Session;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::packet::Record;
use ctcpmon_testkit::sim::EPOCH_NS;
use ctcpmon_testkit::{Device, Profile, Scenario, Tap};

/// Bytes of the part that every session has.
const RESIDENT_BYTES: usize = 544;
/// Bytes of a session with IKE, DPD, two SAs and its places in the tables of the engine.
const SESSION_BYTES: usize = 600;
/// What a hole adds, and twelve in one direction.
const ONE_HOLE_BYTES: usize = 240;
const TWELVE_HOLES_BYTES: usize = 720;
/// Address of the headend in the scenarios.
const HEADEND: [u8; 4] = [198, 51, 100, 9];

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What an allocation takes in the heap of glibc: a word before it, rounded to two words.
fn taken(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

fn add(bytes: usize) {
    HELD.set(HELD.get().wrapping_add(bytes));
    CALLS.set(CALLS.get() + 1);
}

// SAFETY: every call goes to the system allocator unchanged; the counters need no memory
// of their own and take part in nothing that the trait promises. `realloc` is the trait's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(taken(layout));
        // SAFETY: the caller keeps the contract of the trait, and so of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(taken(layout)));
        // SAFETY: as above; the pointer came from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const SESSIONS: usize = 1_000;
/// DPD has begun, tables have grown.
const WARM_MS: i64 = 30_000;
const END_MS: i64 = 60_000;

/// Sessions from the handshake on, with traffic both ways and DPD. Their addresses and
/// ports, and so their SPIs, are their own.
fn healthy(first: usize, sessions: usize) -> Vec<Record> {
    let mut records: Vec<Record> = (first..first + sessions)
        .flat_map(|n| {
            let profile = Profile {
                client: ([10, 1, (n >> 8) as u8, n as u8], 2_000 + n as u16),
                dpd_every_ms: 10_000,
                ..Profile::new(0, n as i64 % 1_000, END_MS)
            };
            let scenario = Scenario {
                sessions: vec![profile],
                device: Device::None,
                tap: Tap::ClientSide,
            };
            scenario.run()
        })
        .collect();
    records.sort_by_key(|r| r.ts_ns);
    records
}

#[test]
fn a_healthy_session_is_small_and_allocates_once() {
    assert!(
        size_of::<Session>() <= RESIDENT_BYTES,
        "{} bytes resident",
        size_of::<Session>()
    );
    let mut engine = Engine::new(Config::default());
    let warm_ns = EPOCH_NS + WARM_MS * 1_000_000;
    let (alone, records) = (healthy(0, 1), healthy(1, SESSIONS));
    let mut push = |records: &[Record]| {
        for r in records {
            engine.push_frame(&r.captured());
        }
        (HELD.get(), CALLS.get())
    };
    // Its tables come with the first session.
    let (before, _) = push(&alone[..20]);
    let (cold, warm) = records.split_at(records.partition_point(|r| r.ts_ns < warm_ns));
    let (_, calls_cold) = push(cold);
    let (held, calls_warm) = push(warm);
    assert_eq!(engine.sessions().count(), SESSIONS + 1);
    assert!(!engine.has_events(), "healthy");
    assert!(warm.len() > 100 * SESSIONS);
    let calls = calls_warm - calls_cold;
    assert_eq!(calls, 0, "allocations in {} packets", warm.len());
    let each = (held - before) / SESSIONS;
    assert!(each <= SESSION_BYTES, "{each} bytes a session");
}

/// Bytes of each of a thousand sessions of which the tap has missed so many frames with data of
/// the headend, each with others behind it.
fn bytes_with_missed(frames: usize) -> usize {
    let mut records = Vec::new();
    for n in 1..=SESSIONS {
        let mut of_one = healthy(n, 1);
        let mut at = of_one.len() / 2;
        for _ in 0..frames {
            let is_data = |r: &Record| r.frame.len() > 200 && r.frame[26..30] == HEADEND;
            let found = of_one[at..].iter().position(is_data);
            at += found.expect("data to miss");
            of_one.remove(at);
            at += 10;
        }
        records.extend(of_one);
    }
    records.sort_by_key(|r| r.ts_ns);
    let mut engine = Engine::new(Config::default());
    let mut push = |records: &[Record]| {
        for r in records {
            engine.push_frame(&r.captured());
        }
        engine.drain_events();
        HELD.get()
    };
    let alone = healthy(0, 1);
    let before = push(&alone[..20]);
    (push(&records) - before) / SESSIONS
}

#[test]
fn evidence_of_loss_costs_what_it_says() {
    let whole = bytes_with_missed(0);
    let more = |frames: usize| bytes_with_missed(frames) - whole;
    for (frames, bytes) in [(1, ONE_HOLE_BYTES), (12, TWELVE_HOLES_BYTES)] {
        let more = more(frames);
        assert!(more > bytes / 2, "{more} bytes: were {frames} missed?");
        assert!(more <= bytes, "{more} bytes for {frames}");
    }
}
