//! Runs every case through the engine and compares with what its folder expects.
//! `UPDATE_CASES=1` writes the expectation anew; read the difference before you commit.

use std::fmt::Write as _;
use std::path::PathBuf;

use ctcpmon_core::detect::{DETECTORS, session_state, worst_state};
use ctcpmon_core::time::Timestamp;
use ctcpmon_core::{Config, Engine, Event};
use ctcpmon_testkit::cases::Case;
use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::packet::Record;
use ctcpmon_testkit::sim::EPOCH_NS;

fn judge(records: &[Record]) -> Vec<Event> {
    let mut engine = Engine::new(Config::default());
    for r in records {
        engine.push_frame(&r.captured());
    }
    engine.finish();
    engine.drain_events()
}

fn seconds(ts: Timestamp) -> f64 {
    ts.since(Timestamp(EPOCH_NS)) as f64 / 1e9
}

fn text(events: &[Event]) -> String {
    let mut out = String::new();
    for event in events {
        match event {
            Event::Finding(f) => {
                let j = &f.judgement;
                let _ = write!(
                    out,
                    "{:7.2} {} {} {} confidence {:.2}",
                    seconds(f.at),
                    f.session.client().port,
                    DETECTORS[f.detector].id,
                    j.verdict.name(),
                    j.confidence,
                );
                if let Some(side) = j.stopped {
                    let _ = write!(out, " stopped {}", side.name());
                }
                if let Some(side) = j.loss {
                    let _ = write!(out, " loss {}", side.name());
                }
                for e in j.evidence() {
                    let _ = write!(out, " {}={}", e.name.info().name, e.value);
                }
                out.push('\n');
            }
            Event::Ended(s, why) => {
                let _ = writeln!(
                    out,
                    "session {} {} worst {} end {}",
                    s.client().port,
                    session_state(s).name(),
                    worst_state(s).name(),
                    why.name(),
                );
            }
        }
    }
    out
}

fn raised(events: &[Event]) -> Vec<&'static str> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Finding(f) if f.judgement.verdict > ctcpmon_core::detect::Verdict::Unknown => {
                Some(DETECTORS[f.detector].id)
            }
            _ => None,
        })
        .collect()
}

fn folder(case: &Case) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/cases")
        .join(case.name)
}

#[test]
fn every_case_says_what_its_folder_expects() {
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let mut wrong = Vec::new();
    for case in all() {
        let records = (case.build)();
        assert!(records.len() > 20, "{}: hardly any traffic", case.name);
        let events = judge(&records);
        let got = format!("# {}\n{}", case.about, text(&events));
        let path = folder(case).join("expected.txt");
        if update {
            std::fs::create_dir_all(folder(case)).expect("folder");
            std::fs::write(&path, &got).expect("write");
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        if got != want {
            wrong.push(format!("{}\n--- want\n{want}--- got\n{got}", case.name));
        }
        let raised = raised(&events);
        for id in case.raises {
            if !raised.contains(id) {
                wrong.push(format!("{}: {id} was not raised\n{got}", case.name));
            }
        }
        for id in case.silent {
            if raised.contains(id) {
                wrong.push(format!("{}: {id} was raised\n{got}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_case_that_names_no_stall_has_none() {
    for case in all() {
        let stalls = case.raises.iter().any(|id| {
            DETECTORS
                .iter()
                .any(|d| d.id == *id && d.severity == "critical")
        });
        let events = judge(&(case.build)());
        let got = events.iter().any(|e| match e {
            Event::Ended(s, _) => worst_state(s) == ctcpmon_core::detect::Verdict::Stalled,
            Event::Finding(_) => false,
        });
        assert!(
            stalls || !got || case.name == "dpd_unanswered",
            "{}\n{}",
            case.name,
            text(&events)
        );
    }
}

#[test]
fn every_detector_is_raised_somewhere_and_silent_somewhere() {
    for detector in &DETECTORS {
        assert!(
            all().any(|c| c.raises.contains(&detector.id)),
            "{} never raised",
            detector.id
        );
        assert!(
            all().any(|c| c.silent.contains(&detector.id)),
            "{} has no twin",
            detector.id
        );
    }
}

#[test]
fn the_shipped_demo_is_current_and_shows_what_it_should() {
    let records = ctcpmon_testkit::demo::records();
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../python/ctcpmon/data/demo.pcap");
    let want = ctcpmon_testkit::pcap::file(&records);
    assert!(
        std::fs::read(path).unwrap_or_default() == want,
        "run: cargo run -p ctcpmon-testkit --bin make_captures"
    );
    let events = judge(&records);
    let ended: Vec<String> = text(&events)
        .lines()
        .filter(|l| l.starts_with("session"))
        .map(str::to_owned)
        .collect();
    let count = |word: &str| ended.iter().filter(|l| l.contains(word)).count();
    assert_eq!(
        (ended.len(), count("worst stalled"), count("worst at_risk")),
        (6, 4, 1),
        "{ended:?}"
    );
}
