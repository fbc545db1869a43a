//! S-f: IKE messages of one side that nobody answers.

use super::evidence::EvidenceName as E;
use super::signals;
use super::{Context, Detector, Judgement, Threshold, Verdict, handshakes};
use crate::session::{MANY_UNANSWERED, Session};
use crate::time::NANOS_PER_SECOND;

/// Messages in a row without an answer: DPD gives up after two to five retries.
const MIN_MESSAGES: u32 = MANY_UNANSWERED;
/// Time since the first of them. ASA retries every 2 s, IOS every 2 to 60 s.
const MIN_WAIT_NS: i64 = 20 * NANOS_PER_SECOND;

pub(super) const DETECTOR: Detector = Detector {
    id: "ctcp.ike_unanswered",
    name: "IKE unanswered",
    signature: "S-f",
    severity: "warning",
    tells_the_end: false,
    needs_unrest: true,
    docs: "\
## What it sees
Three or more ISAKMP messages of one side in a row, none back, although the other side used to \
answer and its direction is visible at this tap. Or four initiations of WireGuard in a row, which \
begins anew after 5 s.

## Why it stalls
Dead-peer detection is the tunnel's own keepalive. It is encrypted, but its rhythm is visible; when \
it goes unanswered the end will tear the session down within its timeout (90 s in the Cisco client).

## Evidence
Messages without an answer, the time since the first, the usual answer time.

## What else looks like this
A delete that nobody answers at logout, a tap that sees one direction (never judged).

## Limits by position of the tap
Says which side is not heard, not where its answer was lost.

## Fixes
As for the stall that it accompanies.",
    thresholds: &[
        Threshold {
            name: "messages",
            value: MIN_MESSAGES as f64,
            unit: "count",
            origin: "vendor: Cisco DPD retries; fewer may be one lost packet",
        },
        Threshold {
            name: "wait_ms",
            value: signals::ms(MIN_WAIT_NS),
            unit: "ms",
            origin: "guess: between ASA's 2 s retry and the client's 90 s timeout",
        },
    ],
    check,
    is_at_risk_still: None,
};

fn check(session: &Session, ctx: &Context) -> Option<Judgement> {
    if session.is_one_sided()
        || session
            .half
            .iter()
            .any(|h| h.rst().is_some() || h.fin().is_some())
    {
        return None;
    }
    for dir in 0..2 {
        let Some(failing) = handshakes::unanswered(&session.handshakes(), dir) else {
            continue;
        };
        // It sent data, so there was a handshake before.
        if session.half[1 - dir].data_segments() >= u64::from(MIN_MESSAGES) {
            let waited = ctx.now.since(failing.since);
            return Some(
                Judgement::new(Verdict::Suspect, 0.5, failing.since)
                    .stopped(signals::side(dir))
                    .with(
                        E::Handshakes
                            .is(f64::from(failing.initiations))
                            .at(failing.since),
                    )
                    .with(E::IkeWaiting.is(signals::ms(waited)))
                    .not("one_way_span: both directions were seen"),
            );
        }
    }
    let ike = session.ike();
    for dir in 0..2 {
        let Some(since) = ike.unanswered_since(dir) else {
            continue;
        };
        let waited = ike.last(dir).map_or(0, |last| last.since(since));
        if ike.unanswered(dir) >= MIN_MESSAGES
            && ike.answered(dir) >= 2
            && waited >= MIN_WAIT_NS
            && session.half[1 - dir].is_seen()
        {
            return Some(
                Judgement::new(Verdict::Suspect, 0.5, since)
                    .stopped(signals::side(dir))
                    .with(E::IkeRequests.is(f64::from(ike.unanswered(dir))).at(since))
                    .with(E::IkeWaiting.is(signals::ms(ctx.now.since(since))))
                    .with(E::IkeRtt.is(ike.rtt_min_ns(dir) as f64 / 1000.0))
                    .not("one_way_span: both directions were seen"),
            );
        }
    }
    None
}
