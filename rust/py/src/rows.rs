//! Frozen rows: sessions, directions, findings, evidence.
//!
//! A row holds what the engine handed over; a Python object is made when a getter is called. What
//! Python reads again and again (ids, addresses, evidence) is made once and kept.

use ctcpmon_core::ctcp::ike::exchange_name;
use ctcpmon_core::detect::{DETECTORS, Judgement, LossSide, Side, session_state, worst_state};
use ctcpmon_core::engine::{EndReason, Finding as CoreFinding};
use ctcpmon_core::session::{Session as CoreSession, TO_CLIENT, TO_HEADEND, certainty};
use ctcpmon_core::time::Timestamp;
use ctcpmon_events::{Found, community_id, reading};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

/// Names and units are read several times and are few: the interpreter keeps one object of each.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Evidence {
    name: Py<PyString>,
    value: f64,
    unit: Py<PyString>,
    ts_ns: Option<i64>,
    packet: Option<u64>,
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Direction(reading::Direction);

/// A class whose getters are expressions over what it holds.
macro_rules! getters {
    ($class:ident, $this:ident, { $($name:ident: $type:ty = $value:expr,)+ }) => {
        #[pymethods]
        impl $class {
            $(
                #[getter]
                fn $name(&self) -> $type {
                    let $this = &self.0;
                    $value
                }
            )+
        }
    };
}

getters!(Direction, d, {
    packets: u64 = d.packets,
    payload_bytes: u64 = d.payload_bytes,
    data_segments: u64 = d.data_segments,
    open_holes: u64 = d.open_holes,
    holes_total: u64 = d.holes_total,
    hole_bytes_total: u64 = d.hole_bytes_total,
    esp_received_pkts: u64 = d.esp_received_pkts,
    esp_missing_pkts: u64 = d.esp_missing_pkts,
    esp_spi: Option<u32> = d.esp_spi,
    esp_seq: Option<u32> = d.esp_seq,
    retransmissions: u64 = d.retransmissions,
    reordered: u64 = d.reordered,
    network_duplicates: u64 = d.network_duplicates,
    span_duplicates: u64 = d.span_duplicates,
    dup_acks: u64 = d.dup_acks,
    sack_segments: u64 = d.sack_segments,
    zero_windows: u64 = d.zero_windows,
    unacked_bytes: Option<u64> = d.unacked_bytes,
    window_bytes: Option<u64> = d.window_bytes,
    ack_frozen_since_ns: Option<i64> = d.ack_frozen_since.map(|t| t.0),
    ack_rtt_us: Option<u64> = d.ack_rtt_us,
    first_ns: Option<i64> = d.first.map(|t| t.0),
    last_ns: Option<i64> = d.last.map(|t| t.0),
    last_data_ns: Option<i64> = d.last_data.map(|t| t.0),
    ttl_data: Option<u8> = d.ttl_data,
    ttl_pure_ack: Option<u8> = d.ttl_pure_ack,
    ttl_handshake: Option<u8> = d.ttl_handshake,
});

/// A text that is made when it is first read.
type Text = PyOnceLock<Py<PyString>>;

/// A word that many rows have: the interpreter keeps one object of it, which knows its hash.
fn word(py: Python<'_>, place: &Text, text: &str) -> Py<PyString> {
    place
        .get_or_init(py, || PyString::intern(py, text).unbind())
        .clone_ref(py)
}

fn kept(py: Python<'_>, place: &Text, text: impl FnOnce() -> String) -> Py<PyString> {
    place
        .get_or_init(py, || PyString::new(py, &text()).unbind())
        .clone_ref(py)
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Session {
    core: Box<CoreSession>,
    reason: Option<EndReason>,
    id: Text,
    client_ip: Text,
    client_net: Text,
    headend_ip: Text,
    directions: [PyOnceLock<Py<Direction>>; 2],
}

impl Session {
    /// A row of `core`; `reason` is `None` while it lives.
    pub(crate) fn new(core: Box<CoreSession>, reason: Option<EndReason>) -> Self {
        Self {
            core,
            reason,
            id: Text::new(),
            client_ip: Text::new(),
            client_net: Text::new(),
            headend_ip: Text::new(),
            directions: [PyOnceLock::new(), PyOnceLock::new()],
        }
    }

    pub(crate) fn core(&self) -> &CoreSession {
        &self.core
    }

    pub(crate) fn reason(&self) -> Option<EndReason> {
        self.reason
    }

    fn direction(&self, py: Python<'_>, dir: usize) -> PyResult<Py<Direction>> {
        self.directions[dir]
            .get_or_try_init(py, || {
                Py::new(py, Direction(reading::Direction::of(&self.core, dir)))
            })
            .map(|direction| direction.clone_ref(py))
    }

    fn stall(&self) -> Option<reading::Stall> {
        reading::stall(&self.core)
    }
}

#[pymethods]
impl Session {
    #[getter]
    fn id(&self, py: Python<'_>) -> Py<PyString> {
        kept(py, &self.id, || reading::session_id(self.core.id()))
    }

    #[getter]
    fn generation(&self) -> u16 {
        self.core.generation
    }

    #[getter]
    fn protocol(&self) -> &'static str {
        reading::protocol(&self.core)
    }

    #[getter]
    fn product(&self) -> Option<&'static str> {
        reading::product(&self.core)
    }

    #[getter]
    fn certainty(&self) -> &'static str {
        certainty(self.core.kind).name()
    }

    #[getter]
    fn client_ip(&self, py: Python<'_>) -> Py<PyString> {
        kept(py, &self.client_ip, || {
            self.core.client().addr.to_ip().to_string()
        })
    }

    #[getter]
    fn client_net(&self, py: Python<'_>) -> Py<PyString> {
        kept(py, &self.client_net, || reading::client_net(&self.core))
    }

    #[getter]
    fn client_port(&self) -> u16 {
        self.core.client().port
    }

    #[getter]
    fn headend_ip(&self, py: Python<'_>) -> Py<PyString> {
        kept(py, &self.headend_ip, || {
            self.core.server().addr.to_ip().to_string()
        })
    }

    #[getter]
    fn headend_port(&self) -> u16 {
        self.core.server().port
    }

    #[getter]
    fn roles_known(&self) -> bool {
        self.core.roles_known()
    }

    #[getter]
    fn state(&self) -> &'static str {
        session_state(&self.core).name()
    }

    #[getter]
    fn worst_state(&self) -> &'static str {
        worst_state(&self.core).name()
    }

    #[getter]
    fn stalled_at_ns(&self) -> Option<i64> {
        self.stall().map(|stall| stall.at.0)
    }

    #[getter]
    fn signature(&self) -> Option<&'static str> {
        self.stall().map(|stall| stall.signature)
    }

    #[getter]
    fn stopped_side(&self) -> Option<&'static str> {
        self.stall()?.stopped_side
    }

    #[getter]
    fn loss_side(&self) -> Option<&'static str> {
        self.stall()?.loss_side
    }

    #[getter]
    fn confidence(&self) -> Option<f64> {
        self.stall().map(|stall| stall.confidence)
    }

    #[getter]
    fn first_ns(&self) -> i64 {
        self.core.first().0
    }

    #[getter]
    fn last_ns(&self) -> i64 {
        self.core.last.0
    }

    #[getter]
    fn end_reason(&self) -> &'static str {
        self.reason.map_or("", EndReason::name)
    }

    #[getter]
    fn is_one_sided(&self) -> bool {
        self.core.is_one_sided()
    }

    #[getter]
    fn is_midstream(&self) -> bool {
        self.core.is_midstream()
    }

    #[getter]
    fn is_cut(&self) -> bool {
        self.core.is_cut()
    }

    #[getter]
    fn to_headend(&self, py: Python<'_>) -> PyResult<Py<Direction>> {
        self.direction(py, TO_HEADEND)
    }

    #[getter]
    fn to_client(&self, py: Python<'_>) -> PyResult<Py<Direction>> {
        self.direction(py, TO_CLIENT)
    }

    #[getter]
    fn initiator_cookie(&self) -> Option<String> {
        reading::cookie(self.core.ike().initiator)
    }

    #[getter]
    fn responder_cookie(&self) -> Option<String> {
        reading::cookie(self.core.ike().responder)
    }

    #[getter]
    fn ike_exchange(&self) -> Option<&'static str> {
        exchange_name(self.core.ike().exchange())
    }

    #[getter]
    fn ike_messages(&self) -> u32 {
        reading::ike_messages(&self.core)
    }

    #[getter]
    fn keepalive_ms(&self) -> Option<u64> {
        reading::keepalive_ms(&self.core)
    }

    #[getter]
    fn dpd_ms(&self) -> Option<u64> {
        reading::dpd_ms(&self.core)
    }

    #[getter]
    fn vpn_group(&self) -> Option<String> {
        reading::vpn_group(&self.core)
    }

    #[getter]
    fn vendors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.core.identity().vendors().collect::<Vec<_>>())
    }

    #[getter]
    fn linked_session(&self) -> Option<String> {
        self.core.linked().map(reading::session_id)
    }

    #[getter]
    fn tunnel_id(&self) -> u32 {
        self.core.tunnel
    }

    #[getter]
    fn community_id(&self) -> Option<String> {
        community_id(self.core.client(), self.core.server())
    }

    #[getter]
    fn taps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, reading::taps(&self.core).collect::<Vec<_>>())
    }
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Finding {
    #[pyo3(get)]
    seq: u64,
    #[pyo3(get)]
    ts_ns: i64,
    #[pyo3(get)]
    session: Py<Session>,
    #[pyo3(get)]
    tap_gap_ratio: Option<f64>,
    rule: &'static str,
    judgement: Judgement,
    detector: Text,
    verdict: Text,
    evidence: PyOnceLock<Py<PyTuple>>,
}

impl Finding {
    /// A row of a finding.
    pub(crate) fn new(py: Python<'_>, finding: CoreFinding) -> PyResult<Self> {
        Ok(Self {
            seq: finding.seq,
            ts_ns: finding.at.0,
            session: Py::new(py, Session::new(Box::new(finding.session), None))?,
            tap_gap_ratio: finding.tap_gap_ratio,
            rule: DETECTORS[finding.detector].id,
            judgement: finding.judgement,
            detector: Text::new(),
            verdict: Text::new(),
            evidence: PyOnceLock::new(),
        })
    }

    /// What the line of it is made from.
    pub(crate) fn found<'a>(&'a self, session: &'a Session) -> Found<'a> {
        Found {
            seq: self.seq,
            at: Timestamp(self.ts_ns),
            judgement: &self.judgement,
            session: session.core(),
            tap_gap_ratio: self.tap_gap_ratio,
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.session.get()
    }
}

#[pymethods]
impl Finding {
    #[getter]
    fn since_ns(&self) -> i64 {
        self.found(self.session.get()).since().0
    }

    #[getter]
    fn detector(&self, py: Python<'_>) -> Py<PyString> {
        word(py, &self.detector, self.rule)
    }

    #[getter]
    fn verdict(&self, py: Python<'_>) -> Py<PyString> {
        word(py, &self.verdict, self.judgement.verdict.name())
    }

    #[getter]
    fn confidence(&self) -> f64 {
        reading::confidence(self.judgement.confidence)
    }

    #[getter]
    fn stopped_side(&self) -> Option<&'static str> {
        self.judgement.stopped.map(Side::name)
    }

    #[getter]
    fn loss_side(&self) -> Option<&'static str> {
        self.judgement.loss.map(LossSide::name)
    }

    #[getter]
    fn evidence(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        let made = self.evidence.get_or_try_init(py, || {
            let rows: Vec<_> = self
                .judgement
                .evidence()
                .map(|e| {
                    let info = e.name.info();
                    Evidence {
                        name: PyString::intern(py, info.name).unbind(),
                        value: e.value,
                        unit: PyString::intern(py, info.unit).unbind(),
                        ts_ns: e.at.map(|t| t.0),
                        packet: None,
                    }
                })
                .collect();
            PyTuple::new(py, rows).map(Bound::unbind)
        })?;
        Ok(made.clone_ref(py))
    }

    #[getter]
    fn measured<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let values = PyDict::new(py);
        for e in self.judgement.evidence() {
            values.set_item(PyString::intern(py, e.name.info().name), e.value)?;
        }
        Ok(values)
    }

    #[getter]
    fn ruled_out<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.judgement.ruled_out().collect::<Vec<_>>())
    }
}
