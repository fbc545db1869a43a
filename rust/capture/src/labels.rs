//! Where each frame came from, for who writes frames again: every interface of every input
//! gets a number of its own, with which its frames are labelled instead of the tap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ctcpmon_core::frame::LinkType;

/// Most interfaces told apart, a guess far above any machine; frames of others are labelled
/// [`NO_LABEL`].
const MOST_LABELS: usize = 1 << 12;
/// Label of a frame whose interface has no number.
pub const NO_LABEL: u16 = u16::MAX;

/// One interface as its capture describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Tap that the input was given.
    pub tap: u16,
    /// Link type of its frames.
    pub link: LinkType,
    /// Snap length in bytes; 0 is none.
    pub snap: u32,
    /// Name as it stands in the capture, raw; none in classic pcap.
    pub name: Option<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// By tap, section and interface: an input that is opened again gets its numbers again.
    numbers: BTreeMap<(u16, u32, u32), u16>,
    labels: Vec<Label>,
}

/// The interfaces met so far; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Labels(Arc<Mutex<Known>>);

impl Labels {
    /// What `label` stands for.
    pub fn get(&self, label: u16) -> Option<Label> {
        self.lock().labels.get(usize::from(label)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of interface `interface` in section `section` of an input.
    pub(crate) fn number(&self, section: u32, interface: u32, label: Label) -> u16 {
        let mut known = self.lock();
        let key = (label.tap, section, interface);
        if let Some(number) = known.numbers.get(&key) {
            return *number;
        }
        if known.labels.len() >= MOST_LABELS {
            return NO_LABEL;
        }
        let number = known.labels.len() as u16;
        known.labels.push(label);
        known.numbers.insert(key, number);
        number
    }
}
