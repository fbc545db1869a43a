//! Interfaces of this machine, and the rights to capture on them.

use ctcpmon_core::frame::LinkType;
use ctcpmon_live::{Account, Instruction, LiveError, Needs, SwitchedOff};
use ctcpmon_runtime::{LiveConfig, LiveRings, Port};
use pyo3::exceptions::{PyOSError, PyPermissionError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::CaptureError;

/// An interface of this machine.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Interface {
    name: String,
    index: u32,
    state: String,
    mtu: u32,
    speed_mbit: Option<u32>,
    driver: Option<String>,
    received: u64,
    sent: u64,
    dropped: u64,
    /// Offloads that merge segments before they are seen.
    merging: Vec<&'static str>,
    /// Number in capture files of what its frames begin with; none: it cannot be decoded.
    link_type: Option<u16>,
}

/// An interface of a live run.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct LivePort {
    name: String,
    received: u64,
    dropped: u64,
    freezes: u64,
    taken: u64,
    driver_dropped: u64,
    is_down: bool,
    downs: u64,
    merging: Vec<&'static str>,
}

pub(crate) fn port(port: &Port) -> LivePort {
    LivePort {
        name: port.name.clone(),
        received: port.counters.received,
        dropped: port.counters.dropped,
        freezes: port.counters.freezes,
        taken: port.counters.taken,
        driver_dropped: port.driver_dropped,
        is_down: port.is_down,
        downs: port.downs,
        merging: port.merging.clone(),
    }
}

fn refused(error: LiveError) -> PyErr {
    match error {
        LiveError::NoRight(_) | LiveError::NoOffloadRight(_) => {
            PyPermissionError::new_err(error.to_string())
        }
        _ => CaptureError::new_err(error.to_string()),
    }
}

/// Switches off what merges segments, until the answer is dropped or the process ends.
pub(crate) fn switch_off(interfaces: &[String]) -> PyResult<Option<SwitchedOff>> {
    ctcpmon_live::switch_off(interfaces).map_err(refused)
}

/// Opens rings, on the caller's thread.
pub(crate) fn open(config: &LiveConfig) -> PyResult<LiveRings> {
    LiveRings::open(config).map_err(refused)
}

/// An instruction as Python has it: code, jt, jf, k.
pub(crate) type Word = (u16, u8, u8, u32);

/// Programs by link type, from what Python compiled.
pub(crate) fn programs(compiled: Vec<(u16, Vec<Word>)>) -> Vec<(LinkType, Vec<Instruction>)> {
    let instruction = |(code, jt, jf, k)| Instruction { code, jt, jf, k };
    compiled
        .into_iter()
        .map(|(link, words)| {
            let program = words.into_iter().map(instruction).collect();
            (LinkType(link), program)
        })
        .collect()
}

/// Gives up every right of this thread and of those it starts.
pub(crate) fn give_up(account: Option<(u32, u32)>) -> PyResult<()> {
    ctcpmon_live::give_up_rights(account.map(|(uid, gid)| Account { uid, gid }))
        .map_err(|e| PyOSError::new_err(format!("giving up rights: {e}")))
}

/// What is in force to confine this process.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct Confined {
    in_force: Vec<String>,
    missing: Vec<String>,
}

impl From<ctcpmon_live::Confined> for Confined {
    fn from(done: ctcpmon_live::Confined) -> Self {
        Self {
            in_force: done.in_force.iter().map(|&name| name.into()).collect(),
            missing: done.missing,
        }
    }
}

/// Folders and files to write to, TCP ports to connect to, and whether programs are started.
pub(crate) type NeedsOf = (Option<Vec<String>>, Option<Vec<u16>>, bool);

/// Confines this thread and those it starts.
pub(crate) fn confine((writable, ports, runs_programs): NeedsOf) -> Confined {
    let needs = Needs {
        writable: writable.map(|paths| paths.into_iter().map(Into::into).collect()),
        ports,
        runs_programs,
    };
    ctcpmon_live::confine(&needs).into()
}

/// What this machine would put in force.
#[pyfunction]
pub(crate) fn try_confine(py: Python<'_>) -> Confined {
    py.detach(ctcpmon_live::try_confine).into()
}

/// The interfaces of this machine, in the order of their numbers.
#[pyfunction]
pub(crate) fn interfaces(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
    let all = ctcpmon_live::interfaces().map_err(refused)?;
    let rows: Vec<Interface> = all
        .into_iter()
        .map(|i| Interface {
            link_type: i.link().ok().map(|link| link.0),
            name: i.name,
            index: i.index,
            state: i.state,
            mtu: i.mtu,
            speed_mbit: i.speed_mbit,
            driver: i.driver,
            received: i.received,
            sent: i.sent,
            dropped: i.dropped,
            merging: i.merging,
        })
        .collect();
    PyTuple::new(py, rows)
}
