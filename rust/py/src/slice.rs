//! Slices: the packets of some sessions as an annotated pcapng.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write, stdout};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use ctcpmon_core::segment::{Addr, Endpoint};
use ctcpmon_core::session::{TO_CLIENT, TO_HEADEND};
use ctcpmon_core::slice::{Mark, Sign, Wanted};
use ctcpmon_core::time::Timestamp;
use ctcpmon_runtime::{Bounds, SliceConfig, SliceError, Sliced as Made, Slicer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::CaptureError;

/// Signals are looked at this often.
const SIGNAL_SLICE: Duration = Duration::from_millis(100);

/// What was written.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Sliced {
    frames: u64,
    remarks: u64,
    unplaced: u64,
    before: u64,
    behind: u64,
    numbers: Py<PyTuple>,
}

impl Sliced {
    pub(crate) fn new(py: Python<'_>, made: Made) -> PyResult<Self> {
        Ok(Self {
            frames: made.frames,
            remarks: made.remarks,
            unplaced: made.unplaced,
            before: made.before,
            behind: made.behind,
            numbers: PyTuple::new(py, made.numbers)?.unbind(),
        })
    }
}

/// Client address and port, headend address and port, first and last time.
pub(crate) type Session = (String, u16, String, u16, i64, i64);
/// Index of the session, time, sending side, sign, text.
pub(crate) type Remark = (usize, i64, Option<String>, String, String);
/// The moment around which frames are taken, most frames, most bytes.
pub(crate) type Most = (i64, usize, usize);

pub(crate) fn end(ip: &str, port: u16) -> PyResult<Endpoint> {
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| PyValueError::new_err(format!("no address: {ip:?}")))?;
    let addr = match ip {
        IpAddr::V4(v4) => Addr::v4(v4.octets()),
        IpAddr::V6(v6) => Addr(v6.octets()),
    };
    Ok(Endpoint { addr, port })
}

fn mark((session, at, side, sign, text): Remark) -> PyResult<Mark> {
    let direction = match side.as_deref() {
        None => None,
        Some("client") => Some(TO_HEADEND),
        Some("headend") => Some(TO_CLIENT),
        Some(other) => return Err(PyValueError::new_err(format!("no such side: {other:?}"))),
    };
    Ok(Mark {
        session,
        at: Timestamp(at),
        direction,
        sign: Sign::named(&sign)
            .ok_or_else(|| PyValueError::new_err(format!("no such sign: {sign:?}")))?,
        text,
    })
}

/// What Python asked for.
pub(crate) fn config(
    wanted: Vec<Session>,
    marks: Vec<Remark>,
    about: Vec<String>,
    application: String,
    most: Option<Most>,
) -> PyResult<SliceConfig> {
    let wanted = wanted
        .into_iter()
        .map(
            |(client, client_port, headend, headend_port, from, until)| {
                Ok(Wanted {
                    client: end(&client, client_port)?,
                    headend: end(&headend, headend_port)?,
                    from: Timestamp(from),
                    until: Timestamp(until),
                })
            },
        )
        .collect::<PyResult<_>>()?;
    Ok(SliceConfig {
        about,
        application,
        wanted,
        marks: marks.into_iter().map(mark).collect::<PyResult<_>>()?,
        bounds: most.map(|(around, frames, bytes)| Bounds {
            around: Timestamp(around),
            frames,
            bytes,
        }),
    })
}

/// The exception for what went wrong.
pub(crate) fn refused(error: SliceError) -> PyErr {
    match error {
        SliceError::Capture(error) => CaptureError::new_err(error.to_string()),
        SliceError::Output(error) => error.into(),
    }
}

/// As a file: what the standard library gives takes a closed one for written.
fn standard_output() -> io::Result<Box<dyn Write + Send>> {
    let owned = stdout().as_fd().try_clone_to_owned()?;
    Ok(Box::new(File::from(owned)))
}

/// Reads captures once and writes what is wanted of them to the file `out`, which must be
/// there; `None` is standard output.
#[pyfunction]
#[pyo3(signature = (paths, out, wanted, marks, *, about, application))]
pub(crate) fn slice_captures(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    out: Option<PathBuf>,
    wanted: Vec<Session>,
    marks: Vec<Remark>,
    about: Vec<String>,
    application: String,
) -> PyResult<Sliced> {
    let config = config(wanted, marks, about, application, None)?;
    let mut slicer = py.detach(|| {
        let to: Box<dyn Write + Send> = match &out {
            Some(path) => Box::new(OpenOptions::new().write(true).truncate(true).open(path)?),
            None => standard_output()?,
        };
        Slicer::start(&paths, BufWriter::new(to), config).map_err(refused)
    })?;
    while py.detach(|| slicer.step(SIGNAL_SLICE)).map_err(refused)? {
        py.check_signals()?;
    }
    let (_, made) = py.detach(|| slicer.finish()).map_err(refused)?;
    Sliced::new(py, made)
}

/// The same into memory, bounded. `goes_on` is asked now and then; None once it says no.
// Keywords in Python, where each has its name.
#[allow(clippy::too_many_arguments)]
#[pyfunction]
#[pyo3(signature = (paths, wanted, marks, *, about, application, most, goes_on))]
pub(crate) fn slice_bytes<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    wanted: Vec<Session>,
    marks: Vec<Remark>,
    about: Vec<String>,
    application: String,
    most: Most,
    goes_on: &Bound<'py, PyAny>,
) -> PyResult<Option<(Bound<'py, PyBytes>, Sliced)>> {
    let config = config(wanted, marks, about, application, Some(most))?;
    let mut slicer = py
        .detach(|| Slicer::start(&paths, Vec::new(), config))
        .map_err(refused)?;
    while py.detach(|| slicer.step(SIGNAL_SLICE)).map_err(refused)? {
        py.check_signals()?;
        if !goes_on.call0()?.is_truthy()? {
            return Ok(None);
        }
    }
    let (bytes, made) = py.detach(|| slicer.finish()).map_err(refused)?;
    Ok(Some((PyBytes::new(py, &bytes), Sliced::new(py, made)?)))
}
