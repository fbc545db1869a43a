//! Rings of interfaces as a source: a thread for each ring, batches to the engine.
//!
//! A ring thread copies a block out and hands it on; it never waits for anything but a batch
//! to fill. An engine that is slow lets the ring fill up, and the kernel counts what it drops:
//! there is no second queue that could lose frames.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender};
use ctcpmon_core::engine::tap_bit;
use ctcpmon_core::flow::Preparer;
use ctcpmon_core::frame::LinkType;
use ctcpmon_core::steady::Steady;
use ctcpmon_core::time::Timestamp;
use ctcpmon_live::{
    Counters, Fanout, Instruction, Interface, LiveError, Ring, Settings, Taken, memory_available,
    merging,
};

use crate::panics;
use crate::reader::{Batch, LastWords, Read};

/// Longest wait of a ring thread before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(20);
/// The kernel and the driver are asked for their counters this often.
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// A block that is not full is handed over within 50 ms; what was on the wire this long ago
/// has been seen (twice that).
const SEEN_AFTER: Duration = Duration::from_millis(100);
/// After the intake was closed, the block that was being filled is handed over within this.
const LAST_BLOCK: Duration = Duration::from_millis(150);
/// Two clocks that are read within this are read at the same moment.
const AT_ONCE: Duration = Duration::from_micros(100);
/// Interfaces of one run: a bit for each says which are down ([`tap_bit`]).
const MOST_INTERFACES: usize = u16::BITS as usize;
/// An interface that went away is looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to capture.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Interfaces; each its own observation point.
    pub interfaces: Vec<String>,
    /// Memory of all rings together, bytes.
    pub ring_bytes: usize,
    /// Rings, and threads, for each interface.
    pub rings: usize,
    /// Frames for others too.
    pub is_promiscuous: bool,
    /// By link type: the kernel hands over only what it accepts. None at all: everything.
    pub filters: Vec<(LinkType, Vec<Instruction>)>,
}

impl LiveConfig {
    /// The program for the link type of an interface.
    fn filter_for(&self, name: &str) -> Result<Vec<Instruction>, LiveError> {
        if self.filters.is_empty() {
            return Ok(Vec::new());
        }
        let interface = Interface::named(name).ok_or_else(|| LiveError::none(name))?;
        let link = interface.link()?;
        let found = self.filters.iter().find(|(known, _)| *known == link);
        found
            .map(|(_, program)| program.clone())
            .ok_or_else(|| LiveError::NoFilter(name.to_owned()))
    }
}

/// One interface as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Name.
    pub name: String,
    /// Of all its rings.
    pub counters: Counters,
    /// Frames that driver or card dropped since the start.
    pub driver_dropped: u64,
    /// It is down, or away.
    pub is_down: bool,
    /// Times it went down, or away.
    pub downs: u64,
    /// Offloads that merged segments before they were seen, when it was opened.
    pub merging: Vec<&'static str>,
}

/// A ring's own account, written by its thread.
struct Account {
    port: usize,
    counters: Counters,
    /// Newest frame since the last gap, and when it was taken.
    newest: Option<(Timestamp, Instant)>,
    /// When the last look began, if it found nothing. Not the moment of asking: a process
    /// that was stopped finds what came meanwhile only with its next look.
    quiet: Option<Instant>,
    is_down: bool,
    /// Nothing has come since it was down.
    in_gap: bool,
    downs: u64,
    driver_dropped: u64,
    /// What was done to the clock of the machine, as this ring saw it.
    steady: Steady,
}

/// What ring threads share with the run.
pub(crate) struct Live {
    names: Vec<String>,
    merging: Vec<Vec<&'static str>>,
    accounts: Vec<Mutex<Account>>,
    stop: AtomicBool,
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Every interface as it is now.
    pub(crate) fn ports(&self) -> Vec<Port> {
        let mut ports: Vec<Port> = self
            .names
            .iter()
            .zip(&self.merging)
            .map(|(name, merging)| Port {
                name: name.clone(),
                merging: merging.clone(),
                ..Port::default()
            })
            .collect();
        for account in &self.accounts {
            let one = lock(account);
            let Some(port) = ports.get_mut(one.port) else {
                continue;
            };
            let (sum, more) = (&mut port.counters, one.counters);
            sum.received += more.received;
            sum.dropped += more.dropped;
            sum.freezes += more.freezes;
            sum.taken += more.taken;
            sum.outgoing += more.outgoing;
            sum.misplaced += more.misplaced;
            port.is_down |= one.is_down;
            port.downs = port.downs.max(one.downs);
            port.driver_dropped = port.driver_dropped.max(one.driver_dropped);
        }
        ports
    }

    /// Times that the clock of the machine was set, and how far it is ahead for that.
    pub(crate) fn clock_steps(&self) -> (u64, i64) {
        let each = self.accounts.iter().map(|account| lock(account).steady);
        each.map(|steady| (steady.steps, steady.ahead_ns()))
            .max_by_key(|(steps, _)| *steps)
            .unwrap_or_default()
    }

    /// The interfaces from which nothing comes since they were down, a bit for each.
    pub(crate) fn down(&self) -> u16 {
        // An interface goes on when one of its rings does.
        let (mut gone, mut there) = (0, 0);
        for account in &self.accounts {
            let one = lock(account);
            let bit = tap_bit(one.port as u16);
            if one.in_gap {
                gone |= bit;
            } else {
                there |= bit;
            }
        }
        gone & !there
    }

    /// The capture time before which every frame has been handed over, while nothing comes,
    /// by the interfaces that are up; none while none is, or while nobody has seen a frame.
    pub(crate) fn silent_until(&self) -> Option<Timestamp> {
        let mut until: Option<Timestamp> = None;
        for account in &self.accounts {
            let one = lock(account);
            if one.is_down {
                continue;
            }
            let Some((newest, at)) = one.newest else {
                continue;
            };
            let since = one
                .quiet
                .map_or(Duration::ZERO, |quiet| quiet.saturating_duration_since(at));
            let seen = newest.plus(since.as_nanos() as i64 - SEEN_AFTER.as_nanos() as i64);
            until = Some(until.map_or(seen, |other| other.min(seen)));
        }
        until
    }

    #[cfg(test)]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Ends the intake; what the rings hold still comes.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Open rings, not read yet.
pub struct LiveRings {
    names: Vec<String>,
    merging: Vec<Vec<&'static str>>,
    rings: Vec<(usize, Ring)>,
}

impl LiveRings {
    /// Opens every ring on the caller's thread: the only thing that needs the right to
    /// capture, which may be given up behind it.
    ///
    /// # Errors
    /// The first interface that cannot be captured.
    pub fn open(config: &LiveConfig) -> Result<Self, LiveError> {
        if config.interfaces.len() > MOST_INTERFACES {
            return Err(LiveError::TooMany(config.interfaces.len(), MOST_INTERFACES));
        }
        let wanted = config.ring_bytes as u64;
        if let Some(available) = memory_available().filter(|available| *available < wanted) {
            return Err(LiveError::NoMemory(wanted >> 20, available >> 20));
        }
        let rings = config.rings.max(1);
        let each = config.ring_bytes / (config.interfaces.len() * rings).max(1);
        let mut open = Vec::new();
        for (port, name) in config.interfaces.iter().enumerate() {
            let filter = config.filter_for(name)?;
            let mut fanout = (rings > 1).then_some(Fanout::First);
            for _ in 0..rings {
                let ring = Ring::open(Settings {
                    name: name.clone(),
                    tap: port as u16,
                    ring_bytes: each,
                    is_promiscuous: config.is_promiscuous,
                    filter: filter.clone(),
                    fanout,
                })?;
                if fanout == Some(Fanout::First) {
                    fanout = Some(Fanout::Of(ring.group()?));
                }
                open.push((port, ring));
            }
        }
        Ok(Self {
            merging: config.interfaces.iter().map(|name| merging(name)).collect(),
            names: config.interfaces.clone(),
            rings: open,
        })
    }

    /// Number of rings.
    pub(crate) fn len(&self) -> usize {
        self.rings.len()
    }
}

/// Starts a thread for every ring.
pub(crate) fn start(
    open: LiveRings,
    preparer: Option<&Preparer>,
    full: &Sender<Read>,
    empty: &Receiver<Batch>,
) -> std::io::Result<Arc<Live>> {
    let LiveRings {
        names,
        merging,
        rings,
    } = open;
    let dropped = |port: &usize| {
        let name = names.get(*port)?;
        Some(Interface::named(name)?.dropped)
    };
    let before: Vec<Rising> = rings
        .iter()
        .map(|(port, _)| Rising::from(dropped(port).unwrap_or(0)))
        .collect();
    let live = Arc::new(Live {
        accounts: rings
            .iter()
            .map(|(port, _)| {
                Mutex::new(Account {
                    port: *port,
                    counters: Counters::default(),
                    newest: None,
                    quiet: None,
                    is_down: false,
                    in_gap: false,
                    downs: 0,
                    driver_dropped: 0,
                    steady: Steady::default(),
                })
            })
            .collect(),
        names,
        merging,
        stop: AtomicBool::new(false),
    });
    for (number, ((_, ring), before)) in rings.into_iter().zip(before).enumerate() {
        let thread = Thread {
            live: Arc::clone(&live),
            number,
            ring,
            driver_dropped: before,
            counted: Instant::now(),
            closed: None,
            gap: None,
            looked: Instant::now(),
            started: Instant::now(),
            steady: Steady::default(),
        };
        let (preparer, full, empty) = (preparer.cloned(), full.clone(), empty.clone());
        let what = format!("the reader of {}", thread.ring.name());
        std::thread::Builder::new()
            .name(format!("ctcpmon-ring-{number}"))
            .spawn(move || {
                panics::reading(&what, &full, || {
                    thread.run(preparer.as_ref(), &full, &empty);
                });
            })?;
    }
    Ok(live)
}

/// Somebody's counter since the start, over its beginnings anew: an interface that was made
/// anew counts from 0.
#[derive(Clone, Copy, Debug)]
struct Rising {
    last: u64,
    sum: u64,
}

impl Rising {
    fn from(now: u64) -> Self {
        Self { last: now, sum: 0 }
    }

    /// The sum, with what it is now.
    fn look(&mut self, now: u64) -> u64 {
        let more = now.checked_sub(self.last).unwrap_or(now);
        self.sum = self.sum.saturating_add(more);
        self.last = now;
        self.sum
    }
}

/// One ring and its thread.
struct Thread {
    live: Arc<Live>,
    number: usize,
    ring: Ring,
    driver_dropped: Rising,
    counted: Instant,
    /// When the intake was closed.
    closed: Option<Instant>,
    /// When the interface went down, until a frame from behind the gap came.
    gap: Option<Instant>,
    looked: Instant,
    /// Where the clock that nobody sets began.
    started: Instant,
    steady: Steady,
}

impl Thread {
    fn run(mut self, preparer: Option<&Preparer>, full: &Sender<Read>, empty: &Receiver<Batch>) {
        let mut error = None;
        self.look_at_clocks();
        while let Ok(mut batch) = empty.recv() {
            match self.fill(&mut batch) {
                Ok(true) => {}
                Ok(false) => break,
                Err(reason) => {
                    error = Some(reason.to_string());
                    break;
                }
            }
            batch.prepare(preparer, full);
            if full.send(Read::Batch(batch, 0)).is_err() {
                return;
            }
            #[cfg(target_pointer_width = "64")]
            crate::pages::make_ready();
        }
        self.count();
        let _ = full.send(Read::End(Box::new(LastWords {
            error,
            ..LastWords::default()
        })));
    }

    /// Fills `batch` with the next frames; false when the intake is closed and the ring empty.
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, LiveError> {
        loop {
            if self.closed.is_none() && self.live.stop.load(Ordering::Relaxed) {
                self.ring.close_intake()?;
                self.closed = Some(Instant::now());
            }
            if self.counted.elapsed() >= COUNT_EVERY {
                self.count();
            }
            let look = Instant::now();
            match self.ring.take(&mut batch.frames, WAIT)? {
                Taken::Frames { by_machine } => {
                    // Behind the frames: all of them were stamped before.
                    let now = self.look_at_clocks();
                    if by_machine {
                        self.steady.correct(&mut batch.frames.frames, now);
                    }
                    let newest = batch.frames.frames.last().map(|meta| meta.ts);
                    let mut account = lock(&self.live.accounts[self.number]);
                    account.quiet = None;
                    if let Some(ts) = newest {
                        // The block that was being filled when the interface went down comes
                        // after the word of it.
                        let is_before_gap = self.gap.is_some_and(|at| at.elapsed() < SEEN_AFTER);
                        if !is_before_gap {
                            batch.after_gap = self.gap.take().is_some();
                            account.is_down = false;
                            account.in_gap = false;
                            account.newest = Some((ts, Instant::now()));
                        }
                        return Ok(true);
                    }
                }
                Taken::Nothing => {
                    if self.closed.is_some_and(|at| at.elapsed() >= LAST_BLOCK) {
                        return Ok(false);
                    }
                    let is_down = {
                        let mut account = lock(&self.live.accounts[self.number]);
                        account.quiet = Some(look);
                        account.is_down
                    };
                    if is_down && self.looked.elapsed() >= LOOK_EVERY {
                        self.look()?;
                    }
                }
                Taken::Down => {
                    self.gap = Some(Instant::now());
                    let mut account = lock(&self.live.accounts[self.number]);
                    // The word comes once each time, also when nobody has seen it up in between.
                    account.downs += 1;
                    account.is_down = true;
                    account.in_gap = true;
                    // Silence is counted from a frame behind the gap on.
                    account.newest = None;
                }
            }
        }
    }

    /// Looks at the time of day and at the clock that nobody sets, and returns the latter.
    fn look_at_clocks(&mut self) -> i64 {
        let (mut before, mut today, mut after);
        let mut tries = 0;
        loop {
            before = self.started.elapsed();
            today = SystemTime::now();
            after = self.started.elapsed();
            tries += 1;
            // Nothing came between the two looks.
            if after.saturating_sub(before) < AT_ONCE || tries == 5 {
                break;
            }
        }
        let since = today.duration_since(SystemTime::UNIX_EPOCH);
        let today = since.map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        });
        let now = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
        if self.steady.look(Timestamp(today), now) {
            lock(&self.live.accounts[self.number]).steady = self.steady;
        }
        now
    }

    /// Looks whether an interface that was down is up again, or was made anew.
    fn look(&mut self) -> Result<(), LiveError> {
        self.looked = Instant::now();
        // One made anew may not be up yet, which its new binding tells as one more down.
        self.ring.bind_again()?;
        let is_up = Interface::named(self.ring.name()).is_some_and(|now| {
            !matches!(now.state.as_str(), "down" | "notpresent" | "lowerlayerdown")
        });
        if is_up {
            lock(&self.live.accounts[self.number]).is_down = false;
        }
        Ok(())
    }

    fn count(&mut self) {
        self.look_at_clocks();
        self.counted = Instant::now();
        let counters = self.ring.counters();
        let dropped = Interface::named(self.ring.name()).map(|now| now.dropped);
        let mut account = lock(&self.live.accounts[self.number]);
        if let Ok(counters) = counters {
            account.counters = counters;
        }
        if let Some(dropped) = dropped {
            account.driver_dropped = self.driver_dropped.look(dropped);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NEWEST: Timestamp = Timestamp(1_000_000_000_000);

    /// One ring, of an interface `m0`.
    pub(crate) fn live(quiet_after: Option<Duration>, is_down: bool) -> Live {
        let at = Instant::now();
        Live {
            names: vec!["m0".into()],
            merging: vec![vec![]],
            accounts: vec![Mutex::new(Account {
                port: 0,
                counters: Counters::default(),
                newest: Some((NEWEST, at)),
                quiet: quiet_after.map(|after| at + after),
                is_down,
                in_gap: is_down,
                downs: 0,
                driver_dropped: 0,
                steady: Steady::default(),
            })],
            stop: AtomicBool::new(false),
        }
    }

    #[test]
    fn drops_of_an_interface_that_was_made_anew_are_added() {
        let mut dropped = Rising::from(1_000);
        assert_eq!(dropped.look(1_000), 0);
        assert_eq!(dropped.look(1_007), 7);
        // Another one: it has dropped 5 since it was made, then 600.
        assert_eq!(dropped.look(5), 12);
        assert_eq!(dropped.look(600), 607);
    }

    #[test]
    fn silence_lasts_until_the_last_look_that_found_nothing() {
        let until = live(Some(Duration::from_millis(2_500)), false).silent_until();
        assert_eq!(until, Some(NEWEST.plus(2_400_000_000)));
    }

    #[test]
    fn without_a_look_that_found_nothing_only_the_frames_tell() {
        let until = live(None, false).silent_until();
        assert_eq!(until, Some(NEWEST.plus(-100_000_000)));
    }

    #[test]
    fn nobody_knows_what_passes_while_an_interface_is_down() {
        let until = live(Some(Duration::from_secs(9)), true).silent_until();
        assert_eq!(until, None);
    }
}
