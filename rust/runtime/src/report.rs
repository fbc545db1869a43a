//! What a run says about itself: every counter, the tap, the inputs.

use ctcpmon_capture::{InterfaceStats, Note, Totals};
use ctcpmon_core::Engine;
use ctcpmon_core::detect::{Held, Verdict, session_state};
use ctcpmon_core::engine::MOST_HELD;
use ctcpmon_core::rhythm::Point;
use ctcpmon_core::segment::Endpoint;
use ctcpmon_core::taps::Counters;
use ctcpmon_core::time::Timestamp;

use crate::filter::Unfit;
#[cfg(target_os = "linux")]
use crate::live::Port;
use crate::observers::Observers;
use crate::reader::LastWords;

/// A session of which something is held now.
#[derive(Clone, Copy, Debug)]
pub struct HeldSession {
    /// Its id and generation.
    pub id: (u64, u16),
    /// Client, then headend.
    pub ends: [Endpoint; 2],
    /// What is held.
    pub held: Held,
}

fn held(engine: &Engine) -> impl Iterator<Item = HeldSession> {
    engine.held().map(|(session, held)| HeldSession {
        id: (session.id(), session.generation),
        ends: [session.client(), session.server()],
        held,
    })
}

/// State of a run at one moment.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every counter by name, in output order.
    pub counters: Vec<(String, u64)>,
    /// Frames taken.
    pub packets: u64,
    /// Frames that hold a TCP header, whole or in part.
    pub tcp_packets: u64,
    /// TCP conversations.
    pub tcp_conversations: u64,
    /// Flows in the table.
    pub flows: u64,
    /// Live tunnel sessions.
    pub sessions: u64,
    /// Live tunnel sessions by state.
    pub by_state: Vec<(&'static str, u64)>,
    /// Sessions of which something is held now, longest first.
    pub held: Vec<HeldSession>,
    /// Perhaps there are more.
    pub held_is_full: bool,
    /// Estimated tap loss, 0 to 1.
    pub tap_gap_ratio: Option<f64>,
    /// First and newest packet time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Bytes of the inputs as stored that were read.
    pub bytes_read: u64,
    /// All of them; `None` for a pipe.
    pub bytes_total: Option<u64>,
    /// Remarks about the inputs.
    pub notes: Vec<Note>,
    /// Counters that the captures store about their interfaces.
    pub interfaces: Vec<InterfaceStats>,
    /// Sums over the inputs.
    pub totals: Totals,
    /// Frames of link types that the filter does not fit, refused.
    pub unfit: Option<Unfit>,
    /// Interfaces of a live run.
    #[cfg(target_os = "linux")]
    pub ports: Vec<Port>,
    /// Times that the clock of the machine was set during a live run, and how far it is ahead of
    /// the times of the run for that, nanoseconds.
    pub clock_steps: (u64, i64),
    /// Words of the first panic of the decoder, which cost the frames of that counter.
    pub failure: Option<String>,
    /// When the frames came, oldest first; with one tap only.
    pub rhythm: Vec<Point>,
    /// What the matcher of two taps counted; `None` with one.
    pub matched: Option<Counters>,
    /// The input has ended and everything was judged.
    pub is_done: bool,
}

impl Report {
    /// Everything there is to say; what the inputs say about themselves is known only
    /// once they were read.
    pub(crate) fn of(
        observers: &Observers,
        bytes_read: u64,
        bytes_total: Option<u64>,
        last: Option<&LastWords>,
    ) -> Self {
        let engines = observers.engines();
        let mut counters: Vec<(String, u64)> = Vec::new();
        for engine in engines {
            let named = engine.stats().named();
            if counters.is_empty() {
                counters = named;
            } else {
                // Every engine names the same counters in the same order.
                for ((_, sum), (_, value)) in counters.iter_mut().zip(named) {
                    *sum = sum.saturating_add(value);
                }
            }
        }
        let totals = last.map(|l| l.totals).unwrap_or_default();
        let dropped = [totals.if_drop, totals.os_drop].into_iter().flatten();
        counters.push((
            "interface_dropped_packets".into(),
            dropped.fold(0, u64::saturating_add),
        ));
        let value = |name: &str| {
            counters
                .iter()
                .find(|(n, _)| n == name)
                .map_or(0, |(_, v)| *v)
        };
        let mut by_state: Vec<(&'static str, u64)> = [
            Verdict::Healthy,
            Verdict::AtRisk,
            Verdict::Suspect,
            Verdict::Stalled,
            Verdict::Unknown,
        ]
        .iter()
        .map(|v| (v.name(), 0))
        .collect();
        let mut sessions = 0;
        for session in engines.iter().flat_map(Engine::sessions) {
            sessions += 1;
            let name = session_state(session).name();
            if let Some((_, n)) = by_state.iter_mut().find(|(state, _)| *state == name) {
                *n += 1;
            }
        }
        let mut all_held: Vec<HeldSession> = engines.iter().flat_map(held).collect();
        all_held.sort_unstable_by_key(|one| (one.held.since, one.id));
        Self {
            held_is_full: all_held.len() >= MOST_HELD,
            held: all_held,
            packets: value("frames"),
            tcp_packets: ["frames_tcp", "frames_truncated_tcp", "frames_malformed_tcp"]
                .iter()
                .map(|n| value(n))
                .sum(),
            tcp_conversations: value("conversations"),
            flows: engines.iter().map(|engine| engine.flows() as u64).sum(),
            sessions,
            by_state,
            // Of two taps the worse one: no verdict is better than its tap.
            tap_gap_ratio: engines
                .iter()
                .filter_map(|engine| engine.tap().gap_ratio())
                .reduce(f64::max),
            span: engines
                .iter()
                .filter_map(Engine::span)
                .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))),
            rhythm: match engines {
                [engine] => engine.rhythm().to_vec(),
                _ => Vec::new(),
            },
            matched: observers.matched(),
            bytes_read: last.map_or(bytes_read, |l| l.bytes_read),
            bytes_total,
            notes: last.map(|l| l.notes.clone()).unwrap_or_default(),
            interfaces: last.map(|l| l.interfaces.clone()).unwrap_or_default(),
            totals,
            counters,
            unfit: None,
            #[cfg(target_os = "linux")]
            ports: Vec::new(),
            clock_steps: (0, 0),
            failure: None,
            is_done: false,
        }
    }

    /// Adds what the filter refused; without a filter there is no such counter.
    pub(crate) fn add_filter(&mut self, rejected: u64, last: Option<&LastWords>) {
        self.counters
            .push(("filter_rejected_packets".into(), rejected));
        self.unfit = last.and_then(|last| last.unfit);
    }

    /// Interfaces of a live run by tap.
    pub(crate) fn port_names(&self) -> Vec<String> {
        #[cfg(target_os = "linux")]
        return self.ports.iter().map(|port| port.name.clone()).collect();
        #[cfg(not(target_os = "linux"))]
        Vec::new()
    }

    /// Adds what is kept of recent frames; when nothing is, there are no such counters.
    pub(crate) fn add_kept(&mut self, counters: [(&'static str, u64); 3]) {
        let named = counters.map(|(name, value)| (name.to_owned(), value));
        self.counters.extend(named);
    }

    /// Adds what the interfaces of a live run say, and its sums to the counters.
    #[cfg(target_os = "linux")]
    pub(crate) fn add_ports(&mut self, ports: Vec<Port>, clock_steps: (u64, i64)) {
        let sum = |of: fn(&Port) -> u64| ports.iter().map(of).fold(0, u64::saturating_add);
        let sums = [
            ("kernel_received_packets", sum(|p| p.counters.received)),
            ("kernel_dropped_packets", sum(|p| p.counters.dropped)),
            ("kernel_ring_freezes", sum(|p| p.counters.freezes)),
            ("driver_dropped_packets", sum(|p| p.driver_dropped)),
            ("outgoing_packets_ignored", sum(|p| p.counters.outgoing)),
            ("ring_packets_misplaced", sum(|p| p.counters.misplaced)),
            ("interface_downs", sum(|p| p.downs)),
            ("clock_steps", clock_steps.0),
        ];
        self.counters
            .extend(sums.map(|(name, value)| (name.to_owned(), value)));
        self.ports = ports;
        self.clock_steps = clock_steps;
    }
}
