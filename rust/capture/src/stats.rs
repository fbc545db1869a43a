//! Counts that captures state about themselves, and the counts of reading them.

/// Counters of one interface as its capture stores them (pcapng draft section 4.6,
/// Interface Statistics Block). `None` means not stated. The last block of an
/// interface counts, because the counters run from the start of the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStats {
    /// Index of the input in the order given to `open`.
    pub input: usize,
    /// Section of the input, from 0.
    pub section: u32,
    /// Interface in the section, from 0.
    pub interface: u32,
    /// Packets received from the interface (`isb_ifrecv`).
    pub received: Option<u64>,
    /// Packets dropped by the interface for lack of resources (`isb_ifdrop`).
    pub if_drop: Option<u64>,
    /// Packets accepted by the filter (`isb_filteraccept`).
    pub filter_accepted: Option<u64>,
    /// Packets dropped by the operating system (`isb_osdrop`).
    pub os_drop: Option<u64>,
    /// Packets delivered to the capturing program (`isb_usrdeliv`).
    pub delivered: Option<u64>,
}

/// Sums over a capture set. Counts saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames handed out.
    pub frames: u64,
    /// Packets left out: lengths that contradict their block, or an interface
    /// never described.
    pub left_out: u64,
    /// Frames that got the time of the one before them.
    pub without_time: u64,
    /// Frames stamped earlier than the one before them in the same input.
    pub time_backwards: u64,
    /// Sum of `received` where stated; `None` if no interface states it.
    pub received: Option<u64>,
    /// Sum of `if_drop` where stated.
    pub if_drop: Option<u64>,
    /// Sum of `os_drop` where stated.
    pub os_drop: Option<u64>,
}

impl Totals {
    pub(crate) fn add_interface(&mut self, stats: &InterfaceStats) {
        add(&mut self.received, stats.received);
        add(&mut self.if_drop, stats.if_drop);
        add(&mut self.os_drop, stats.os_drop);
    }
}

fn add(sum: &mut Option<u64>, value: Option<u64>) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or(0).saturating_add(value));
    }
}
