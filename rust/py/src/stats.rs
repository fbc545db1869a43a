//! Frozen statistics and notes.

use std::collections::BTreeMap;

use ctcpmon_capture::NoteKind;
use ctcpmon_core::time::NANOS_PER_MILLI;
use ctcpmon_events::reading;
use ctcpmon_runtime::{HeldSession, Report};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::live::LivePort;

/// The counter of frames on which the decoder panicked.
const DECODER_FAILED: &str = "frames_decoder_failed";

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct Note {
    input: String,
    kind: String,
    offset: Option<u64>,
    text: String,
}

/// A session of which something is held now; see `detect::Held`.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct Held {
    id: String,
    generation: u16,
    client_ip: String,
    client_port: u16,
    headend_ip: String,
    headend_port: u16,
    kind: &'static str,
    sender: &'static str,
    since_ns: i64,
    now_ns: i64,
    age_ms: i64,
    patience_ms: i64,
    segments: u32,
    ack: Option<u32>,
    usual_gap_ms: i64,
}

fn held(one: &HeldSession) -> Held {
    let ([client, headend], held) = (one.ends, one.held);
    Held {
        id: reading::session_id(one.id.0),
        generation: one.id.1,
        client_ip: client.addr.to_ip().to_string(),
        client_port: client.port,
        headend_ip: headend.addr.to_ip().to_string(),
        headend_port: headend.port,
        kind: held.kind.name(),
        sender: held.sender.name(),
        since_ns: held.since.0,
        now_ns: held.now.0,
        age_ms: held.age_ns / NANOS_PER_MILLI,
        patience_ms: held.patience_ns / NANOS_PER_MILLI,
        segments: held.segments,
        ack: held.ack,
        usual_gap_ms: held.usual_gap_ns / NANOS_PER_MILLI,
    }
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Stats {
    #[pyo3(get)]
    packets: u64,
    #[pyo3(get)]
    tcp_packets: u64,
    #[pyo3(get)]
    tcp_conversations: u64,
    #[pyo3(get)]
    flows_current: u64,
    #[pyo3(get)]
    sessions_current: u64,
    #[pyo3(get)]
    sessions_by_state: BTreeMap<String, u64>,
    #[pyo3(get)]
    counters: BTreeMap<String, u64>,
    #[pyo3(get)]
    tap_gap_ratio: Option<f64>,
    #[pyo3(get)]
    first_ns: Option<i64>,
    #[pyo3(get)]
    last_ns: Option<i64>,
    #[pyo3(get)]
    rhythm: Vec<(i64, u64, u64)>,
    #[pyo3(get)]
    bytes_read: u64,
    #[pyo3(get)]
    bytes_total: Option<u64>,
    notes: Vec<Note>,
    ports: Vec<LivePort>,
    held: Vec<HeldSession>,
    #[pyo3(get)]
    held_is_full: bool,
    #[pyo3(get)]
    matching: Option<BTreeMap<String, u64>>,
    #[pyo3(get)]
    done: bool,
}

#[pymethods]
impl Stats {
    #[getter]
    fn notes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.notes.clone())
    }

    #[getter]
    fn held<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.held.iter().map(held).collect::<Vec<_>>())
    }

    #[getter]
    fn ports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.ports.clone())
    }
}

fn kind(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Truncated | NoteKind::CompressedTruncated => "truncated",
        NoteKind::CompressedCorrupt | NoteKind::Corrupt | NoteKind::MalformedPacket => "corrupt",
        NoteKind::Restarted | NoteKind::LeftAside => "followed",
        NoteKind::TimeBackwards | NoteKind::WithoutTime | NoteKind::TimeSaturated => "clock",
        _ => "skipped",
    }
}

/// What the decoder failed on, with the words of the last panic, for who reports it.
fn decoder_failure(report: &Report) -> Option<Note> {
    let words = report.failure.as_ref()?;
    let name = DECODER_FAILED;
    let (_, frames) = report.counters.iter().find(|(one, _)| one == name)?;
    Some(Note {
        input: "this program".into(),
        kind: "bug".into(),
        offset: None,
        text: format!(
            "the decoder failed on {frames} packets, which were left out ({name}); please report: {words}"
        ),
    })
}

/// Converts a report.
pub(crate) fn stats(report: &Report) -> Stats {
    let mut notes: Vec<Note> = report
        .notes
        .iter()
        .map(|n| Note {
            input: n.name.clone(),
            kind: kind(n.kind).into(),
            offset: Some(n.offset),
            text: n.text.clone(),
        })
        .collect();
    notes.extend(report.interfaces.iter().filter_map(|i| {
        let dropped = i
            .if_drop
            .unwrap_or(0)
            .saturating_add(i.os_drop.unwrap_or(0));
        (dropped > 0).then(|| Note {
            input: format!("input {}", i.input),
            kind: "interface_drops".into(),
            offset: None,
            text: match i.received.filter(|all| *all >= dropped) {
                Some(all) => format!(
                    "interface {} dropped {dropped} of {all} packets while capturing ({:.2} %): \
                     holes may be the tap's own",
                    i.interface,
                    100.0 * dropped as f64 / all.max(1) as f64
                ),
                None => format!(
                    "interface {} dropped {dropped} packets while capturing: holes may be the \
                     tap's own",
                    i.interface
                ),
            },
        })
    }));
    notes.extend(report.unfit.map(|unfit| Note {
        input: "filter".into(),
        kind: "unsupported".into(),
        offset: None,
        text: format!(
            "it does not fit link type {}; {} packets of such link types were left out",
            unfit.link.0, unfit.frames
        ),
    }));
    if report.clock_steps.0 > 0 {
        let (steps, ahead) = report.clock_steps;
        notes.push(Note {
            input: "this machine".into(),
            kind: "clock".into(),
            offset: None,
            text: format!(
                "its clock was set (times: {steps}) and is {:+.3} s from where it was; the times of \
                 this run go on as they began, so that no silence is made or lost",
                ahead as f64 / 1e9
            ),
        });
    }
    notes.extend(decoder_failure(report));
    Stats {
        packets: report.packets,
        tcp_packets: report.tcp_packets,
        tcp_conversations: report.tcp_conversations,
        flows_current: report.flows,
        sessions_current: report.sessions,
        sessions_by_state: report
            .by_state
            .iter()
            .map(|(n, v)| ((*n).into(), *v))
            .collect(),
        counters: report.counters.iter().cloned().collect(),
        tap_gap_ratio: report.tap_gap_ratio,
        first_ns: report.span.map(|(first, _)| first.0),
        last_ns: report.span.map(|(_, last)| last.0),
        rhythm: report
            .rhythm
            .iter()
            .map(|p| (p.at.0, p.frames, p.missed))
            .collect(),
        bytes_read: report.bytes_read,
        bytes_total: report.bytes_total,
        notes,
        held: report.held.clone(),
        held_is_full: report.held_is_full,
        ports: report.ports.iter().map(crate::live::port).collect(),
        matching: report.matched.as_ref().map(crate::device::counters),
        done: report.is_done,
    }
}
