//! What would have been shown as held, and whether it was.
//!
//! Usage: `cargo run --release -p ctcpmon-testkit --bin held -- FILE...`: a line for each spell of a capture;
//! or `-- --chance SESSIONS [FIRST_SEED]`: simulated sessions against the truth.

use std::io::{Result, Write, stdout};

use ctcpmon_capture::{FrameBatch, Input, Options, Progress, open};
use ctcpmon_core::detect::Verdict;
use ctcpmon_core::{Event, time::Timestamp};
use ctcpmon_testkit::cases::Case;
use ctcpmon_testkit::chance::draw;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::held::{Spell, Watch, watch};
use ctcpmon_testkit::sim::EPOCH_NS;
use ctcpmon_testkit::trial::records;
use ctcpmon_testkit::truth::Truth;

fn told(spell: &Spell, from: i64) -> String {
    let s = |ts: Timestamp| (ts.0 - from) as f64 / 1e9;
    format!(
        "{:5} {:7} {:14} since {:.3} shown {:.3} until {:.3} called {}",
        spell.client_port,
        spell.sender.name(),
        spell.kind.name(),
        s(spell.since),
        s(spell.shown),
        s(spell.until),
        spell.is_called,
    )
}

fn capture(path: &str) -> Vec<Spell> {
    let input = Input::path(path, 0);
    let mut set = open(&[input], &Options::default()).expect("a capture");
    let (mut batch, mut seen) = (FrameBatch::default(), Watch::default());
    loop {
        let progress = set.next_batch(&mut batch);
        batch.iter().for_each(|frame| seen.push(&frame));
        if !matches!(progress, Ok(Progress::More)) {
            return seen.finish().0;
        }
    }
}

/// Since when nothing of a direction arrives, judged at `at_us`; the longer of both.
fn dark_since_us(truth: &Truth, at_us: i64) -> Option<i64> {
    let dark = |dir: usize| {
        let run = truth.sent[dir]
            .iter()
            .rev()
            .filter(|f| f.sent_us < at_us)
            .take_while(|f| f.delivered_us.is_none_or(|at| at >= at_us));
        let times: Vec<i64> = run.map(|f| f.sent_us).collect();
        times.last().copied().filter(|_| times.len() >= 2)
    };
    [dark(0), dark(1), truth.torn_us.filter(|us| *us < at_us)]
        .into_iter()
        .flatten()
        .min()
}

fn chance(out: &mut impl Write, sessions: u64, first: u64) -> Result<()> {
    let (mut after, mut before, mut calls, mut signs) = (vec![], vec![], vec![], vec![]);
    let (mut untold, mut wrong, mut passing, mut quiet) = (0, 0, 0, 0);
    for seed in first..first + sessions {
        let d = draw(seed);
        let (records, truth) = records(&d);
        let (spells, events) = watch(&records, d.snaplen);
        quiet += usize::from(spells.is_empty());
        for spell in &spells {
            let shown_us = spell.shown.since(Timestamp(EPOCH_NS)) / 1_000;
            // What began a second ago and is on its way is held by nobody.
            let dark = dark_since_us(&truth, shown_us).filter(|us| shown_us - us >= 1_000_000);
            let Some(dark) = dark else {
                wrong += 1;
                let (tap, told) = (d.scenario.tap, told(spell, EPOCH_NS));
                writeln!(
                    out,
                    "FALSE {seed} {}/{}/{} tap {tap:?} {told}",
                    d.device, d.loss, d.pattern
                )?;
                continue;
            };
            after.push((shown_us - dark) as f64 / 1e6);
            if spell.is_called {
                before.push(spell.until.since(spell.shown) as f64 / 1e9);
            } else {
                passing += 1;
            }
        }
        let called = events.iter().find_map(|event| match event {
            Event::Finding(f) if f.judgement.verdict == Verdict::Stalled => {
                Some(f.at.since(Timestamp(EPOCH_NS)) / 1_000)
            }
            _ => None,
        });
        untold += usize::from(called.is_some() && !spells.iter().any(|s| s.is_called));
        let dark = called.and_then(|us| dark_since_us(&truth, us));
        if let (Some(called), Some(dark)) = (called, dark) {
            let shown = spells
                .iter()
                .map(|s| s.shown.since(Timestamp(EPOCH_NS)) / 1_000);
            let first = shown.filter(|us| (dark..=called).contains(us)).min();
            calls.push((called - dark) as f64 / 1e6);
            signs.push((first.unwrap_or(called) - dark) as f64 / 1e6);
        }
    }
    for times in [&mut after, &mut before, &mut calls, &mut signs] {
        times.sort_by(f64::total_cmp);
    }
    let at = |of: &[f64], pct: usize| of.get(of.len() * pct / 100).copied().unwrap_or(f64::NAN);
    writeln!(
        out,
        "{sessions} sessions, {quiet} without a spell; {} true spells, {} called a stall, {passing} not; shown \
         after median {:.2} s, 90 % {:.2} s; before the call median {:.2} s; {untold} stalls without; {wrong} false",
        after.len(),
        before.len(),
        at(&after, 50),
        at(&after, 90),
        at(&before, 50),
    )?;
    let within = |of: &[f64]| of.iter().filter(|s| **s <= 5.0).count();
    writeln!(
        out,
        "{} stalls called that were: median {:.2} s after the onset, {} within 5 s; first sign (held or called) \
         median {:.2} s, {} within 5 s",
        calls.len(),
        at(&calls, 50),
        within(&calls),
        at(&signs, 50),
        within(&signs),
    )
}

fn main() -> Result<()> {
    let mut out = stdout().lock();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|n| n.parse().ok());
    match args.first().map(String::as_str) {
        Some("--chance") => chance(&mut out, number(1).unwrap_or(1_000), number(2).unwrap_or(0)),
        Some("--cases") => {
            for Case { name, build, .. } in all() {
                for spell in watch(&build(), usize::MAX).0 {
                    writeln!(out, "{name} {}", told(&spell, EPOCH_NS))?;
                }
            }
            Ok(())
        }
        _ => {
            for path in &args {
                for spell in capture(path) {
                    writeln!(out, "{path} {}", told(&spell, 0))?;
                }
            }
            Ok(())
        }
    }
}
