//! After warm-up a packet allocates nothing. In a file of its own: the allocator counts
//! for the whole program.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use ctcpmon_core::frame::FrameBatch;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};

thread_local! {
    /// Allocations of this thread count.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Where the first of them came from.
    static PLACES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Places kept for the message of a failure.
const MOST_PLACES: usize = 200;

struct Counting;

fn note() {
    if COUNTS.get() {
        // Naming the place allocates too.
        COUNTS.set(false);
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        PLACES.with_borrow_mut(|places| {
            if places.len() < MOST_PLACES {
                places.push(place(&Backtrace::force_capture().to_string()));
            }
        });
        COUNTS.set(true);
    }
}

/// The innermost functions of the engine in a backtrace, inner first.
fn place(trace: &str) -> String {
    let ours = trace.lines().filter_map(|line| {
        let at = line.find("ctcpmon_core::")?;
        Some(&line[at..])
    });
    ours.take(3).collect::<Vec<_>>().join(" < ")
}

#[allow(unsafe_code, reason = "an allocator can be counted in no other way")]
// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Measured {
    allocations: u64,
    places: BTreeMap<String, usize>,
    events: u64,
    engine: Engine,
}

/// Allocations while `packets` are pushed in batches, after all flows are open and as many
/// packets again were seen.
fn allocations(plan: &Plan, packets: usize) -> Measured {
    const BATCH: usize = 4_096;
    let mut engine = Engine::new(Config::default());
    let mut load = Load::new(plan);
    let mut batch = FrameBatch::default();
    let mut left = plan.opening_packets() as usize + packets;
    while left > 0 {
        load.fill(&mut batch, left.min(BATCH));
        left -= batch.frames.len();
        engine.push(&batch);
        engine.drain_events();
    }
    ALLOCATIONS.set(0);
    PLACES.with_borrow_mut(Vec::clear);
    let mut events = 0;
    for _ in 0..packets / BATCH {
        load.fill(&mut batch, BATCH);
        COUNTS.set(true);
        engine.push(&batch);
        let waiting = engine.drain_events();
        COUNTS.set(false);
        events += waiting.len() as u64;
    }
    let mut places = BTreeMap::new();
    for place in PLACES.take() {
        *places.entry(place).or_insert(0) += 1;
    }
    Measured {
        allocations: ALLOCATIONS.get(),
        places,
        events,
        engine,
    }
}

#[test]
fn the_counter_counts() {
    COUNTS.set(true);
    let some: Vec<u8> = std::hint::black_box(Vec::with_capacity(100));
    COUNTS.set(false);
    assert_eq!((some.len(), ALLOCATIONS.get()), (0, 1));
}

#[test]
fn ordinary_packets_allocate_nothing() {
    for mix in [Mix::Ordinary, Mix::Uniform] {
        let mut plan = Plan::new(mix, 20_000, 0);
        plan.spacing_ns = 10_000;
        let got = allocations(&plan, 400_000);
        assert_eq!(got.engine.flows(), 20_000);
        assert_eq!(got.allocations, 0, "{mix:?}: {:#?}", got.places);
    }
}

#[test]
fn packets_of_healthy_tunnels_allocate_nothing() {
    let mut plan = Plan::new(Mix::Tunnels, 0, 500);
    plan.spacing_ns = 100_000;
    plan.loss = 0.0;
    let got = allocations(&plan, 400_000);
    assert_eq!((got.engine.sessions().count(), got.events), (500, 0));
    assert_eq!(got.allocations, 0, "{:#?}", got.places);
}

/// The list of holes of a half-stream grows to its limit of 24 once and stays; the warm-up
/// loses more than that on either side of every session.
#[test]
fn lost_packets_allocate_nothing_once_the_lists_of_holes_have_grown() {
    let mut plan = Plan::new(Mix::Tunnels, 0, 500);
    plan.spacing_ns = 100_000;
    plan.loss = 0.2;
    let got = allocations(&plan, 400_000);
    assert_eq!(got.engine.sessions().count(), 500);
    assert_eq!(
        got.allocations, 0,
        "{} events: {:#?}",
        got.events, got.places
    );
}
