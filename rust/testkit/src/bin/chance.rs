//! Many sessions by chance, and how often the engine was wrong about them.
//!
//! Usage: `cargo run --release -p ctcpmon-testkit --bin chance -- [SESSIONS] [FIRST_SEED] [-v]`
//! or `-- --show SEED` or `-- --pcap SEED FILE` to look at one.

use std::collections::BTreeMap;
use std::io::{Result, Write, stdout};

use ctcpmon_core::Event;
use ctcpmon_core::detect::DETECTORS;
use ctcpmon_core::time::Timestamp;
use ctcpmon_testkit::chance::{Draw, draw};
use ctcpmon_testkit::pcap;
use ctcpmon_testkit::sim::EPOCH_NS;
use ctcpmon_testkit::trial::{Outcome, Trial, records, replay, run};

#[derive(Default)]
struct Row {
    sessions: usize,
    by: BTreeMap<&'static str, usize>,
    delays_ms: Vec<i64>,
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Quiet => "quiet",
        Outcome::Found => "found",
        Outcome::Hidden => "hidden",
        Outcome::Missed => "MISSED",
        Outcome::FalseStall => "FALSE",
        Outcome::Alike => "alike",
        Outcome::Passing => "passing",
        Outcome::Unseen => "unseen",
    }
}

fn describe(d: &Draw, t: &Trial) -> String {
    let p = &d.scenario.sessions[0];
    format!(
        "{:6} {} {}/{}/{} tap {:?} ack {:?} win {:?} syn {:?} bare {:?} delayed {:?} beat {:?} dpd {} \
         cut {:?} taploss {:.3} snap {} routers {} end {} worst {} dead {:?} said {:?} class {} side {}",
        name(t.outcome),
        d.seed,
        d.device,
        d.loss,
        d.pattern,
        d.scenario.tap,
        p.ack,
        p.window,
        p.syn_window,
        p.bare_ack_every,
        p.delayed_ack_ms,
        p.heartbeat_ms,
        p.dpd_every_ms,
        d.kept_ms,
        d.tap_loss,
        d.snaplen,
        p.path.as_ref().map_or(0, |path| path.routers),
        p.streams[0].to_ms,
        t.worst.name(),
        t.dead_ms,
        t.said,
        t.class_right,
        t.side_right,
    )
}

/// What the engine says about one session, finding by finding.
fn show(seed: u64) -> Result<()> {
    let drawn = draw(seed);
    let mut out = stdout().lock();
    writeln!(out, "{}", describe(&drawn, &run(&drawn)))?;
    for event in replay(&records(&drawn).0, drawn.snaplen) {
        let Event::Finding(f) = event else { continue };
        let j = &f.judgement;
        let ms = f.at.since(Timestamp(EPOCH_NS)) / 1_000_000;
        let (id, verdict) = (DETECTORS[f.detector].id, j.verdict.name());
        write!(out, "{ms} {id} {verdict} {:?}", j.stopped)?;
        for e in j.evidence() {
            write!(out, " {}={}", e.name.info().name, e.value)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn at(sorted: &[i64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index).map_or(f64::NAN, |ms| *ms as f64 / 1e3)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, or: u64| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(or);
    if args.first().is_some_and(|a| a == "--pcap") {
        let (records, _) = records(&draw(number(1, 0)));
        return std::fs::write(&args[2], pcap::file(&records));
    }
    if args.first().is_some_and(|a| a == "--show") {
        return show(number(1, 0));
    }
    let (sessions, first) = (number(0, 1_000), number(1, 1));
    let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
    let mut out = stdout().lock();
    for seed in first..first + sessions {
        let drawn = draw(seed);
        let trial = run(&drawn);
        let row = rows.entry(drawn.device).or_default();
        row.sessions += 1;
        *row.by.entry(name(trial.outcome)).or_default() += 1;
        let is_found = trial.outcome == Outcome::Found;
        if is_found {
            *row.by.entry("class!").or_default() += usize::from(!trial.class_right);
            *row.by.entry("side!").or_default() += usize::from(!trial.side_right);
            let onset = trial.dead_ms.iter().flatten().min();
            if let (Some(onset), Some((said, _, _))) = (onset, trial.said) {
                row.delays_ms.push(said - onset);
            }
        }
        let is_wrong = matches!(trial.outcome, Outcome::FalseStall | Outcome::Missed)
            || is_found && !(trial.class_right && trial.side_right);
        if is_wrong || args.iter().any(|a| a == "-v") {
            writeln!(out, "{}", describe(&drawn, &trial))?;
        }
    }
    for (device, mut row) in rows {
        row.delays_ms.sort_unstable();
        let early = row.delays_ms.iter().filter(|ms| **ms < 0).count();
        writeln!(
            out,
            "{device:12} {:5} {:?} delay median {:.1} p95 {:.1} early {early}",
            row.sessions,
            row.by,
            at(&row.delays_ms, 0.5),
            at(&row.delays_ms, 0.95),
        )?;
    }
    Ok(())
}
