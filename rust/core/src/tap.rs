//! The tap measured by the traffic it missed (Zeek's capture-loss rule), on
//! ordinary TCP only: a cTCP endpoint may acknowledge bytes it never got.

/// Data segments of ordinary TCP needed before a share is stated (guess: below
/// that one missed segment moves it by more than 0.2 %).
const MIN_SEGMENTS: u64 = 500;

/// Share of segments the tap did not deliver.
#[derive(Clone, Copy, Debug, Default)]
pub struct TapMeter {
    /// Segments with payload of ordinary flows.
    pub seen: u64,
    /// Segments that ACKs proved to have passed unseen.
    pub missed: u64,
}

impl TapMeter {
    /// Missed share, 0 to 1; `None` when too little ordinary TCP was seen.
    pub fn gap_ratio(&self) -> Option<f64> {
        (self.seen >= MIN_SEGMENTS).then(|| self.missed as f64 / (self.seen + self.missed) as f64)
    }
}
