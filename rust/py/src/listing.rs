//! Windows over long lists, as columns and rows of the window alone.

use ctcpmon_core::listing::{Column, Filter, FlowRow, Kind, Spec, Term};
use ctcpmon_events::reading;
use ctcpmon_runtime::{Listed, Reach, Replay, Row};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::rows::Session;

/// A term of a filter: field, relation, whether it is negated, values.
pub(crate) type Words = (String, String, bool, Vec<String>);

/// A window over the tunnel sessions.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct SessionWindow {
    total: usize,
    matching: usize,
    offset: usize,
    anchor_at: Option<usize>,
    progress: Option<f64>,
    age_s: f64,
    ids: Vec<String>,
    sessions: Py<PyTuple>,
}

/// A window over the TCP conversations; one tuple for each column.
#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
pub struct FlowWindow {
    total: usize,
    matching: usize,
    offset: usize,
    anchor_at: Option<usize>,
    progress: Option<f64>,
    age_s: f64,
    ids: Vec<String>,
    clients: Vec<(String, u16)>,
    servers: Vec<(String, u16)>,
    opener_known: Vec<bool>,
    states: Vec<&'static str>,
    packets: Vec<(u64, u64)>,
    payload_bytes: Vec<(u64, u64)>,
    retransmissions: Vec<u16>,
    dup_acks: Vec<u16>,
    zero_windows: Vec<u16>,
    missing: Vec<u16>,
    first_ns: Vec<i64>,
    last_ns: Vec<i64>,
    sessions: Vec<Option<(String, u16)>>,
}

fn spec(kind: Kind, order: &str, is_reversed: bool, terms: Vec<Words>) -> PyResult<Spec> {
    let order = Column::named(order)
        .ok_or_else(|| PyValueError::new_err(format!("no such order: {order:?}")))?;
    let terms: Vec<Term> = terms
        .into_iter()
        .map(|(field, relation, is_negated, values)| Term {
            field,
            relation,
            is_negated,
            values,
        })
        .collect();
    let filter = Filter::new(&terms).map_err(|fault| PyValueError::new_err(fault.to_string()))?;
    Ok(Spec {
        kind,
        order,
        is_reversed,
        filter,
    })
}

fn reach(offset: usize, height: usize, anchor: Option<&str>, line: usize) -> Reach {
    Reach {
        offset,
        height,
        anchor: anchor.and_then(|id| u64::from_str_radix(id, 16).ok()),
        line,
    }
}

pub(crate) fn sessions(
    py: Python<'_>,
    running: &Replay,
    ended: &[Py<Session>],
    (order, is_reversed, terms): (&str, bool, Vec<Words>),
    (offset, height, anchor, line): (usize, usize, Option<&str>, usize),
) -> PyResult<SessionWindow> {
    let spec = spec(Kind::Sessions, order, is_reversed, terms)?;
    let reach = reach(offset, height, anchor, line);
    let cores = ended.iter().map(Py::get).map(|s| (s.core(), s.reason()));
    let cores: Vec<_> = cores.collect();
    let Listed {
        total,
        matching,
        offset,
        anchor_at,
        rows,
        progress,
        age,
    } = py.detach(|| running.window(&spec, &reach, &cores));
    let (mut ids, mut sessions) = (vec![], vec![]);
    for (id, row) in rows {
        let session = match row {
            Row::Session(session) => Some(Py::new(py, Session::new(session, None))?),
            Row::Ended(at) => ended.get(at).map(|one| one.clone_ref(py)),
            Row::Flow(_) | Row::Gone => None,
        };
        ids.push(reading::session_id(id));
        sessions.push(session);
    }
    Ok(SessionWindow {
        total,
        matching,
        offset,
        anchor_at,
        progress,
        age_s: age.as_secs_f64(),
        ids,
        sessions: PyTuple::new(py, sessions)?.unbind(),
    })
}

pub(crate) fn flows(
    py: Python<'_>,
    running: &Replay,
    (order, is_reversed, terms): (&str, bool, Vec<Words>),
    (offset, height, anchor, line): (usize, usize, Option<&str>, usize),
) -> PyResult<FlowWindow> {
    let spec = spec(Kind::Flows, order, is_reversed, terms)?;
    let reach = reach(offset, height, anchor, line);
    let listed = py.detach(|| running.window(&spec, &reach, &[]));
    // One that went away since the order was made is left out; its place is taken with the next.
    let rows: Vec<(String, FlowRow)> = listed
        .rows
        .into_iter()
        .filter_map(|(id, row)| match row {
            Row::Flow(flow) => Some((format!("{id:016x}"), *flow)),
            _ => None,
        })
        .collect();
    let column = rows.iter().map(|(_, row)| row);
    let end = |side: usize| {
        move |row: &FlowRow| (row.ends[side].addr.to_ip().to_string(), row.ends[side].port)
    };
    Ok(FlowWindow {
        total: listed.total,
        matching: listed.matching,
        offset: listed.offset,
        anchor_at: listed.anchor_at,
        progress: listed.progress,
        age_s: listed.age.as_secs_f64(),
        ids: rows.iter().map(|(id, _)| id.clone()).collect(),
        clients: column.clone().map(end(0)).collect(),
        servers: column.clone().map(end(1)).collect(),
        opener_known: column.clone().map(|row| row.opener_known).collect(),
        states: column.clone().map(|row| row.state).collect(),
        packets: column.clone().map(|row| row.packets.into()).collect(),
        payload_bytes: column.clone().map(|row| row.bytes.into()).collect(),
        retransmissions: column.clone().map(|row| row.retransmissions).collect(),
        dup_acks: column.clone().map(|row| row.dup_acks).collect(),
        zero_windows: column.clone().map(|row| row.zero_windows).collect(),
        missing: column.clone().map(|row| row.missing).collect(),
        first_ns: column.clone().map(|row| row.first.0).collect(),
        last_ns: column.clone().map(|row| row.last.0).collect(),
        sessions: column
            .map(|row| {
                let (id, generation) = row.session?;
                Some((reading::session_id(id), generation))
            })
            .collect(),
    })
}
