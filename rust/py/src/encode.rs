//! JSON of plain Python objects: for the events whose words Python makes. One spelling of numbers and
//! strings for all lines.

use ctcpmon_core::time::Timestamp;
use ctcpmon_events::{json, stamp};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// Events are nested six deep.
const MAX_DEPTH: usize = 16;
/// Room for an event; a longer one grows.
const USUAL_BYTES: usize = 2_560;

/// A packet time in an event, nanoseconds since 1970; what no packet can have is set to the nearest that one can.
#[pyfunction]
pub(crate) fn rfc3339<'py>(time_ns: &Bound<'py, PyInt>) -> PyResult<Bound<'py, PyString>> {
    let at = match time_ns.extract() {
        Ok(at) => at,
        Err(_) if time_ns.lt(0)? => i64::MIN,
        Err(_) => i64::MAX,
    };
    let text = stamp::rfc3339(Timestamp(at));
    Ok(PyString::new(time_ns.py(), &String::from_utf8_lossy(&text)))
}

/// One line, without the newline. A field of a dictionary that is `None` is not known and left out.
#[pyfunction]
pub(crate) fn encode<'py>(event: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyBytes>> {
    let mut line = Vec::with_capacity(USUAL_BYTES);
    value(&mut line, event.as_any(), MAX_DEPTH)?;
    Ok(PyBytes::new(event.py(), &line))
}

fn value(out: &mut Vec<u8>, one: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    if depth == 0 {
        return Err(PyTypeError::new_err("nested too deep"));
    }
    if let Ok(text) = one.cast::<PyString>() {
        json::string(out, &text.to_cow()?);
    } else if let Ok(flag) = one.cast::<PyBool>() {
        json::flag(out, flag.is_true());
    } else if let Ok(number) = one.cast::<PyInt>() {
        json::integer(out, number.extract()?);
    } else if let Ok(number) = one.cast::<PyFloat>() {
        let number = number.value();
        if !number.is_finite() {
            return Err(PyValueError::new_err("not a finite number"));
        }
        json::number(out, number);
    } else if let Ok(fields) = one.cast::<PyDict>() {
        out.push(b'{');
        let mut is_first = true;
        for (name, field) in fields {
            if field.is_none() {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            json::string(out, &name.cast::<PyString>()?.to_cow()?);
            out.push(b':');
            value(out, &field, depth - 1)?;
        }
        out.push(b'}');
    } else if let Ok(items) = one.cast::<PyTuple>() {
        list(out, items.iter(), depth)?;
    } else if let Ok(items) = one.cast::<PyList>() {
        list(out, items.iter(), depth)?;
    } else {
        let kind = one.get_type();
        return Err(PyTypeError::new_err(format!("{kind} is no JSON value")));
    }
    Ok(())
}

fn list<'py>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    depth: usize,
) -> PyResult<()> {
    out.push(b'[');
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        value(out, &item, depth - 1)?;
    }
    out.push(b']');
    Ok(())
}
