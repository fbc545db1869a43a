//! Slices: the packets of some sessions as an annotated pcapng.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write, stdout};
use std::net::IpAddr;
use std::time::Duration;

use ctcpmon_core::segment::{Addr, Endpoint};
use ctcpmon_core::session::{TO_CLIENT, TO_HEADEND};
use ctcpmon_core::slice::{Mark, Sign, Wanted};
use ctcpmon_core::time::Timestamp;
use ctcpmon_runtime::{SliceConfig, SliceError, Sliced as Made, Slicer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::CaptureError;

/// Signals are looked at this often.
const SIGNAL_SLICE: Duration = Duration::from_millis(100);

/// What was written.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Sliced {
    frames: u64,
    remarks: u64,
    unplaced: u64,
}

impl From<Made> for Sliced {
    fn from(made: Made) -> Self {
        Self {
            frames: made.frames,
            remarks: made.remarks,
            unplaced: made.unplaced,
        }
    }
}

/// Client address and port, headend address and port, first and last time.
pub(crate) type Session = (String, u16, String, u16, i64, i64);
/// Index of the session, time, sending side, sign, text.
pub(crate) type Remark = (usize, i64, Option<String>, String, String);

fn end(ip: &str, port: u16) -> PyResult<Endpoint> {
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
    })
}

/// The exception for what went wrong.
pub(crate) fn refused(error: SliceError) -> PyErr {
    match error {
        SliceError::Capture(error) => CaptureError::new_err(error.to_string()),
        SliceError::Output(error) => error.into(),
    }
}

/// Reads captures once and writes what is wanted of them to the file `out`, which must be
/// there; `None` is standard output.
#[pyfunction]
#[pyo3(signature = (paths, out, wanted, marks, *, about, application))]
pub(crate) fn slice_captures(
    py: Python<'_>,
    paths: Vec<String>,
    out: Option<String>,
    wanted: Vec<Session>,
    marks: Vec<Remark>,
    about: Vec<String>,
    application: String,
) -> PyResult<Sliced> {
    let config = config(wanted, marks, about, application)?;
    let mut slicer = py.detach(|| {
        let to: Box<dyn Write + Send> = match &out {
            Some(path) => Box::new(OpenOptions::new().write(true).truncate(true).open(path)?),
            None => Box::new(stdout()),
        };
        Slicer::start(&paths, BufWriter::new(to), config).map_err(refused)
    })?;
    while py.detach(|| slicer.step(SIGNAL_SLICE)).map_err(refused)? {
        py.check_signals()?;
    }
    let made = py.detach(|| slicer.finish()).map_err(refused)?;
    Ok(made.into())
}
