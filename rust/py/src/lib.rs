//! `PyO3` binding: convert, call, convert. No logic lives here; every long call lets
//! go of the interpreter first.

// The bodies that pyo3's macros generate are outside our lints.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    clippy::struct_field_names
)]

mod catalogue;
mod device;
mod encode;
mod lines;
mod listing;
#[cfg(target_os = "linux")]
mod live;
mod replay;
mod rows;
mod series;
mod slice;
mod stats;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[global_allocator]
static PAGES: ctcpmon_runtime::HugePages = ctcpmon_runtime::HugePages;

create_exception!(
    _ctcpmon,
    CaptureError,
    PyException,
    "An input could not be opened or holds no readable capture."
);

/// Native engine of ctcpmon.
#[pymodule(gil_used = false)]
fn _ctcpmon(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("CaptureError", py.get_type::<CaptureError>())?;
    m.add("DETECTORS", PyTuple::new(py, catalogue::detectors())?)?;
    m.add("EVIDENCE", PyTuple::new(py, catalogue::evidence())?)?;
    m.add("COUNTERS", PyTuple::new(py, catalogue::counters())?)?;
    m.add_function(wrap_pyfunction!(encode::encode, m)?)?;
    m.add_function(wrap_pyfunction!(encode::rfc3339, m)?)?;
    m.add("LINK_TYPES", PyTuple::new(py, catalogue::link_types())?)?;
    m.add_class::<catalogue::DetectorInfo>()?;
    m.add_class::<catalogue::ThresholdInfo>()?;
    m.add_class::<catalogue::EvidenceInfo>()?;
    m.add_class::<catalogue::CounterInfo>()?;
    m.add_class::<lines::EventLines>()?;
    m.add_class::<rows::Evidence>()?;
    m.add_class::<rows::Direction>()?;
    m.add_class::<rows::Session>()?;
    m.add_class::<rows::Finding>()?;
    m.add_class::<device::DeviceDirection>()?;
    m.add_class::<device::DevicePair>()?;
    m.add_class::<replay::Batch>()?;
    m.add_class::<stats::Held>()?;
    m.add_class::<stats::Note>()?;
    m.add_class::<stats::Stats>()?;
    m.add_class::<replay::Replay>()?;
    m.add_class::<listing::FlowWindow>()?;
    m.add_class::<listing::SessionWindow>()?;
    m.add_class::<slice::Sliced>()?;
    m.add_function(wrap_pyfunction!(slice::slice_captures, m)?)?;
    m.add_function(wrap_pyfunction!(slice::slice_bytes, m)?)?;
    m.add_class::<series::Series>()?;
    m.add_class::<series::Drawing>()?;
    m.add_class::<series::Packet>()?;
    #[cfg(target_os = "linux")]
    {
        m.add_class::<live::Confined>()?;
        m.add_class::<live::Interface>()?;
        m.add_class::<live::LivePort>()?;
        m.add_function(wrap_pyfunction!(live::interfaces, m)?)?;
        m.add_function(wrap_pyfunction!(live::try_confine, m)?)?;
    }
    Ok(())
}
