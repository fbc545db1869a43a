//! The lines of findings and of ended sessions, for Python to write as they are.

use std::collections::BTreeMap;

use ctcpmon_events::{Lines, Origin, Phrase, Phrases, Said, reading};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::rows::{Finding, Session};

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
