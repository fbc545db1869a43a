//! What this build knows: detectors, evidence names, counters.

use ctcpmon_core::decode::{Disposition, LINK_TYPES};
use ctcpmon_core::detect::{DETECTORS, EVIDENCE};
use ctcpmon_core::stats::Counters;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct ThresholdInfo {
    name: String,
    value: f64,
    unit: String,
    origin: String,
}

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct DetectorInfo {
    #[pyo3(get)]
    id: String,
    #[pyo3(get)]
    name: String,
    #[pyo3(get)]
    signature: String,
    #[pyo3(get)]
    severity: String,
    #[pyo3(get)]
    docs: String,
    thresholds: Vec<ThresholdInfo>,
}

#[pymethods]
impl DetectorInfo {
    #[getter]
    fn thresholds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.thresholds.clone())
    }
}

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct EvidenceInfo {
    name: String,
    unit: String,
    doc: String,
}

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct CounterInfo {
    name: String,
    doc: String,
}

pub(crate) fn detectors() -> Vec<DetectorInfo> {
    DETECTORS
        .iter()
        .map(|d| DetectorInfo {
            id: d.id.into(),
            name: d.name.into(),
            signature: d.signature.into(),
            severity: d.severity.into(),
            docs: d.docs.into(),
            thresholds: d
                .thresholds
                .iter()
                .map(|t| ThresholdInfo {
                    name: t.name.into(),
                    value: t.value,
                    unit: t.unit.into(),
                    origin: t.origin.into(),
                })
                .collect(),
        })
        .collect()
}

pub(crate) fn evidence() -> Vec<EvidenceInfo> {
    EVIDENCE
        .iter()
        .map(|e| EvidenceInfo {
            name: e.name.into(),
            unit: e.unit.into(),
            doc: e.doc.into(),
        })
        .collect()
}

pub(crate) fn counters() -> Vec<CounterInfo> {
    let ends = Disposition::ALL.iter().map(|d| CounterInfo {
        name: format!("frames_{}", d.name()),
        doc: d.doc().into(),
    });
    let rest = Counters::NAMES.iter().map(|(name, doc)| CounterInfo {
        name: (*name).into(),
        doc: doc.trim().into(),
    });
    ends.chain(rest).collect()
}

pub(crate) fn link_types() -> Vec<(u16, &'static str)> {
    let known = LINK_TYPES.iter();
    known.map(|d| (d.link.0, d.name)).collect()
}
