//! `ctcpmon.incident.v1`: the line of an incident that changed. The grouping is Python's; what it says
//! comes as plain values.

use ctcpmon_core::time::Timestamp;

use crate::json::Object;
use crate::lines::Lines;

/// Room for a line; a longer one grows.
const USUAL_BYTES: usize = 1_536;

/// An incident at one moment. Texts are safe for a terminal; `T` is a text.
#[derive(Clone, Debug)]
pub struct Incident<'a, T> {
    /// Its id, which is the subject of the event.
    pub id: T,
    /// Number of the change, from 1.
    pub seq: u64,
    /// `opened`, `changed`, `closed`.
    pub change: T,
    /// `critical`, `warning` or `info`, of now.
    pub severity: T,
    /// The same, of the worst moment.
    pub worst_severity: T,
    /// One short sentence on the state.
    pub reason: T,
    /// What happened, where, and why a device does that.
    pub story: [T; 3],
    /// The rule, as JSON.
    pub rule: &'a [u8],
    /// What protocol its sessions speak, and `ipv4` or `ipv6`, where they are known.
    pub network: (Option<T>, Option<&'static str>),
    /// Network of the clients, and how many there are.
    pub clients: (T, u64),
    /// Address and port.
    pub headend: (T, u16),
    /// When it began, and when something happened last.
    pub times: [Timestamp; 2],
    /// When it was closed, and why.
    pub closed: Option<(Timestamp, T)>,
    /// Since when the last of the recovered sessions moves.
    pub moving_since: Option<Timestamp>,
    /// Sessions in all, stalled, at risk, recovered, gone, reconnected.
    pub sessions: [u64; 6],
    /// Ids of the first few sessions.
    pub session_ids: Vec<T>,
    /// 0 to 1.
    pub confidence: f64,
    /// Ids of fixes, best first.
    pub fixes: Vec<T>,
    /// Whose data stopped, where the loss was, who is not heard in an outage.
    pub sides: [Option<T>; 3],
    /// What its sessions say together; none when they say nothing.
    pub remarks: Vec<T>,
    /// What the stops have in common, and the reconnect cycles, as JSON.
    pub patterns: [Option<&'a [u8]>; 2],
    /// Sessions that are an older connection on a new port.
    pub rebindings: u64,
}

impl Lines {
    /// One line, without the newline. `number` is that of the event; `tap` is the one that saw the sessions
    /// in a run with two.
    pub fn incident<T: AsRef<str>>(
        &self,
        number: u64,
        incident: &Incident<'_, T>,
        tap: Option<u16>,
    ) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL_BYTES);
        let closed_at = incident.closed.as_ref().map(|(at, _)| *at);
        let [since, last] = incident.times;
        let mut event = Object::new(&mut line);
        self.envelope(&mut event, "incident", number)
            .time(b"time", closed_at.unwrap_or(last))
            .text(b"subject", incident.id.as_ref())
            .object(b"data", |data| {
                data.object(b"event", |event| {
                    event
                        .text(
                            b"kind",
                            if closed_at.is_none() {
                                "alert"
                            } else {
                                "event"
                            },
                        )
                        .raw(b"category", br#"["network"]"#)
                        .count(b"severity", severity(incident.severity.as_ref()))
                        .time(b"start", since)
                        .maybe_time(b"end", closed_at)
                        .text(b"reason", incident.reason.as_ref());
                })
                .raw(b"rule", incident.rule)
                .raw(b"observer", self.observer_at(tap));
                place(data, incident);
                data.object(b"ctcp", |ctcp| told(ctcp, incident));
            });
        event.end();
        line
    }
}

/// That of a severity in words: 99 critical, 47 warning, 21 info.
fn severity(name: &str) -> u64 {
    match name {
        "critical" => 99,
        "warning" => 47,
        _ => 21,
    }
}

/// Who speaks what to whom.
fn place<T: AsRef<str>>(data: &mut Object<'_>, incident: &Incident<'_, T>) {
    let (protocol, version) = &incident.network;
    let (net, nets) = &incident.clients;
    let (ip, port) = &incident.headend;
    data.object(b"network", |network| {
        network
            .text(b"transport", "tcp")
            .text(b"protocol", protocol.as_ref().map_or("unknown", T::as_ref))
            .maybe_text(b"type", *version);
    })
    .object(b"source", |source| {
        source
            .text(b"address", net.as_ref())
            .count(b"networks", *nets);
    })
    .object(b"destination", |destination| {
        destination.text(b"ip", ip.as_ref()).count(b"port", *port);
    });
}

/// What the grouping says.
fn told<T: AsRef<str>>(ctcp: &mut Object<'_>, incident: &Incident<'_, T>) {
    let [what, place, why] = &incident.story;
    let [total, stalled, at_risk, recovered, gone, reconnected] = incident.sessions;
    let side = |at: usize, words: &[&str]| {
        let side = incident.sides[at].as_ref().map(T::as_ref);
        side.filter(|side| words.contains(side))
    };
    let [timer, cycle] = incident.patterns;
    ctcp.text(b"incident", incident.id.as_ref())
        .count(b"seq", incident.seq)
        .text(b"change", incident.change.as_ref())
        .text(b"severity", incident.severity.as_ref())
        .text(b"worst_severity", incident.worst_severity.as_ref())
        .text(b"what", what.as_ref())
        .text(b"where", place.as_ref())
        .text(b"why", why.as_ref())
        .count(b"sessions_total", total)
        .count(b"sessions_stalled", stalled)
        .count(b"sessions_at_risk", at_risk)
        .count(b"sessions_recovered", recovered)
        .count(b"sessions_gone", gone)
        .count(b"sessions_reconnected", reconnected)
        .maybe_ratio(
            b"confidence",
            Some(incident.confidence)
                .filter(|c| c.is_finite())
                .or(Some(0.0)),
        )
        .texts(b"fixes", &incident.fixes)
        .texts(b"sessions", &incident.session_ids)
        .maybe_text(b"stopped_side", side(0, &["client", "headend", "both"]))
        // One tap cannot prove that the device lost it, so the contract has no such word here.
        .maybe_text(b"loss_side", side(1, &["client", "headend", "sender"]))
        .maybe_text(b"first_fix", incident.fixes.first().map(T::as_ref))
        .maybe_text(
            b"close_reason",
            incident.closed.as_ref().map(|(_, why)| why.as_ref()),
        )
        .maybe_time(b"moving_since", incident.moving_since);
    if !incident.remarks.is_empty() {
        ctcp.texts(b"remarks", &incident.remarks);
    }
    for (name, pattern) in [(b"timer", timer), (b"cycle", cycle)] {
        if let Some(pattern) = pattern {
            ctcp.raw(name, pattern);
        }
    }
    ctcp.maybe_text(b"silent_side", side(2, &["client", "headend"]))
        .maybe_count(
            b"rebound_sessions",
            Some(incident.rebindings).filter(|sessions| *sessions > 0),
        );
}
