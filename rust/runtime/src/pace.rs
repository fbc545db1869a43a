//! Replay at the pace of the capture. The only clock of a replay; it decides when
//! a batch is read, never what is found in it.

use std::time::{Duration, Instant};

use ctcpmon_core::time::Timestamp;

/// Longest single wait, so that stop, pause and requests are noticed.
const SLICE: Duration = Duration::from_millis(50);

/// Relation of packet time to wall time since the last change of speed.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    anchor: Option<(Instant, Timestamp, f64)>,
}

impl Pace {
    /// How long to wait before frames stamped `ts` are due at `speed` times the
    /// pace of the capture; `None`: now. A speed of 0 means as fast as possible.
    pub(crate) fn wait(&mut self, ts: Timestamp, speed: f64) -> Option<Duration> {
        if speed <= 0.0 || !speed.is_finite() {
            self.anchor = None;
            return None;
        }
        let now = Instant::now();
        let (start, first, set_speed) = *self.anchor.get_or_insert((now, ts, speed));
        if (set_speed - speed).abs() > f64::EPSILON {
            self.anchor = Some((now, ts, speed));
            return None;
        }
        let due = (ts.since(first).max(0) as f64 / 1e9 / speed).min(1e6);
        let elapsed = now.duration_since(start).as_secs_f64();
        (due > elapsed).then(|| Duration::from_secs_f64(due - elapsed).min(SLICE))
    }

    /// Forgets the relation, so that a pause is not caught up.
    pub(crate) fn reset(&mut self) {
        self.anchor = None;
    }
}
