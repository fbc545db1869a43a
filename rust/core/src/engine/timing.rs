//! Packet time in the engine: what moves it, and the rounds of judgement it brings.

use super::{Engine, TICK_NS};
use crate::clock::Tick;
use crate::rhythm::Point;
use crate::session::Recheck;
use crate::time::Timestamp;

/// Every tap.
const ALL_TAPS: u16 = u16::MAX;

/// The bit of a tap; those beyond the sixteenth share one with another.
pub fn tap_bit(tap: u16) -> u16 {
    1 << (tap & 15)
}

impl Engine {
    /// Advances the clock and returns the time to measure this frame with: its own,
    /// or the clock's when its own is not credible.
    #[inline]
    pub(super) fn take_time(&mut self, ts: Timestamp) -> Timestamp {
        if self.clock.goes_on(ts, self.calm_until) {
            return ts;
        }
        let credible = self.take_any_time(ts);
        let tick = self.next_tick.unwrap_or(Timestamp(i64::MIN));
        self.calm_until = self.clock.calm_until().min(tick);
        credible
    }

    #[inline(never)]
    fn take_any_time(&mut self, ts: Timestamp) -> Timestamp {
        self.first_seen.get_or_insert(ts);
        let tick = self.clock.observe(ts);
        let now = self.clock.now().unwrap_or(ts);
        match tick {
            Tick::Ordinary => {
                self.run_ticks(now);
                return ts;
            }
            Tick::SteppedBack => self.stats.counters.frames_time_stepped_back += 1,
            Tick::Pending => self.stats.counters.frames_time_unconfirmed += 1,
            Tick::Jumped(_) => self.note_gap(ALL_TAPS, now),
        }
        now
    }

    /// From here on nothing comes from these taps (a bit for each: [`tap_bit`]), nobody knows
    /// until when. Sessions that were seen there are measured where they are still seen, and
    /// not judged before [`Engine::capture_gap`].
    pub fn tap_down(&mut self, taps: u16) {
        self.down |= taps;
    }

    /// Nothing was captured at these taps for a while, and then again from `resumed` on (an
    /// interface was down): silence before it says nothing about anybody who was seen there.
    pub fn capture_gap(&mut self, taps: u16, resumed: Timestamp) {
        self.down &= !taps;
        self.calm_until = Timestamp(i64::MIN);
        let Some(mark) = self.clock.now() else { return };
        if mark < resumed {
            self.clock.step_to(resumed);
        }
        self.note_gap(taps, mark.max(resumed));
    }

    /// The capture goes on and nothing was on the wire until `now`. Only a live source knows
    /// that; it tells capture time, not its own.
    pub fn pass_time(&mut self, now: Timestamp) {
        self.calm_until = Timestamp(i64::MIN);
        if self.clock.now().is_some_and(|mark| mark < now)
            && self.clock.observe(now) == Tick::Ordinary
        {
            self.run_ticks(now);
        }
    }

    fn note_gap(&mut self, taps: u16, now: Timestamp) {
        self.stats.counters.capture_gaps += 1;
        self.next_tick = Some(first_tick_after(now));
        for session in self
            .slots
            .iter_mut()
            .filter(|session| session.taps & taps != 0)
        {
            session.on_capture_gap(now);
            if session.recheck != Recheck::NONE {
                session.recheck = Recheck::by(now);
            }
        }
    }

    /// Runs the rounds of judgement due by `now`.
    #[inline]
    fn run_ticks(&mut self, now: Timestamp) {
        if self.next_tick.is_none_or(|tick| tick <= now) {
            self.run_due_ticks(now);
        }
    }

    #[inline(never)]
    fn run_due_ticks(&mut self, now: Timestamp) {
        let mut tick = *self.next_tick.get_or_insert_with(|| first_tick_after(now));
        // A saturated time has no tick behind it.
        while tick <= now && tick.0 < i64::MAX - TICK_NS {
            self.judge_round(tick);
            tick = tick.plus(TICK_NS);
        }
        self.next_tick = Some(tick);
        self.rhythm.note(Point {
            at: now,
            // Without the one that moved the clock, which is of the time behind it.
            frames: self.stats.counters.frames.saturating_sub(1),
            missed: self.stats.counters.tap_missed_segments,
        });
    }
}

fn first_tick_after(ts: Timestamp) -> Timestamp {
    Timestamp(
        ts.0.div_euclid(TICK_NS)
            .saturating_add(1)
            .saturating_mul(TICK_NS),
    )
}
