//! Counters with names. Every frame ends in exactly one disposition; everything
//! refused, dropped or forgotten has a counter of its own.

use crate::decode::Disposition;
use crate::flow::Delta;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counters of the engine; plain integers, one engine belongs to one thread.
        #[derive(Clone, Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Names and one-line descriptions in output order.
            pub const NAMES: &'static [(&'static str, &'static str)] =
                &[$((stringify!($name), concat!($($doc),+))),+];

            /// Values in the same order.
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$name),+]
            }
        }
    };
}

counters! {
    /// Frames taken from the source.
    frames,
    /// Frames whose capture time lies more than a second before the newest.
    frames_time_stepped_back,
    /// Frames whose capture time lies far ahead and was not confirmed.
    frames_time_unconfirmed,
    /// Gaps of more than a minute in which the whole tap recorded nothing.
    capture_gaps,
    /// TCP conversations opened: new 4-tuples and re-used ones.
    conversations,
    /// TCP segments of conversations that the full flow table refused.
    segments_without_flow,
    /// Conversations dropped to make room.
    flows_evicted,
    /// Conversations dropped because they were idle.
    flows_expired,
    /// Conversations refused because too many hashes were alike: somebody aims at the table.
    flow_probes_exceeded,
    /// TCP segments that carry the first fragment of an IP packet.
    first_fragments,
    /// TCP segments larger than any network frame: merged by an offload.
    super_segments,
    /// TCP segments with a broken option list.
    malformed_options,
    /// Retransmissions and out-of-order segments.
    retransmissions,
    /// Duplicate ACKs.
    dup_acks,
    /// Segments that offer a zero window.
    zero_windows,
    /// Times that a side's window went from open to zero.
    windows_closed,
    /// Segments of ordinary conversations that the tap itself missed.
    tap_missed_segments,
    /// Second copies from the mirror, dropped before analysis.
    span_duplicates,
    /// Conversations recognised as NDMP on the cTCP port.
    flows_ndmp,
    /// Conversations recognised as TLS on the cTCP port.
    flows_tls,
    /// Conversations recognised as HTTP on the cTCP port.
    flows_http,
    /// Tunnel sessions recognised.
    sessions,
    /// Tunnel sessions not tracked because the session table was full.
    sessions_refused,
    /// Tunnels that had to show a second side or a third packet first, because too many sessions had not.
    sessions_put_off,
    /// Findings made.
    findings,
    /// Findings not handed out because one tick made too many.
    findings_suppressed,
}

impl Counters {
    /// Counts what one segment added to the totals of ordinary TCP, but for the tap's own loss.
    #[inline]
    pub(crate) fn add(&mut self, delta: Delta) {
        self.conversations += u64::from(delta.is_reuse());
        self.retransmissions += u64::from(delta.is_retransmission());
        self.dup_acks += u64::from(delta.is_dup_ack());
        self.zero_windows += u64::from(delta.is_zero_window());
        self.windows_closed += u64::from(delta.is_window_closed());
    }
}

/// All counters of one engine.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Named counters.
    pub counters: Counters,
    /// Frames by their end, indexed by `Disposition as usize`.
    pub dispositions: [u64; Disposition::ALL.len()],
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            dispositions: [0; Disposition::ALL.len()],
        }
    }
}

impl Stats {
    /// Counts the end of one frame.
    pub fn end(&mut self, disposition: Disposition) {
        if let Some(n) = self.dispositions.get_mut(disposition as usize) {
            *n += 1;
        }
    }

    /// Every name with its value: dispositions as `frames_<name>`, then the rest.
    pub fn named(&self) -> Vec<(String, u64)> {
        let ends = Disposition::ALL
            .iter()
            .zip(self.dispositions)
            .map(|(d, n)| (format!("frames_{}", d.name()), n));
        let rest = Counters::NAMES
            .iter()
            .zip(self.counters.values())
            .map(|((name, _), n)| ((*name).to_owned(), n));
        ends.chain(rest).collect()
    }
}
