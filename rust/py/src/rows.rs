//! Frozen rows: sessions, directions, findings, evidence.
//!
//! What Python reads again and again (addresses, evidence, the session of a finding) is made as a
//! Python object once, here; reading it then only counts a reference.

use ctcpmon_core::ctcp::ike::exchange_name;
use ctcpmon_core::detect::{DETECTORS, LossSide, Side, session_state, worst_state};
use ctcpmon_core::engine::Finding as CoreFinding;
use ctcpmon_core::flow::candidate::Recognised;
use ctcpmon_core::session::{Session as CoreSession, TO_CLIENT, TO_HEADEND, certainty};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Evidence {
    name: &'static str,
    value: f64,
    unit: &'static str,
    ts_ns: Option<i64>,
    packet: Option<u64>,
}

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Direction {
    packets: u64,
    payload_bytes: u64,
    data_segments: u64,
    open_holes: u64,
    holes_total: u64,
    hole_bytes_total: u64,
    esp_received_pkts: u64,
    esp_missing_pkts: u64,
    esp_spi: Option<u32>,
    esp_seq: Option<u32>,
    retransmissions: u64,
    reordered: u64,
    network_duplicates: u64,
    span_duplicates: u64,
    dup_acks: u64,
    sack_segments: u64,
    zero_windows: u64,
    unacked_bytes: Option<u64>,
    window_bytes: Option<u64>,
    ack_frozen_since_ns: Option<i64>,
    ack_rtt_us: Option<u64>,
    first_ns: Option<i64>,
    last_ns: Option<i64>,
    last_data_ns: Option<i64>,
    ttl_data: Option<u8>,
    ttl_pure_ack: Option<u8>,
    ttl_handshake: Option<u8>,
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Session {
    #[pyo3(get)]
    id: Py<PyString>,
    #[pyo3(get)]
    generation: u32,
    #[pyo3(get)]
    protocol: &'static str,
    #[pyo3(get)]
    product: Option<&'static str>,
    #[pyo3(get)]
    certainty: &'static str,
    #[pyo3(get)]
    client_ip: Py<PyString>,
    #[pyo3(get)]
    client_port: u16,
    #[pyo3(get)]
    headend_ip: Py<PyString>,
    #[pyo3(get)]
    headend_port: u16,
    #[pyo3(get)]
    roles_known: bool,
    #[pyo3(get)]
    state: &'static str,
    #[pyo3(get)]
    worst_state: &'static str,
    #[pyo3(get)]
    stalled_at_ns: Option<i64>,
    #[pyo3(get)]
    signature: Option<&'static str>,
    #[pyo3(get)]
    stopped_side: Option<&'static str>,
    #[pyo3(get)]
    loss_side: Option<&'static str>,
    #[pyo3(get)]
    confidence: Option<f64>,
    #[pyo3(get)]
    first_ns: i64,
    #[pyo3(get)]
    last_ns: i64,
    #[pyo3(get)]
    end_reason: &'static str,
    #[pyo3(get)]
    is_one_sided: bool,
    #[pyo3(get)]
    is_midstream: bool,
    #[pyo3(get)]
    is_cut: bool,
    #[pyo3(get)]
    to_headend: Py<Direction>,
    #[pyo3(get)]
    to_client: Py<Direction>,
    #[pyo3(get)]
    initiator_cookie: Option<String>,
    #[pyo3(get)]
    responder_cookie: Option<String>,
    #[pyo3(get)]
    ike_exchange: Option<&'static str>,
    #[pyo3(get)]
    ike_messages: u32,
    #[pyo3(get)]
    keepalive_ms: Option<u64>,
    #[pyo3(get)]
    dpd_ms: Option<u64>,
    #[pyo3(get)]
    vpn_group: Option<String>,
    vendors: Vec<&'static str>,
    #[pyo3(get)]
    linked_session: Option<String>,
    #[pyo3(get)]
    tunnel_id: u32,
    taps: Vec<u16>,
}

#[pymethods]
impl Session {
    #[getter]
    fn vendors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.vendors)
    }

    #[getter]
    fn taps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.taps)
    }
}

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Finding {
    seq: u64,
    ts_ns: i64,
    since_ns: i64,
    detector: &'static str,
    verdict: &'static str,
    confidence: f64,
    stopped_side: Option<&'static str>,
    loss_side: Option<&'static str>,
    evidence: Py<PyTuple>,
    ruled_out: Py<PyTuple>,
    session: Py<Session>,
    tap_gap_ratio: Option<f64>,
}

/// The id of a session in outputs.
pub(crate) fn session_id(id: u64) -> String {
    format!("{id:012x}")
}

/// Two decimals are all a confidence means; the rounding also keeps `f32` noise
/// out of the output.
pub(crate) fn confidence(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}

fn ms(ns: i64) -> u64 {
    (ns / 1_000_000).max(0) as u64
}

fn direction(s: &CoreSession, dir: usize) -> Direction {
    let h = &s.half[dir];
    let (received, missing) = s.esp[dir].totals();
    let (spi, seq) = s.esp[dir].current().unzip();
    let ttl = |t: u8| (t != 0).then_some(t);
    Direction {
        packets: h.packets(),
        payload_bytes: h.payload_bytes(),
        data_segments: h.data_segments(),
        open_holes: h
            .holes()
            .iter()
            .filter(|x| x.is_counted && !x.is_gap)
            .count() as u64,
        holes_total: h.holes_total(),
        hole_bytes_total: h.hole_bytes_total(),
        esp_received_pkts: received,
        esp_missing_pkts: missing,
        esp_spi: spi,
        esp_seq: seq,
        retransmissions: h.retransmissions(),
        reordered: h.reordered(),
        network_duplicates: h.network_duplicates(),
        span_duplicates: h.span_duplicates(),
        dup_acks: h.dup_acks(),
        sack_segments: h.sack_segments(),
        zero_windows: h.zero_windows(),
        unacked_bytes: h.unacked_bytes(),
        window_bytes: h.window_bytes(s.half[1 - dir].window_scale()),
        ack_frozen_since_ns: h
            .unacked_since()
            .filter(|_| h.segments_since_una() > 0)
            .map(|t| t.0),
        ack_rtt_us: (h.ack_rtt_ns() > 0).then_some((h.ack_rtt_ns() / 1000) as u64),
        first_ns: h.first_ts().map(|t| t.0),
        last_ns: h.last_ts().map(|t| t.0),
        last_data_ns: h.last_data_ts().map(|t| t.0),
        ttl_data: ttl(h.ttl.data),
        ttl_pure_ack: ttl(h.ttl.pure_ack),
        ttl_handshake: ttl(h.ttl.handshake),
    }
}

/// Converts a session; `end_reason` is empty while it lives.
pub(crate) fn session(
    py: Python<'_>,
    s: &CoreSession,
    end_reason: &'static str,
) -> PyResult<Py<Session>> {
    let (client, server) = (s.client(), s.server());
    let (protocol, product) = match s.kind {
        Recognised::Ctcp(_) => ("ctcp", None),
        Recognised::FakeTcp(p) => ("faketcp", Some(p.name())),
        Recognised::IkeTcp => ("iketcp", None),
        Recognised::PlainIke => ("ike_tcp", None),
    };
    let stall = s.detectors().stall;
    let cookie = |c: u64| (c != 0).then(|| format!("{c:016x}"));
    let row = Session {
        id: text(py, &session_id(s.id)),
        generation: u32::from(s.generation),
        protocol,
        product,
        certainty: certainty(s.kind).name(),
        client_ip: text(py, &client.addr.to_ip().to_string()),
        client_port: client.port,
        headend_ip: text(py, &server.addr.to_ip().to_string()),
        headend_port: server.port,
        roles_known: s.roles_known,
        state: session_state(s).name(),
        worst_state: worst_state(s).name(),
        stalled_at_ns: stall.map(|x| x.at.0),
        signature: stall.map(|x| DETECTORS[usize::from(x.detector)].id),
        stopped_side: stall.and_then(|x| x.stopped).map(Side::name),
        loss_side: stall.and_then(|x| x.loss).map(LossSide::name),
        confidence: stall.map(|x| confidence(x.confidence)),
        first_ns: s.first.0,
        last_ns: s.last.0,
        end_reason,
        is_one_sided: s.is_one_sided(),
        is_midstream: s.is_midstream,
        is_cut: s.is_cut,
        to_headend: Py::new(py, direction(s, TO_HEADEND))?,
        to_client: Py::new(py, direction(s, TO_CLIENT))?,
        initiator_cookie: cookie(s.ike().initiator),
        responder_cookie: cookie(s.ike().responder),
        ike_exchange: exchange_name(s.ike().exchange),
        ike_messages: s.ike().messages.iter().sum(),
        keepalive_ms: s
            .half
            .iter()
            .filter(|h| h.spacing().packets > 10 && h.spacing().is_steady())
            .map(|h| ms(h.spacing().mean_gap_ns))
            .min(),
        dpd_ms: (0..2)
            .filter_map(|dir| s.ike().dpd(dir).every_ns())
            .map(ms)
            .min(),
        vpn_group: s
            .identity()
            .group()
            .map(|g| String::from_utf8_lossy(g).into_owned()),
        vendors: s.identity().vendors().collect(),
        linked_session: s.linked().map(session_id),
        tunnel_id: s.tunnel,
        taps: (0..16).filter(|bit| s.taps >> bit & 1 == 1).collect(),
    };
    Py::new(py, row)
}

fn text(py: Python<'_>, text: &str) -> Py<PyString> {
    PyString::new(py, text).unbind()
}

/// Converts a finding.
pub(crate) fn finding(py: Python<'_>, f: &CoreFinding) -> PyResult<Py<Finding>> {
    let j = &f.judgement;
    let evidence: Vec<_> = j
        .evidence()
        .map(|e| {
            let info = e.name.info();
            Evidence {
                name: info.name,
                value: e.value,
                unit: info.unit,
                ts_ns: e.at.map(|t| t.0),
                packet: None,
            }
        })
        .collect();
    let ruled_out: Vec<_> = j.ruled_out().collect();
    let row = Finding {
        seq: f.seq,
        ts_ns: f.at.0,
        since_ns: if j.since.0 == 0 { f.at.0 } else { j.since.0 },
        detector: DETECTORS[f.detector].id,
        verdict: j.verdict.name(),
        confidence: confidence(j.confidence),
        stopped_side: j.stopped.map(Side::name),
        loss_side: j.loss.map(LossSide::name),
        evidence: PyTuple::new(py, evidence)?.unbind(),
        ruled_out: PyTuple::new(py, ruled_out)?.unbind(),
        session: session(py, &f.session, "")?,
        tap_gap_ratio: f.tap_gap_ratio,
    };
    Py::new(py, row)
}
