//! Speed, pause, and stretches of a replay that is held otherwise.

use ctcpmon_core::time::Timestamp;

use crate::replay::{Replay, State};

/// How far a replay that is held goes on. Frame by frame, so that it ends where it should.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stretch {
    /// So many ns of packet time from the next frame on: it always takes one.
    Step(i64),
    /// Up to a frame of this time.
    Until(Timestamp),
    /// Up to the next finding.
    Finding,
}

impl Stretch {
    /// What it is from the frame of time `next` on.
    pub(crate) fn begun(self, next: Timestamp) -> Self {
        match self {
            Self::Step(ns) => Self::Until(next.plus(ns.max(1))),
            other => other,
        }
    }

    pub(crate) fn ends_before(self, next: Timestamp) -> bool {
        matches!(self, Self::Until(until) if next >= until)
    }

    pub(crate) fn ends_with_a_finding(self) -> bool {
        self == Self::Finding
    }
}

impl State {
    /// Goes on as far as `stretch`, unless somebody has said otherwise meanwhile.
    pub(crate) fn go_on(&mut self, stretch: Stretch) {
        if self.stretch.is_some() {
            self.stretch = Some(stretch);
        }
    }

    pub(crate) fn hold(&mut self) {
        self.paused = true;
        self.stretch = None;
    }
}

impl Replay {
    /// Changes the speed.
    pub fn set_speed(&self, speed: f64) {
        self.shared.lock().speed = speed;
        self.shared.room.notify_all();
    }

    /// Pauses or resumes the reading.
    pub fn set_paused(&self, paused: bool) {
        {
            let mut state = self.shared.lock();
            state.paused = paused;
            state.stretch = None;
        }
        self.shared.room.notify_all();
    }

    /// Ends the reading; `poll` still hands over what was found.
    pub fn stop(&self) {
        self.shared.lock().stop = true;
        self.shared.room.notify_all();
    }

    /// Reads so many ns of packet time, as fast as possible, then holds.
    pub fn step(&self, ns: i64) {
        self.stretch(Stretch::Step(ns));
    }

    /// Reads up to the next finding, as fast as possible, then holds.
    pub fn until_finding(&self) {
        self.stretch(Stretch::Finding);
    }

    /// True while the reading is held.
    pub fn is_paused(&self) -> bool {
        self.shared.lock().paused
    }

    fn stretch(&self, stretch: Stretch) {
        {
            let mut state = self.shared.lock();
            state.paused = false;
            state.stretch = Some(stretch);
        }
        self.shared.room.notify_all();
    }
}
