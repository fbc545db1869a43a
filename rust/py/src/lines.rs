//! The lines of ended sessions, for Python to write as they are.

use std::collections::BTreeMap;

use ctcpmon_events::{Lines, Origin, reading};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::rows::Session;

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct SessionLines {
    lines: Lines,
    /// Makes the name of a group safe for a terminal; none: groups are not shown.
    clean_group: Option<Py<PyAny>>,
}

#[pymethods]
impl SessionLines {
    #[new]
    #[pyo3(signature = (*, id_prefix, source, sensor, version, zones, clean_group=None))]
    fn new(
        id_prefix: &str,
        source: &str,
        sensor: &str,
        version: &str,
        zones: BTreeMap<u16, String>,
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
        Self { lines, clean_group }
    }

    fn line<'py>(
        &self,
        py: Python<'py>,
        session: &Session,
        number: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
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
        Ok(PyBytes::new(py, &line))
    }
}
