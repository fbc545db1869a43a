//! The running replay as a Python object.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ctcpmon_capture::Input;
use ctcpmon_core::Config;
use ctcpmon_core::bpf::Instruction;
use ctcpmon_core::detect::Verdict;
use ctcpmon_core::engine::{Event, Order};
use ctcpmon_core::frame::LinkType;
use ctcpmon_core::taps::Side;
#[cfg(target_os = "linux")]
use ctcpmon_runtime::LiveConfig;
use ctcpmon_runtime::{
    Filter, FollowConfig, News, Replay as Running, ReplayConfig, Source, tap_of,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::CaptureError;
use crate::device;
use crate::listing::{self, FlowWindow, SessionWindow};
use crate::rows::{Finding, Session};
use crate::slice;
use crate::stats::{self, Stats};

/// Signals are looked at this often while waiting.
const SIGNAL_SLICE: Duration = Duration::from_millis(100);

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Batch {
    findings: Py<PyTuple>,
    sessions: Py<PyTuple>,
    devices: Py<PyTuple>,
    more: bool,
    done: bool,
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Replay {
    running: Running,
    #[cfg(target_os = "linux")]
    confined: Option<crate::live::Confined>,
    /// Offloads that are off while this is held.
    #[cfg(target_os = "linux")]
    _switched_off: Option<ctcpmon_live::SwitchedOff>,
}

impl Replay {
    /// Starts a run and waits until it is open.
    fn run(py: Python<'_>, config: ReplayConfig) -> PyResult<Self> {
        let running = Running::start(config)
            .map_err(|e| CaptureError::new_err(format!("starting a thread: {e}")))?;
        loop {
            match py.detach(|| running.wait_open(SIGNAL_SLICE)) {
                Some(Ok(())) => {
                    return Ok(Self {
                        running,
                        #[cfg(target_os = "linux")]
                        confined: None,
                        #[cfg(target_os = "linux")]
                        _switched_off: None,
                    });
                }
                Some(Err(reason)) => return Err(CaptureError::new_err(reason)),
                None => py.check_signals()?,
            }
        }
    }
}

fn verdict(name: &str) -> PyResult<Verdict> {
    [
        Verdict::Healthy,
        Verdict::Unknown,
        Verdict::AtRisk,
        Verdict::Suspect,
        Verdict::Stalled,
    ]
    .into_iter()
    .find(|v| v.name() == name)
    .ok_or_else(|| PyValueError::new_err(format!("no such state: {name:?}")))
}

/// An instruction of a filter: code, jt, jf, k.
type Words = (u16, u8, u8, u32);

/// The filter made of a program for each link type.
fn filter(programs: Vec<(u16, Vec<Words>)>) -> PyResult<Filter> {
    let instruction = |(code, jt, jf, k)| Instruction { code, jt, jf, k };
    let programs = programs
        .into_iter()
        .map(|(link, code)| (LinkType(link), code.into_iter().map(instruction).collect()));
    Filter::new(programs).map_err(|fault| PyValueError::new_err(fault.to_string()))
}

/// The side of every path; both sides must be there.
fn sides(paths: &[PathBuf], taps: &[String]) -> PyResult<Vec<Side>> {
    let sides = taps
        .iter()
        .map(|name| {
            Side::ALL
                .into_iter()
                .find(|side| side.name() == name)
                .ok_or_else(|| PyValueError::new_err(format!("no such tap: {name:?}")))
        })
        .collect::<PyResult<Vec<_>>>()?;
    if sides.len() != paths.len() {
        return Err(PyValueError::new_err("taps must name the tap of each path"));
    }
    if Side::ALL.iter().any(|side| !sides.contains(side)) {
        return Err(PyValueError::new_err("both taps need a path"));
    }
    Ok(sides)
}

#[pymethods]
impl Replay {
    // Keywords in Python, where each has its name.
    #[allow(clippy::too_many_arguments)]
    #[new]
    #[pyo3(signature = (paths, *, max_flow_mib=256, max_sessions=100_000, batch_frames=0,
                        max_pending=10_000, speed=0.0, taps=None, filters=None, keep_mib=0,
                        is_followed=false, idle_s=None, keeps_flows=false, is_paused=false))]
    fn new(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        max_flow_mib: usize,
        max_sessions: usize,
        batch_frames: usize,
        max_pending: usize,
        speed: f64,
        taps: Option<Vec<String>>,
        filters: Option<Vec<(u16, Vec<Words>)>>,
        keep_mib: usize,
        is_followed: bool,
        idle_s: Option<f64>,
        keeps_flows: bool,
        is_paused: bool,
    ) -> PyResult<Self> {
        if max_flow_mib == 0 || max_sessions == 0 {
            return Err(PyValueError::new_err(
                "max_flow_mib and max_sessions must be at least 1",
            ));
        }
        let sides = taps
            .as_deref()
            .map(|taps| sides(&paths, taps))
            .transpose()?;
        let inputs = paths
            .iter()
            .enumerate()
            .map(|(i, p)| {
                let tap = sides.as_ref().map_or(0, |sides| tap_of(sides[i]));
                Input::from_arg(p.as_os_str(), tap)
            })
            .collect();
        let source = match paths.as_slice() {
            _ if !is_followed => Source::Files(inputs),
            [path] if sides.is_none() => Source::Following(FollowConfig {
                path: path.clone(),
                idle: idle_s
                    .map(Duration::try_from_secs_f64)
                    .transpose()
                    .map_err(|error| PyValueError::new_err(format!("idle_s: {error}")))?,
            }),
            _ => {
                return Err(PyValueError::new_err(
                    "one path can be followed, with one tap",
                ));
            }
        };
        let config = ReplayConfig {
            source,
            filter: filters.map(filter).transpose()?,
            engine: Config {
                max_flow_bytes: max_flow_mib.saturating_mul(1 << 20),
                max_sessions,
                lists_flows: keeps_flows,
            },
            has_two_taps: sides.is_some(),
            keep_bytes: keep_mib.saturating_mul(1 << 20),
            batch_frames,
            max_pending,
            speed,
            keeps_flows,
            is_paused,
        };
        Self::run(py, config)
    }

    /// Captures from interfaces. The rings are opened on the caller's thread; then every right
    /// is given up, and the user and group changed where `account` names them, and the process
    /// confined to what it `needs`, before any thread is started.
    #[cfg(target_os = "linux")]
    #[allow(clippy::too_many_arguments)]
    #[staticmethod]
    #[pyo3(signature = (interfaces, *, ring_mib=64, rings=1, is_promiscuous=true, filters=vec![],
                        account=None, max_flow_mib=256, max_sessions=100_000,
                        max_pending=10_000, keep_mib=0, needs=None, is_offload_off=false))]
    fn live(
        py: Python<'_>,
        interfaces: Vec<String>,
        ring_mib: usize,
        rings: usize,
        is_promiscuous: bool,
        filters: Vec<(u16, Vec<crate::live::Word>)>,
        account: Option<(u32, u32)>,
        max_flow_mib: usize,
        max_sessions: usize,
        max_pending: usize,
        keep_mib: usize,
        needs: Option<crate::live::NeedsOf>,
        is_offload_off: bool,
    ) -> PyResult<Self> {
        let switched_off = if is_offload_off {
            crate::live::switch_off(&interfaces)?
        } else {
            None
        };
        let rings = crate::live::open(&LiveConfig {
            interfaces,
            ring_bytes: ring_mib.saturating_mul(1 << 20),
            rings,
            is_promiscuous,
            filters: crate::live::programs(filters),
        })?;
        crate::live::give_up(account)?;
        let confined = needs.map(crate::live::confine);
        let config = ReplayConfig {
            source: Source::Live(rings),
            filter: None,
            engine: Config {
                max_flow_bytes: max_flow_mib.saturating_mul(1 << 20),
                max_sessions,
                lists_flows: true,
            },
            has_two_taps: false,
            keep_bytes: keep_mib.saturating_mul(1 << 20),
            batch_frames: 0,
            max_pending,
            speed: 0.0,
            keeps_flows: false,
            is_paused: false,
        };
        let run = Self::run(py, config)?;
        Ok(Self {
            confined,
            _switched_off: switched_off,
            ..run
        })
    }

    /// What confines a live run; none of it in any other.
    #[cfg(target_os = "linux")]
    #[getter]
    fn confined(&self) -> Option<crate::live::Confined> {
        self.confined.clone()
    }

    #[pyo3(signature = (timeout_ms, max_items=1_000))]
    fn poll(&self, py: Python<'_>, timeout_ms: u64, max_items: usize) -> PyResult<Batch> {
        let deadline = Instant::now() + Duration::from_millis(timeout_ms.min(86_400_000));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let polled = py.detach(|| self.running.poll(left.min(SIGNAL_SLICE), max_items));
            py.check_signals()?;
            if polled.events.is_empty() && !polled.done && !left.is_zero() {
                continue;
            }
            if polled.done
                && polled.events.is_empty()
                && let Some(error) = self.running.error()
            {
                return Err(if error.starts_with("internal error") {
                    PyRuntimeError::new_err(error)
                } else {
                    CaptureError::new_err(error)
                });
            }
            let (mut findings, mut sessions, mut devices) = (vec![], vec![], vec![]);
            for event in polled.events {
                match event {
                    News::Engine(Event::Finding(f)) => findings.push(Finding::new(py, *f)?),
                    News::Engine(Event::Ended(s, why)) => sessions.push(Session::new(s, Some(why))),
                    News::Device(p) => devices.push(device::pair(&p)),
                }
            }
            return Ok(Batch {
                findings: PyTuple::new(py, findings)?.unbind(),
                sessions: PyTuple::new(py, sessions)?.unbind(),
                devices: PyTuple::new(py, devices)?.unbind(),
                more: polled.more,
                done: polled.done,
            });
        }
    }

    fn stats(&self, py: Python<'_>) -> Stats {
        py.detach(|| stats::stats(&self.running.report()))
    }

    #[pyo3(signature = (*, limit=500, offset=0, state=None, order="worst"))]
    fn snapshot<'py>(
        &self,
        py: Python<'py>,
        limit: usize,
        offset: usize,
        state: Option<&str>,
        order: &str,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let state = state.map(verdict).transpose()?;
        let order = match order {
            "worst" => Order::Worst,
            "recent" => Order::Recent,
            "key" => Order::Key,
            other => return Err(PyValueError::new_err(format!("no such order: {other:?}"))),
        };
        let sessions = py.detach(|| {
            self.running
                .snapshot(limit.min(100_000), offset, state, order)
        });
        let rows: Vec<_> = sessions
            .into_iter()
            .map(|s| Session::new(Box::new(s), None))
            .collect();
        PyTuple::new(py, rows)
    }

    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (ended=vec![], *, order="worst", is_reversed=false, terms=vec![], offset=0,
                        height=50, anchor=None, line=0))]
    fn list_sessions(
        &self,
        py: Python<'_>,
        ended: Vec<Py<Session>>,
        order: &str,
        is_reversed: bool,
        terms: Vec<listing::Words>,
        offset: usize,
        height: usize,
        anchor: Option<&str>,
        line: usize,
    ) -> PyResult<SessionWindow> {
        let wanted = (order, is_reversed, terms);
        let reach = (offset, height, anchor, line);
        listing::sessions(py, &self.running, &ended, wanted, reach)
    }

    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (*, order="bytes", is_reversed=false, terms=vec![], offset=0, height=50,
                        anchor=None, line=0))]
    fn list_flows(
        &self,
        py: Python<'_>,
        order: &str,
        is_reversed: bool,
        terms: Vec<listing::Words>,
        offset: usize,
        height: usize,
        anchor: Option<&str>,
        line: usize,
    ) -> PyResult<FlowWindow> {
        let wanted = (order, is_reversed, terms);
        let reach = (offset, height, anchor, line);
        listing::flows(py, &self.running, wanted, reach)
    }

    fn session(&self, py: Python<'_>, session_id: &str) -> Option<Session> {
        let id = u64::from_str_radix(session_id, 16).ok()?;
        py.detach(|| self.running.session(id))
            .map(|s| Session::new(Box::new(s), None))
    }

    // Keywords in Python, where each has its name.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (session_ids, wanted, marks, *, about, application, most=None))]
    fn slice<'py>(
        &self,
        py: Python<'py>,
        session_ids: Vec<String>,
        wanted: Vec<slice::Session>,
        marks: Vec<slice::Remark>,
        about: Vec<String>,
        application: String,
        most: Option<slice::Most>,
    ) -> PyResult<(Bound<'py, PyBytes>, slice::Sliced)> {
        let ids: Vec<u64> = session_ids
            .iter()
            .filter_map(|id| u64::from_str_radix(id, 16).ok())
            .collect();
        let config = slice::config(wanted, marks, about, application, most)?;
        let made = py.detach(|| self.running.slice(&ids, config));
        let (bytes, sliced) = made.map_err(slice::refused)?;
        Ok((PyBytes::new(py, &bytes), slice::Sliced::new(py, sliced)?))
    }

    fn set_speed(&self, speed: f64) {
        self.running.set_speed(speed);
    }

    fn set_paused(&self, paused: bool) {
        self.running.set_paused(paused);
    }

    fn step(&self, seconds: f64) {
        self.running.step((seconds.clamp(0.0, 1e9) * 1e9) as i64);
    }

    fn until_finding(&self) {
        self.running.until_finding();
    }

    #[getter]
    fn is_paused(&self) -> bool {
        self.running.is_paused()
    }

    fn stop(&self) {
        self.running.stop();
    }
}
