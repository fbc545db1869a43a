//! Frozen rows of what two taps found out about the device between them.

use std::collections::BTreeMap;

use ctcpmon_core::session::{TO_CLIENT, TO_HEADEND};
use ctcpmon_core::taps::judge::{DeviceVerdict, overall};
use ctcpmon_core::taps::{Counters, EspPacket, MatchedPair};
use ctcpmon_events::reading::{confidence, session_id};
use pyo3::prelude::*;

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct DeviceDirection {
    entered_pkts: u64,
    left_pkts: u64,
    matched_pkts: u64,
    lost_pkts: u64,
    appeared_pkts: u64,
    undecided_pkts: u64,
    overdue_pkts: u64,
    repeated_pkts: u64,
    recut_pkts: u64,
    verdict: String,
    confidence: f64,
    stopped_at_ns: Option<i64>,
    stopped_esp_seq: Option<u32>,
    stopped_pkts: Option<u64>,
    outages: u64,
    resumed_by_ns: Option<i64>,
    first_lost_ns: Option<i64>,
    first_lost_spi: Option<u32>,
    first_lost_esp_seq: Option<u32>,
    last_lost_ns: Option<i64>,
    last_lost_spi: Option<u32>,
    last_lost_esp_seq: Option<u32>,
    delay_min_ns: Option<i64>,
    delay_median_ns: Option<i64>,
    delay_p95_ns: Option<i64>,
    delay_max_ns: Option<i64>,
    delay_spread_ns: Option<i64>,
}

#[pyclass(frozen, get_all, module = "ctcpmon._ctcpmon")]
#[derive(Clone)]
pub struct DevicePair {
    client_session: String,
    headend_session: String,
    client_ip: String,
    client_port: u16,
    headend_ip: String,
    headend_port: u16,
    translated_client_ip: String,
    translated_client_port: u16,
    translated_headend_ip: String,
    translated_headend_port: u16,
    verdict: String,
    confidence: f64,
    stopped_side: Option<String>,
    loss_side: Option<String>,
    to_headend: DeviceDirection,
    to_client: DeviceDirection,
    clock_offset_ns: Option<i64>,
    clock_uncertainty_ns: Option<i64>,
    delay_refused: Option<String>,
    client_tap_missed_pkts: u64,
    headend_tap_missed_pkts: u64,
    first_ns: i64,
    last_ns: i64,
    ts_ns: i64,
    is_final: bool,
}

fn direction(p: &MatchedPair, dir: usize) -> DeviceDirection {
    let (flow, judgement) = (&p.flows[dir], p.judgements[dir]);
    // What has to be taken off a raw difference of this direction.
    let offset = p.clock.ok().map(|c| {
        if dir == TO_HEADEND {
            c.offset_ns
        } else {
            c.offset_ns.saturating_neg()
        }
    });
    let delay = offset.and_then(|offset| flow.delay.figures(offset));
    let stop = flow.stop().or(flow.outage);
    let at = |p: Option<EspPacket>| p.map(|p| p.at.0);
    DeviceDirection {
        entered_pkts: flow.entered(),
        left_pkts: flow.left(),
        matched_pkts: flow.matched,
        lost_pkts: flow.lost,
        appeared_pkts: flow.appeared,
        undecided_pkts: flow.undecided_entered,
        overdue_pkts: flow.overdue,
        repeated_pkts: flow.repeated,
        recut_pkts: flow.recut,
        verdict: judgement.verdict.name().into(),
        confidence: confidence(judgement.confidence),
        stopped_at_ns: judgement.stopped_at.map(|t| t.0),
        stopped_esp_seq: stop.map(|s| s.first.seq),
        stopped_pkts: stop.map(|s| s.pkts),
        outages: flow.outages,
        resumed_by_ns: flow
            .outage
            .filter(|_| flow.stop().is_none())
            .and(flow.last_left)
            .map(|p| p.at.0),
        first_lost_ns: at(flow.first_lost),
        first_lost_spi: flow.first_lost.map(|p| p.spi),
        first_lost_esp_seq: flow.first_lost.map(|p| p.seq),
        last_lost_ns: at(flow.last_lost),
        last_lost_spi: flow.last_lost.map(|p| p.spi),
        last_lost_esp_seq: flow.last_lost.map(|p| p.seq),
        delay_min_ns: delay.map(|d| d.min_ns),
        delay_median_ns: delay.map(|d| d.median_ns),
        delay_p95_ns: delay.map(|d| d.p95_ns),
        delay_max_ns: delay.map(|d| d.max_ns),
        delay_spread_ns: flow.delay.range().map(|(min, max)| max.saturating_sub(min)),
    }
}

/// Converts one pair.
pub(crate) fn pair(p: &MatchedPair) -> DevicePair {
    let whole = overall(&p.judgements);
    let [(client, headend), (translated_client, translated_headend)] = p.ends;
    let stopped = p.judgements.map(|j| j.verdict == DeviceVerdict::Stopped);
    let clock = p.clock.ok();
    DevicePair {
        client_session: session_id(p.sessions[0]),
        headend_session: session_id(p.sessions[1]),
        client_ip: client.addr.to_ip().to_string(),
        client_port: client.port,
        headend_ip: headend.addr.to_ip().to_string(),
        headend_port: headend.port,
        translated_client_ip: translated_client.addr.to_ip().to_string(),
        translated_client_port: translated_client.port,
        translated_headend_ip: translated_headend.addr.to_ip().to_string(),
        translated_headend_port: translated_headend.port,
        verdict: whole.verdict.name().into(),
        confidence: confidence(whole.confidence),
        stopped_side: match stopped {
            [true, true] => Some("both".into()),
            [true, false] => Some("client".into()),
            [false, true] => Some("headend".into()),
            [false, false] => None,
        },
        loss_side: whole.verdict.names_the_device().then(|| "device".into()),
        to_headend: direction(p, TO_HEADEND),
        to_client: direction(p, TO_CLIENT),
        clock_offset_ns: clock.map(|c| c.offset_ns),
        clock_uncertainty_ns: clock.map(|c| c.uncertainty_ns),
        delay_refused: p.clock.err().map(|why| why.name().into()),
        client_tap_missed_pkts: p.missed[0].missed,
        headend_tap_missed_pkts: p.missed[1].missed,
        first_ns: p.span.0.0,
        last_ns: p.span.1.0,
        ts_ns: p.at.0,
        is_final: p.is_final,
    }
}

/// Converts the counters of the matcher.
pub(crate) fn counters(c: &Counters) -> BTreeMap<String, u64> {
    [
        ("client_tap_esp_pkts", c.sightings[0]),
        ("headend_tap_esp_pkts", c.sightings[1]),
        ("pairs", c.pairs),
        ("client_tap_only_sessions", c.sessions_alone[0]),
        ("headend_tap_only_sessions", c.sessions_alone[1]),
        ("unpaired_pkts", c.unpaired_pkts),
        ("late_pkts", c.late_pkts),
        ("doubtful_pkts", c.doubtful_pkts),
        ("shared_spi_pkts", c.shared_spi_pkts),
        ("overflow_pkts", c.overflow_pkts),
        ("refused_pkts", c.refused_pkts),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
