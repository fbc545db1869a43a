//! The lines of findings and of ended sessions, for Python to write as they are.

use std::collections::BTreeMap;

use std::net::IpAddr;

use ctcpmon_core::time::Timestamp;
use ctcpmon_events::{Incident, Lines, Origin, Phrase, Phrases, Said, reading};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyList};

use crate::rows::{Finding, Session};

/// What the line of an incident takes of `diagnosis.Incident`.
#[derive(FromPyObject)]
struct Told {
    id: PyBackedStr,
    seq: u64,
    change: PyBackedStr,
    severity: PyBackedStr,
    worst_severity: PyBackedStr,
    what: PyBackedStr,
    #[pyo3(attribute("where"))]
    place: PyBackedStr,
    cause: Cause,
    protocols: Vec<PyBackedStr>,
    client_net: PyBackedStr,
    client_nets: u64,
    headend_ip: PyBackedStr,
    headend_port: u16,
    since_ns: i64,
    last_ns: i64,
    closed_ns: Option<i64>,
    close_reason: Option<PyBackedStr>,
    moving_since_ns: Option<i64>,
    sessions_total: u64,
    sessions_stalled: u64,
    sessions_at_risk: u64,
    sessions_recovered: u64,
    sessions_gone: u64,
    sessions_reconnected: u64,
    session_ids: Vec<PyBackedStr>,
    confidence: f64,
    fixes: Vec<PyBackedStr>,
    stopped_side: Option<PyBackedStr>,
    loss_side: Option<PyBackedStr>,
    silent_side: Option<PyBackedStr>,
    remarks: Vec<Remark>,
    rebindings: u64,
}

#[derive(FromPyObject)]
struct Cause {
    what: PyBackedStr,
    why: PyBackedStr,
}

#[derive(FromPyObject)]
struct Remark {
    text: PyBackedStr,
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct EventLines {
    lines: Lines,
    phrases: Phrases,
    /// Makes the name of a group safe for a terminal; none: groups are not shown.
    clean_group: Option<Py<PyAny>>,
}

#[pymethods]
impl EventLines {
    #[new]
    #[pyo3(signature = (*, id_prefix, source, sensor, version, zones, phrases, clean_group=None))]
    fn new(
        id_prefix: &str,
        source: &str,
        sensor: &str,
        version: &str,
        zones: BTreeMap<u16, String>,
        phrases: BTreeMap<String, (String, bool, String)>,
        clean_group: Option<Py<PyAny>>,
    ) -> Self {
        let zones: Vec<_> = zones.iter().map(|(tap, zone)| (*tap, &**zone)).collect();
        let lines = Lines::new(&Origin {
            id_prefix,
            source,
            sensor,
            version,
            zones: &zones,
        });
        let phrases = phrases
            .into_iter()
            .map(|(name, (before, has_unit, after))| {
                let phrase = Phrase {
                    before,
                    has_unit,
                    after,
                };
                (name, phrase)
            })
            .collect();
        Self {
            lines,
            phrases,
            clean_group,
        }
    }

    #[pyo3(signature = (finding, number, *, reason, rule, incident, fixes))]
    #[allow(clippy::too_many_arguments)]
    fn finding<'py>(
        &self,
        py: Python<'py>,
        finding: &Finding,
        number: u64,
        reason: &str,
        rule: &[u8],
        incident: Option<&str>,
        fixes: Vec<String>,
    ) -> Bound<'py, PyBytes> {
        let said = Said {
            reason,
            rule,
            incident,
            fixes: &fixes,
            phrases: &self.phrases,
        };
        let line = self
            .lines
            .finding(number, &finding.found(finding.session()), &said);
        PyBytes::new(py, &line)
    }

    #[pyo3(signature = (incident, number, *, rule, tap, timer, cycle))]
    #[allow(clippy::too_many_arguments)]
    fn incident<'py>(
        &self,
        py: Python<'py>,
        incident: Told,
        number: u64,
        rule: &[u8],
        tap: Option<u16>,
        timer: Option<&[u8]>,
        cycle: Option<&[u8]>,
    ) -> Bound<'py, PyBytes> {
        let told = told(incident, rule, [timer, cycle]);
        PyBytes::new(py, &self.lines.incident(number, &told, tap))
    }

    fn sessions<'py>(
        &self,
        py: Python<'py>,
        sessions: Vec<PyRef<'py, Session>>,
        first: u64,
    ) -> PyResult<Bound<'py, PyList>> {
        let lines = PyList::empty(py);
        let mut number = first;
        for session in &sessions {
            let core = session.core();
            let raw = self
                .clean_group
                .as_ref()
                .and_then(|clean| Some((clean, reading::vpn_group(core)?)));
            let group = match raw {
                Some((clean, group)) => Some(clean.call1(py, (group,))?.extract::<String>(py)?),
                None => None,
            };
            let line = self
                .lines
                .session(number, core, session.reason(), group.as_deref());
            lines.append(PyBytes::new(py, &line))?;
            number = number.wrapping_add(1);
        }
        Ok(lines)
    }
}

fn told<'a>(
    told: Told,
    rule: &'a [u8],
    patterns: [Option<&'a [u8]>; 2],
) -> Incident<'a, PyBackedStr> {
    let version = told.headend_ip.parse().ok().map(|ip| match ip {
        IpAddr::V4(_) => "ipv4",
        IpAddr::V6(_) => "ipv6",
    });
    Incident {
        id: told.id,
        seq: told.seq,
        change: told.change,
        severity: told.severity,
        worst_severity: told.worst_severity,
        reason: told.what,
        story: [told.cause.what, told.place, told.cause.why],
        rule,
        network: (told.protocols.into_iter().next(), version),
        clients: (told.client_net, told.client_nets),
        headend: (told.headend_ip, told.headend_port),
        times: [told.since_ns, told.last_ns].map(Timestamp),
        closed: told.closed_ns.map(Timestamp).zip(told.close_reason),
        moving_since: told.moving_since_ns.map(Timestamp),
        sessions: [
            told.sessions_total,
            told.sessions_stalled,
            told.sessions_at_risk,
            told.sessions_recovered,
            told.sessions_gone,
            told.sessions_reconnected,
        ],
        session_ids: told.session_ids,
        confidence: told.confidence,
        fixes: told.fixes,
        sides: [told.stopped_side, told.loss_side, told.silent_side],
        remarks: told.remarks.into_iter().map(|remark| remark.text).collect(),
        patterns,
        rebindings: told.rebindings,
    }
}
