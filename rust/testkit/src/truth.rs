//! What really happened to each data segment, whatever the tap saw. Dead means what the
//! lab means by it (captures/lab/README.md).

/// A run of undelivered segments this long that reaches the end is a dead direction:
/// at least so many segments over so many seconds.
const DEAD: [(usize, i64); 2] = [(3, 5_000_000), (8, 2_000_000)];

/// One data segment.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// SEG.SEQ.
    pub seq: u32,
    /// Sent at, us.
    pub sent_us: i64,
    /// Reached the other end's receiver at, us.
    pub delivered_us: Option<i64>,
}

/// The truth about one session.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Data segments by direction, in the order they were sent.
    pub sent: [Vec<Fate>; 2],
    /// A device's RST reached an end at this time, us: no end meant it.
    pub torn_us: Option<i64>,
}

impl Truth {
    pub(crate) fn note_sent(&mut self, dir: usize, seq: u32, us: i64) {
        self.sent[dir].push(Fate {
            seq,
            sent_us: us,
            delivered_us: None,
        });
    }

    pub(crate) fn note_delivered(&mut self, dir: usize, seq: u32, us: i64) {
        let sent = self.sent[dir].iter_mut().rev();
        if let Some(fate) = sent.into_iter().find(|f| f.seq == seq) {
            fate.delivered_us.get_or_insert(us);
        }
    }

    /// Time of the last delivery in direction `dir`, us.
    pub fn last_delivered_us(&self, dir: usize) -> Option<i64> {
        self.sent[dir].iter().filter_map(|f| f.delivered_us).max()
    }

    /// Sending time of the first segment of the dead run of direction `dir`, judged at
    /// `end_us`; `None`: not dead.
    pub fn dead_since_us(&self, dir: usize, end_us: i64) -> Option<i64> {
        let run = self.sent[dir]
            .iter()
            .rev()
            .filter(|f| f.sent_us < end_us)
            .take_while(|f| f.delivered_us.is_none_or(|at| at >= end_us));
        let times: Vec<i64> = run.map(|f| f.sent_us).collect();
        let (last, first) = (times.first()?, times.last()?);
        DEAD.iter()
            .any(|(n, us)| times.len() >= *n && last - first >= *us)
            .then_some(*first)
    }

    /// Segments that never arrived.
    pub fn lost(&self) -> usize {
        let all = self.sent.iter().flatten();
        all.filter(|f| f.delivered_us.is_none()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(fates: &[(i64, bool)]) -> Truth {
        let mut t = Truth::default();
        for (n, (ms, arrives)) in fates.iter().enumerate() {
            t.note_sent(0, n as u32, ms * 1_000);
            if *arrives {
                t.note_delivered(0, n as u32, ms * 1_000 + 9_000);
            }
        }
        t
    }

    #[test]
    fn three_segments_over_five_seconds_are_dead() {
        let t = truth(&[(0, true), (1_000, false), (4_000, false), (6_000, false)]);
        assert_eq!(t.dead_since_us(0, i64::MAX), Some(1_000_000));
        assert_eq!(t.dead_since_us(0, 5_000_000), None, "only two by then");
        assert_eq!((t.lost(), t.last_delivered_us(0)), (3, Some(9_000)));
    }

    #[test]
    fn a_short_run_or_one_that_ends_is_not() {
        let short = truth(&[(0, true), (1_000, false), (2_000, false), (5_500, false)]);
        assert_eq!(short.dead_since_us(0, i64::MAX), None);
        let over = truth(&[(0, false), (3_000, false), (6_000, false), (6_200, true)]);
        assert_eq!(over.dead_since_us(0, i64::MAX), None);
    }

    #[test]
    fn eight_segments_over_two_seconds_are_dead() {
        let fates: Vec<(i64, bool)> = (0..9).map(|n| (n * 250, n == 0)).collect();
        assert_eq!(truth(&fates).dead_since_us(0, i64::MAX), None);
        let fates: Vec<(i64, bool)> = (0..9).map(|n| (n * 300, n == 0)).collect();
        assert_eq!(truth(&fates).dead_since_us(0, i64::MAX), Some(300_000));
    }
}
