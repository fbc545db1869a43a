//! What all lines begin with, and `ctcpmon.session.v1`: the line of a session that ended.

use ctcpmon_core::ctcp::ike::exchange_name;
use ctcpmon_core::detect::{Verdict, session_state, worst_state};
use ctcpmon_core::engine::EndReason;
use ctcpmon_core::segment::Endpoint;
use ctcpmon_core::session::{Session, TO_CLIENT, TO_HEADEND, certainty};
use ctcpmon_core::time::{NANOS_PER_MILLI, Timestamp};

use crate::community::community_id;
use crate::json::{self, Object, digits, escaped};
use crate::reading::{self, COOKIE_DIGITS, Direction, SESSION_DIGITS};

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
            .time(b"time", session.last)
            .maybe_text(b"subject", community.as_deref())
            .object(b"data", |data| {
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
            .with(b"type", |out| {
                put(out, [b"ctcpmon.", kind.as_bytes(), b".v1"]);
            })
            .text(b"specversion", "1.0")
            .with(b"id", |out| {
                out.push(b'"');
                out.extend(&self.id_prefix);
                digits(out, number);
                out.push(b'"');
            })
            .raw(b"source", &self.source)
            .with(b"dataschema", |out| {
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
        data.object(b"event", |event| {
            event
                .text(b"kind", "event")
                .raw(b"category", br#"["network"]"#)
                .count(b"severity", severity(worst_state(session)))
                .time(b"start", session.first())
                .time(b"end", session.last);
        })
        .raw(b"observer", self.observer_of(session));
        network(data, session, community);
        data.object(b"source", |source| peer(source, client, &to_headend))
            .object(b"destination", |destination| {
                peer(destination, headend, &to_client);
            })
            .object(b"ctcp", |ctcp| {
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
        .text(b"name", origin.sensor)
        .text(b"product", "ctcpmon")
        .text(b"version", origin.version);
    if let Some(zone) = zone {
        observer.object(b"ingress", |ingress| {
            ingress.text(b"zone", zone);
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
    data.object(b"network", |network| {
        network
            .text(b"transport", "tcp")
            .text(b"protocol", reading::protocol(session))
            .text(b"type", version)
            .maybe_text(b"community_id", community);
    });
}

pub(crate) fn peer(peer: &mut Object<'_>, end: Endpoint, sent: &Direction) {
    peer.plain(b"ip", |out| json::address(out, end.addr.to_ip()))
        .count(b"port", end.port)
        .count(b"packets", sent.packets)
        .count(b"bytes", sent.payload_bytes);
}

/// State and measures.
fn measured(
    ctcp: &mut Object<'_>,
    session: &Session,
    reason: Option<EndReason>,
    [to_headend, to_client]: [&Direction; 2],
) {
    ctcp.hex(b"session", session.id(), SESSION_DIGITS)
        .count(b"generation", session.generation)
        .text(b"state", session_state(session).name())
        .text(b"worst_state", worst_state(session).name())
        .text(b"end_reason", reason.map_or("", EndReason::name))
        .text(b"certainty", certainty(session.kind).name())
        .count(
            b"duration_ms",
            millis_between(session.first(), session.last),
        )
        .flag(b"roles_known", session.roles_known())
        .flag(b"is_one_sided", session.is_one_sided())
        .flag(b"is_midstream", session.is_midstream())
        .flag(b"is_cut", session.is_cut())
        .count(b"ike_messages", reading::ike_messages(session))
        .object(b"to_headend", |o| direction(o, to_headend))
        .object(b"to_client", |o| direction(o, to_client));
    let Some(stall) = reading::stall(session) else {
        return;
    };
    ctcp.time(b"stalled_at", stall.at)
        .text(b"signature", stall.signature)
        .maybe_text(b"stopped_side", stall.stopped_side)
        // One tap cannot prove that the device lost it, so the contract has no such word here.
        .maybe_text(
            b"loss_side",
            stall.loss_side.filter(|side| *side != "device"),
        )
        .maybe_ratio(b"confidence", Some(stall.confidence));
}

/// Who the ends are, and their rhythm.
fn named(ctcp: &mut Object<'_>, session: &Session, group: Option<&str>) {
    let ike = session.ike();
    let cookie = |cookie: u64| Some(cookie).filter(|cookie| *cookie != 0);
    ctcp.maybe_text(b"product", reading::product(session))
        .maybe_hex(b"initiator_cookie", cookie(ike.initiator), COOKIE_DIGITS)
        .maybe_hex(b"responder_cookie", cookie(ike.responder), COOKIE_DIGITS)
        .maybe_text(b"ike_exchange", exchange_name(ike.exchange()))
        .maybe_count(b"keepalive_ms", reading::keepalive_ms(session))
        .maybe_count(b"dpd_ms", reading::dpd_ms(session))
        .maybe_text(b"group", group);
    let mut vendors = session.identity().vendors().peekable();
    if vendors.peek().is_some() {
        ctcp.texts(b"vendors", vendors);
    }
    ctcp.maybe_hex(b"linked_session", session.linked(), SESSION_DIGITS);
}

fn direction(o: &mut Object<'_>, d: &Direction) {
    o.count(b"packets", d.packets)
        .count(b"payload_bytes", d.payload_bytes)
        .count(b"data_segments", d.data_segments)
        .count(b"open_holes", d.open_holes)
        .count(b"holes", d.holes_total)
        .count(b"hole_bytes", d.hole_bytes_total)
        .count(b"esp_received_pkts", d.esp_received_pkts)
        .count(b"esp_missing_pkts", d.esp_missing_pkts)
        .count(b"retransmitted_segments", d.retransmissions)
        .count(b"reordered_segments", d.reordered)
        .count(b"network_duplicate_segments", d.network_duplicates)
        .count(b"span_duplicate_segments", d.span_duplicates)
        .count(b"dup_acks", d.dup_acks)
        .count(b"sack_segments", d.sack_segments)
        .count(b"zero_windows", d.zero_windows)
        .maybe_ratio(b"esp_loss_ratio", d.esp_loss_ratio())
        .maybe_hex(b"esp_spi", d.esp_spi.map(u64::from), 8)
        .maybe_count(b"esp_seq", d.esp_seq)
        .maybe_count(b"unacked_bytes", d.unacked_bytes)
        .maybe_count(b"window_bytes", d.window_bytes)
        .maybe_time(b"ack_frozen_since", d.ack_frozen_since)
        .maybe_count(b"ack_rtt_us", d.ack_rtt_us)
        .maybe_time(b"first", d.first)
        .maybe_time(b"last", d.last)
        .maybe_time(b"last_data", d.last_data)
        .maybe_count(b"ttl_data", d.ttl_data)
        .maybe_count(b"ttl_pure_ack", d.ttl_pure_ack)
        .maybe_count(b"ttl_handshake", d.ttl_handshake);
}

/// 0 when the later time is before the earlier one.
fn millis_between(first: Timestamp, last: Timestamp) -> u64 {
    let ns = i128::from(last.0) - i128::from(first.0);
    (ns.max(0) / i128::from(NANOS_PER_MILLI)) as u64
}
