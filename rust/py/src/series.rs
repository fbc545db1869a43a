//! The time-sequence graph of a session.

use ctcpmon_core::series::{self as graph, Marks};
use ctcpmon_core::session::{TO_CLIENT, TO_HEADEND};
use ctcpmon_core::time::Timestamp;
use ctcpmon_runtime::series_of;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::CaptureError;
use crate::slice;

#[pyclass(frozen, module = "ctcpmon._ctcpmon")]
pub struct Series {
    series: graph::Series,
}

/// One direction as it fits into some columns.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Drawing {
    spans: Py<PyTuple>,
    acks: Py<PyTuple>,
    bands: Py<PyTuple>,
    holes: Py<PyTuple>,
    events: Py<PyTuple>,
    merged: u64,
}

/// One packet.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct Packet {
    index: usize,
    ts_ns: i64,
    side: &'static str,
    seq: i64,
    length: u32,
    ack: Option<i64>,
    window: u64,
    marks: Py<PyTuple>,
    sack: Py<PyTuple>,
}

fn name(side: usize) -> &'static str {
    if side == TO_HEADEND {
        "client"
    } else {
        "headend"
    }
}

fn side_named(name: &str) -> PyResult<usize> {
    match name {
        "client" => Ok(TO_HEADEND),
        "headend" => Ok(TO_CLIENT),
        other => Err(PyValueError::new_err(format!("no such side: {other:?}"))),
    }
}

fn mark_names(marks: Marks) -> impl Iterator<Item = &'static str> {
    Marks::NAMES
        .into_iter()
        .filter(move |(bit, _)| marks.any(*bit))
        .map(|(_, name)| name)
}

#[pymethods]
impl Series {
    #[new]
    fn new(
        py: Python<'_>,
        capture: Vec<u8>,
        client: (String, u16),
        headend: (String, u16),
    ) -> PyResult<Self> {
        let client = slice::end(&client.0, client.1)?;
        let headend = slice::end(&headend.0, headend.1)?;
        let series = py
            .detach(|| series_of(capture, client, headend))
            .map_err(|error| CaptureError::new_err(error.to_string()))?;
        Ok(Self { series })
    }

    #[getter]
    fn count(&self) -> usize {
        self.series.points().len()
    }

    #[getter]
    fn left_out(&self) -> u64 {
        self.series.left_out()
    }

    #[getter]
    fn first_ns(&self) -> Option<i64> {
        self.series.points().iter().map(|point| point.at.0).min()
    }

    #[getter]
    fn last_ns(&self) -> Option<i64> {
        self.series.points().iter().map(|point| point.at.0).max()
    }

    fn drawing(
        &self,
        py: Python<'_>,
        side: &str,
        from_ns: i64,
        until_ns: i64,
        columns: usize,
    ) -> PyResult<Drawing> {
        let side = side_named(side)?;
        let drawn = py.detach(|| {
            self.series
                .drawing(side, Timestamp(from_ns), Timestamp(until_ns), columns)
        });
        let spans = drawn.spans.iter().map(|one| {
            (
                one.at.0,
                one.low,
                one.high,
                kind_name(one.kind),
                one.packets,
            )
        });
        let acks = drawn
            .acks
            .iter()
            .map(|one| (one.at.0, one.ack, one.edge, one.duplicates));
        let bands = drawn
            .bands
            .iter()
            .map(|one| (one.at.0, one.left, one.right));
        let holes = drawn.holes.iter().map(|one| {
            let until = one.until.map(|until| until.0);
            (one.since.0, until, one.from, one.to, one.end.name())
        });
        let events = drawn
            .events
            .iter()
            .map(|one| (one.at.0, one.seq, one.kind.name(), one.packets));
        Ok(Drawing {
            spans: PyTuple::new(py, spans.collect::<Vec<_>>())?.unbind(),
            acks: PyTuple::new(py, acks.collect::<Vec<_>>())?.unbind(),
            bands: PyTuple::new(py, bands.collect::<Vec<_>>())?.unbind(),
            holes: PyTuple::new(py, holes.collect::<Vec<_>>())?.unbind(),
            events: PyTuple::new(py, events.collect::<Vec<_>>())?.unbind(),
            merged: drawn.merged,
        })
    }

    /// The packet at a place in the series.
    fn packet(&self, py: Python<'_>, place: usize) -> PyResult<Packet> {
        let point = self
            .series
            .points()
            .get(place)
            .ok_or_else(|| PyIndexError::new_err("no such packet"))?;
        Ok(Packet {
            index: point.frame as usize,
            ts_ns: point.at.0,
            side: name(point.side),
            seq: point.seq,
            length: point.len,
            ack: point.ack,
            window: point.window,
            marks: PyTuple::new(py, mark_names(point.marks).collect::<Vec<_>>())?.unbind(),
            sack: PyTuple::new(py, self.series.blocks(point).iter().copied())?.unbind(),
        })
    }

    /// Place of the first packet at or after a time; the last one when there is none.
    fn place_at(&self, ts_ns: i64) -> usize {
        let points = self.series.points();
        let found = points.iter().position(|point| point.at.0 >= ts_ns);
        found.unwrap_or(points.len().saturating_sub(1))
    }
}

fn kind_name(bit: u16) -> &'static str {
    Marks::NAMES
        .iter()
        .find(|(known, _)| *known == bit)
        .map_or("", |(_, name)| *name)
}
