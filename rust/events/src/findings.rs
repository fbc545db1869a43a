//! `ctcpmon.finding.v1`: the line of a verdict that changed.

use ctcpmon_core::detect::{Evidence, Judgement, LossSide, Side, Verdict, session_state};
use ctcpmon_core::session::{Session, TO_CLIENT, TO_HEADEND};
use ctcpmon_core::time::Timestamp;

use crate::community::community_id;
use crate::json::{self, Object};
use crate::lines::{Lines, network, peer, severity};
use crate::phrases::{Phrases, words};
use crate::reading::{self, Direction, SESSION_DIGITS};

/// Room for a line; a longer one grows.
const USUAL_BYTES: usize = 2_560;
/// Largest number that is written: beyond it not every JSON reader keeps whole numbers.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// A finding as the engine made it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its number in the run.
    pub seq: u64,
    /// Packet time of the judgement.
    pub at: Timestamp,
    /// The judgement.
    pub judgement: &'a Judgement,
    /// The session at that moment.
    pub session: &'a Session,
    /// Loss of the tap at that moment.
    pub tap_gap_ratio: Option<f64>,
}

impl Found<'_> {
    /// When what it describes began; the moment of the judgement when that is not known.
    pub fn since(&self) -> Timestamp {
        match self.judgement.since.0 {
            0 => self.at,
            _ => self.judgement.since,
        }
    }
}

/// What is said about a finding besides what was measured. Texts are safe for a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a, F> {
    /// One short sentence.
    pub reason: &'a str,
    /// The rule, as JSON.
    pub rule: &'a [u8],
    /// Id of the incident it belongs to.
    pub incident: Option<&'a str>,
    /// Ids of fixes, best first.
    pub fixes: &'a [F],
    /// Phrases for evidence.
    pub phrases: &'a Phrases,
}

impl Lines {
    /// One line, without the newline. `number` is that of the event.
    pub fn finding<F: AsRef<str>>(
        &self,
        number: u64,
        found: &Found<'_>,
        said: &Said<'_, F>,
    ) -> Vec<u8> {
        let mut line = Vec::with_capacity(USUAL_BYTES);
        let session = found.session;
        let community = community_id(session.client(), session.server());
        let mut event = Object::new(&mut line);
        self.envelope(&mut event, "finding", number)
            .time(b"time", found.at)
            .maybe_text(b"subject", community.as_deref())
            .object(b"data", |data| {
                about(data, found, said);
                data.raw(b"observer", self.observer_of(session));
                network(data, session, community.as_deref());
                data.object(b"source", |o| {
                    peer(o, session.client(), &Direction::of(session, TO_HEADEND));
                })
                .object(b"destination", |o| {
                    peer(o, session.server(), &Direction::of(session, TO_CLIENT));
                })
                .object(b"ctcp", |ctcp| judged(ctcp, found, said));
            });
        event.end();
        line
    }
}

/// The event and the rule.
fn about<F>(data: &mut Object<'_>, found: &Found<'_>, said: &Said<'_, F>) {
    let verdict = found.judgement.verdict;
    let kind = if verdict == Verdict::Healthy {
        "event"
    } else {
        "alert"
    };
    data.object(b"event", |event| {
        event
            .text(b"kind", kind)
            .raw(b"category", br#"["network"]"#)
            .count(b"severity", severity(verdict))
            .count(b"sequence", found.seq)
            .time(b"start", found.since())
            .text(b"reason", said.reason);
    })
    .raw(b"rule", said.rule);
}

/// The verdict and what it stands on.
fn judged<F: AsRef<str>>(ctcp: &mut Object<'_>, found: &Found<'_>, said: &Said<'_, F>) {
    let (judgement, session) = (found.judgement, found.session);
    let confidence = reading::confidence(judgement.confidence);
    ctcp.hex(b"session", session.id(), SESSION_DIGITS)
        .count(b"generation", session.generation)
        .text(b"verdict", judgement.verdict.name())
        .text(b"state", session_state(session).name())
        .maybe_ratio(
            b"confidence",
            Some(if confidence.is_finite() {
                confidence
            } else {
                0.0
            }),
        )
        .with(b"evidence", |out| {
            json::list(out, judgement.evidence(), |out, e| {
                evidence(out, e, said.phrases);
            });
        })
        .texts(b"ruled_out", judgement.ruled_out())
        .texts(b"fixes", said.fixes)
        .maybe_text(b"stopped_side", judgement.stopped.map(Side::name))
        .maybe_text(
            b"loss_side",
            // One tap cannot prove that the device lost it, so the contract has no such word here.
            judgement
                .loss
                .filter(|side| *side != LossSide::Device)
                .map(LossSide::name),
        )
        .maybe_ratio(b"tap_gap_ratio", found.tap_gap_ratio)
        .maybe_text(b"incident", said.incident);
}

fn evidence(out: &mut Vec<u8>, one: &Evidence, phrases: &Phrases) {
    let info = one.name.info();
    let mut object = Object::new(out);
    object
        .text(b"name", info.name)
        .text(b"unit", info.unit)
        .text(b"text", &words(one, phrases));
    if one.value.is_finite() && one.value.abs() <= MAX_SAFE {
        object.with(b"value", |out| measured(out, one.value));
    }
    object.maybe_time(b"time", one.at);
    object.end();
}

/// Whole numbers without a point, others with six decimals.
fn measured(out: &mut Vec<u8>, value: f64) {
    if value.fract() == 0.0 {
        json::integer(out, value as i64);
        return;
    }
    json::six_decimals(out, value);
}
