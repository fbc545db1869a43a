//! A fuzzer for stable Rust: damaged captures, frames and segment streams against the
//! readers, the decoder, the engine and the hole list. Every iteration is a function of
//! seed, target and number. Panics, broken promises, long times and memory growth are
//! reported with the seed, and the input is saved.
//!
//! ```text
//! fuzz [--seconds N] [--iterations N] [--seed N] [--target NAME] [--corpus DIR]... [--save DIR]
//! fuzz --repeat TARGET FILE       runs one saved input, panics and all
//! ```
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod captures;
mod decoding;
mod engines;
mod formats;
mod hole_lists;
mod memory;
mod mutate;
mod pool;
mod random;
mod watch;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pool::Pool;
use random::Random;
use watch::Watch;

/// Failures of different kinds after which a run gives up.
const MOST_KINDS: usize = 20;
/// Iterations of one target before the next has its turn.
const TURN: u64 = 16;
/// Memory of the whole process that no run may reach (guess: the pool and the largest
/// zstd window, twice).
const MOST_RESIDENT_BYTES: usize = 2 << 30;

struct Target {
    name: &'static str,
    make: fn(&mut Random, &Pool) -> Vec<u8>,
    /// Runs one input; returns how much of what the target is for it reached.
    run: fn(&[u8]) -> Result<u64, String>,
    /// What it counts.
    reach: &'static str,
    /// Memory that one input may take. Guesses, several times what was measured.
    most_bytes: usize,
}

const TARGETS: [Target; 4] = [
    Target {
        name: "capture",
        make: captures::make,
        run: captures::run,
        reach: "frames",
        most_bytes: 64 << 20,
    },
    Target {
        name: "decode",
        make: decoding::make,
        run: decoding::run,
        reach: "segments",
        most_bytes: 1 << 20,
    },
    Target {
        name: "engine",
        make: engines::make,
        run: engines::run,
        reach: "findings",
        most_bytes: 128 << 20,
    },
    Target {
        name: "holes",
        make: |random, _| hole_lists::make(random),
        run: hole_lists::run,
        reach: "holes",
        most_bytes: 1 << 20,
    },
];

struct Plan {
    time: Duration,
    iterations: u64,
    seed: u64,
    target: Option<String>,
    corpus: Vec<PathBuf>,
    save: PathBuf,
    repeat: Option<(String, PathBuf)>,
}

impl Plan {
    fn from_args() -> Result<Self, String> {
        let mut plan = Self {
            time: Duration::MAX,
            iterations: u64::MAX,
            seed: 1,
            target: None,
            corpus: Vec::new(),
            save: PathBuf::from("target/fuzz"),
            repeat: None,
        };
        let mut args = std::env::args().skip(1);
        let mut is_bounded = false;
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
            match name.as_str() {
                "--seconds" => {
                    plan.time = Duration::from_secs(number(value()?)?);
                    is_bounded = true;
                }
                "--iterations" => {
                    plan.iterations = number(value()?)?;
                    is_bounded = true;
                }
                "--seed" => plan.seed = number(value()?)?,
                "--target" => plan.target = Some(value()?),
                "--corpus" => plan.corpus.push(value()?.into()),
                "--save" => plan.save = value()?.into(),
                "--repeat" => plan.repeat = Some((value()?, value()?.into())),
                other => return Err(format!("no such option: {other}")),
            }
        }
        if !is_bounded {
            plan.time = Duration::from_secs(60);
        }
        Ok(plan)
    }
}

#[derive(Default)]
struct Tally {
    iterations: u64,
    slowest: Duration,
    most_bytes: usize,
    reached: u64,
}

thread_local! {
    /// Message and place of the last panic.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs one input; `Err` says what was wrong.
fn once(target: &Target, input: &[u8], tally: &mut Tally) -> Result<(), String> {
    let held = memory::mark();
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let bytes = memory::most().saturating_sub(held);
    tally.iterations += 1;
    tally.slowest = tally.slowest.max(started.elapsed());
    tally.most_bytes = tally.most_bytes.max(bytes);
    tally.reached += outcome.unwrap_or_else(|_| Err(PANIC.with_borrow(Clone::clone)))?;
    if bytes > target.most_bytes {
        return Err(format!(
            "memory: {bytes} bytes for {} of input",
            input.len()
        ));
    }
    Ok(())
}

fn fuzz(plan: &Plan) -> Result<bool, String> {
    let mut pool = Pool::new();
    for folder in &plan.corpus {
        let failed = |error| format!("{}: {error}", folder.display());
        pool.add_folder(folder).map_err(failed)?;
    }
    let (streams, files) = (pool.streams.len(), pool.files.len());
    println!(
        "fuzz: seed {}, {streams} streams, {files} corpus files",
        plan.seed
    );
    let watch = Watch::start(plan.save.clone()).map_err(|error| error.to_string())?;
    let mut tallies: [Tally; TARGETS.len()] = Default::default();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let wanted = |name| plan.target.as_deref().is_none_or(|only| only == name);
    let started = Instant::now();
    let mut turn = 0;
    while started.elapsed() < plan.time && turn * TURN < plan.iterations && kinds.len() < MOST_KINDS
    {
        for (index, target) in TARGETS.iter().enumerate().filter(|(_, t)| wanted(t.name)) {
            for n in turn * TURN..((turn + 1) * TURN).min(plan.iterations) {
                let mut random = Random::new(plan.seed, index as u64, n);
                let input = (target.make)(&mut random, &pool);
                watch.begin(target.name, &input);
                let outcome = once(target, &input, &mut tallies[index]);
                watch.end();
                let Err(fault) = outcome else { continue };
                let kind: String = fault
                    .chars()
                    .filter(|c| !c.is_ascii_digit())
                    .take(100)
                    .collect();
                let count = kinds.entry(format!("{} {kind}", target.name)).or_insert(0);
                *count += 1;
                if *count == 1 {
                    let what = format!("{}-{n}", plan.seed);
                    let path = watch::save(&plan.save, target.name, &what, &input);
                    println!(
                        "fuzz: {} seed {} number {n}: {fault}",
                        target.name, plan.seed
                    );
                    println!("      saved: {}", path.display());
                }
            }
        }
        turn += 1;
        if let Some(bytes) = memory::resident_bytes().filter(|b| *b > MOST_RESIDENT_BYTES) {
            return Err(format!("the process holds {bytes} bytes"));
        }
    }
    for (target, tally) in TARGETS
        .iter()
        .zip(&tallies)
        .filter(|(_, t)| t.iterations > 0)
    {
        println!(
            "fuzz: {:8} {:9} inputs, {:10} {:8}, slowest {:6.1} ms, most memory {:7} kB",
            target.name,
            tally.iterations,
            tally.reached,
            target.reach,
            tally.slowest.as_secs_f64() * 1e3,
            tally.most_bytes >> 10,
        );
    }
    for (kind, count) in &kinds {
        println!("fuzz: {count} times: {kind}");
    }
    println!(
        "fuzz: {} kinds of failure in {:.0} s",
        kinds.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(kinds.is_empty())
}

fn repeat(name: &str, path: &PathBuf) -> Result<bool, String> {
    let target = TARGETS
        .iter()
        .find(|t| t.name == name)
        .ok_or("no such target")?;
    let input = std::fs::read(path).map_err(|error| error.to_string())?;
    (target.run)(&input).map(|_| true)
}

fn main() -> ExitCode {
    let plan = match Plan::from_args() {
        Ok(plan) => plan,
        Err(error) => {
            println!("fuzz: {error}");
            return ExitCode::from(2);
        }
    };
    let outcome = if let Some((name, path)) = &plan.repeat {
        repeat(name, path)
    } else {
        std::panic::set_hook(Box::new(|info| {
            PANIC.with_borrow_mut(|text| *text = info.to_string().replace('\n', " "));
        }));
        fuzz(&plan)
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}
