//! What all lines begin with, and `ctcpmon.session.v1`: the line of a session that ended.

use ctcpmon_core::ctcp::ike::exchange_name;
use ctcpmon_core::detect::{Verdict, session_state, worst_state};
use ctcpmon_core::engine::EndReason;
use ctcpmon_core::segment::Endpoint;
use ctcpmon_core::session::{Session, TO_CLIENT, TO_HEADEND, certainty};
use ctcpmon_core::time::{NANOS_PER_MILLI, Timestamp};

use crate::community::community_id;
use crate::json::{Object, digits, escaped};
use crate::reading::{self, Direction};

/// Room for a line; a longer one grows.
const USUAL_BYTES: usize = 2_560;

/// Who writes the events of a run. Texts are taken as they are: the caller has made them safe for
/// a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// `<sensor>.<boot>.`; the number of the event follows.
    pub id_prefix: &'a str,
    /// `/ctcpmon/<sensor>`.
    pub source: &'a str,
    /// Name of the sensor.
    pub sensor: &'a str,
    /// Version of the program.
    pub version: &'a str,
    /// Observation points of a run with a tap on each side of a device, with the side of each.
    pub zones: &'a [(u16, &'a str)],
}

/// Writes the lines of one run. What is the same in every line is written once, here.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Escaped.
    id_prefix: Vec<u8>,
    /// JSON.
    source: Vec<u8>,
    observer: Vec<u8>,
    observers: Vec<(u16, Vec<u8>)>,
}

impl Lines {
    /// Lines of a run of `origin`.
    pub fn new(origin: &Origin<'_>) -> Self {
        let mut id_prefix = Vec::new();
        escaped(&mut id_prefix, origin.id_prefix);
        let mut source = vec![b'"'];
        escaped(&mut source, origin.source);
        source.push(b'"');
        Self {
            id_prefix,
            source,
            observer: observer(origin, None),
            observers: origin
                .zones
                .iter()
                .map(|(tap, zone)| (*tap, observer(origin, Some(zone))))
                .collect(),
        }
    }

    /// One line, without the newline. `number` is that of the event; `reason` is `None` while the
    /// session lives; `group` is the VPN group, safe for a terminal, when it is to be shown.
    pub fn session(
        &self,
        number: u64,
        session: &Session,
        reason: Option<EndReason>,
        group: Option<&str>,
    ) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL_BYTES);
        let community = community_id(session.client(), session.server());
        let mut event = Object::new(&mut line);
        self.envelope(&mut event, "session", number)
            .time("time", session.last)
            .maybe_text("subject", community.as_deref())
            .object("data", |data| {
                self.data(data, session, reason, community.as_deref(), group);
            });
        event.end();
        line
    }

    /// What every event begins with.
    pub(crate) fn envelope<'a, 'b>(
        &self,
        event: &'a mut Object<'b>,
        kind: &str,
        number: u64,
    ) -> &'a mut Object<'b> {
        let put = |out: &mut Vec<u8>, words: [&[u8]; 3]| {
            out.push(b'"');
            for part in words {
                out.extend(part);
            }
            out.push(b'"');
        };
        event
            .with("type", |out| {
                put(out, [b"ctcpmon.", kind.as_bytes(), b".v1"]);
            })
            .text("specversion", "1.0")
            .with("id", |out| {
                out.push(b'"');
                out.extend(&self.id_prefix);
                digits(out, number);
                out.push(b'"');
            })
            .raw("source", &self.source)
            .with("dataschema", |out| {
                put(out, [b"ctcpmon/", kind.as_bytes(), b"/v1"]);
            })
    }

    fn data(
        &self,
        data: &mut Object<'_>,
        session: &Session,
        reason: Option<EndReason>,
        community: Option<&str>,
        group: Option<&str>,
    ) {
        let (client, headend) = (session.client(), session.server());
        let to_headend = Direction::of(session, TO_HEADEND);
        let to_client = Direction::of(session, TO_CLIENT);
        data.object("event", |event| {
            event
                .text("kind", "event")
                .raw("category", br#"["network"]"#)
                .count("severity", severity(worst_state(session)))
                .time("start", session.first())
                .time("end", session.last);
        })
        .raw("observer", self.observer_of(session));
        network(data, session, community);
        data.object("source", |source| peer(source, client, &to_headend))
            .object("destination", |destination| {
                peer(destination, headend, &to_client);
            })
            .object("ctcp", |ctcp| {
                measured(ctcp, session, reason, [&to_headend, &to_client]);
                named(ctcp, session, group);
            });
    }

    /// The observer; with the side of the device where one tap of two saw the session.
    pub(crate) fn observer_of(&self, session: &Session) -> &[u8] {
        let mut taps = reading::taps(session);
        let (first, second) = (taps.next(), taps.next());
        self.observer_at(first.filter(|_| second.is_none()))
    }

    /// The same for what one tap of two saw.
    pub(crate) fn observer_at(&self, tap: Option<u16>) -> &[u8] {
        self.observers
            .iter()
            .find(|(one, _)| tap == Some(*one))
            .map_or(&self.observer, |(_, json)| json)
    }
}

fn observer(origin: &Origin<'_>, zone: Option<&str>) -> Vec<u8> {
    let mut json = Vec::new();
    let mut observer = Object::new(&mut json);
    observer
        .text("name", origin.sensor)
        .text("product", "ctcpmon")
        .text("version", origin.version);
    if let Some(zone) = zone {
        observer.object("ingress", |ingress| {
            ingress.text("zone", zone);
        });
    }
    observer.end();
    json
}

/// That of a verdict: 99 critical, 47 warning, 21 info.
pub(crate) fn severity(worst: Verdict) -> u64 {
    match worst {
        Verdict::Stalled => 99,
        Verdict::AtRisk | Verdict::Suspect => 47,
        Verdict::Healthy | Verdict::Unknown => 21,
    }
}

/// The flow.
pub(crate) fn network(data: &mut Object<'_>, session: &Session, community: Option<&str>) {
    let version = if session.client().addr.to_ip().is_ipv4() {
        "ipv4"
    } else {
        "ipv6"
    };
    data.object("network", |network| {
        network
            .text("transport", "tcp")
            .text("protocol", reading::protocol(session))
            .text("type", version)
            .maybe_text("community_id", community);
    });
}

pub(crate) fn peer(peer: &mut Object<'_>, end: Endpoint, sent: &Direction) {
    peer.text("ip", &end.addr.to_ip().to_string())
        .count("port", end.port)
        .count("packets", sent.packets)
        .count("bytes", sent.payload_bytes);
}

/// State and measures.
fn measured(
    ctcp: &mut Object<'_>,
    session: &Session,
    reason: Option<EndReason>,
    [to_headend, to_client]: [&Direction; 2],
) {
    ctcp.text("session", &reading::session_id(session.id()))
        .count("generation", session.generation)
        .text("state", session_state(session).name())
        .text("worst_state", worst_state(session).name())
        .text("end_reason", reason.map_or("", EndReason::name))
        .text("certainty", certainty(session.kind).name())
        .count("duration_ms", millis_between(session.first(), session.last))
        .flag("roles_known", session.roles_known())
        .flag("is_one_sided", session.is_one_sided())
        .flag("is_midstream", session.is_midstream())
        .flag("is_cut", session.is_cut())
        .count("ike_messages", reading::ike_messages(session))
        .object("to_headend", |o| direction(o, to_headend))
        .object("to_client", |o| direction(o, to_client));
    let Some(stall) = reading::stall(session) else {
        return;
    };
    ctcp.time("stalled_at", stall.at)
        .text("signature", stall.signature)
        .maybe_text("stopped_side", stall.stopped_side)
        // One tap cannot prove that the device lost it, so the contract has no such word here.
        .maybe_text(
            "loss_side",
            stall.loss_side.filter(|side| *side != "device"),
        )
        .maybe_ratio("confidence", Some(stall.confidence));
}

/// Who the ends are, and their rhythm.
fn named(ctcp: &mut Object<'_>, session: &Session, group: Option<&str>) {
    let ike = session.ike();
    ctcp.maybe_text("product", reading::product(session))
        .maybe_text(
            "initiator_cookie",
            reading::cookie(ike.initiator).as_deref(),
        )
        .maybe_text(
            "responder_cookie",
            reading::cookie(ike.responder).as_deref(),
        )
        .maybe_text("ike_exchange", exchange_name(ike.exchange()))
        .maybe_count("keepalive_ms", reading::keepalive_ms(session))
        .maybe_count("dpd_ms", reading::dpd_ms(session))
        .maybe_text("group", group);
    let mut vendors = session.identity().vendors().peekable();
    if vendors.peek().is_some() {
        ctcp.texts("vendors", vendors);
    }
    let linked = session.linked().map(reading::session_id);
    ctcp.maybe_text("linked_session", linked.as_deref());
}

fn direction(o: &mut Object<'_>, d: &Direction) {
    o.count("packets", d.packets)
        .count("payload_bytes", d.payload_bytes)
        .count("data_segments", d.data_segments)
        .count("open_holes", d.open_holes)
        .count("holes", d.holes_total)
        .count("hole_bytes", d.hole_bytes_total)
        .count("esp_received_pkts", d.esp_received_pkts)
        .count("esp_missing_pkts", d.esp_missing_pkts)
        .count("retransmitted_segments", d.retransmissions)
        .count("reordered_segments", d.reordered)
        .count("network_duplicate_segments", d.network_duplicates)
        .count("span_duplicate_segments", d.span_duplicates)
        .count("dup_acks", d.dup_acks)
        .count("sack_segments", d.sack_segments)
        .count("zero_windows", d.zero_windows)
        .maybe_ratio("esp_loss_ratio", d.esp_loss_ratio())
        .maybe_hex("esp_spi", d.esp_spi)
        .maybe_count("esp_seq", d.esp_seq)
        .maybe_count("unacked_bytes", d.unacked_bytes)
        .maybe_count("window_bytes", d.window_bytes)
        .maybe_time("ack_frozen_since", d.ack_frozen_since)
        .maybe_count("ack_rtt_us", d.ack_rtt_us)
        .maybe_time("first", d.first)
        .maybe_time("last", d.last)
        .maybe_time("last_data", d.last_data)
        .maybe_count("ttl_data", d.ttl_data)
        .maybe_count("ttl_pure_ack", d.ttl_pure_ack)
        .maybe_count("ttl_handshake", d.ttl_handshake);
}

/// 0 when the later time is before the earlier one.
fn millis_between(first: Timestamp, last: Timestamp) -> u64 {
    let ns = i128::from(last.0) - i128::from(first.0);
    (ns.max(0) / i128::from(NANOS_PER_MILLI)) as u64
}
