//! Evidence: numbers with units, under names that never change meaning.

use crate::time::Timestamp;

/// Name of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EvidenceName {
    /// Bytes of the hole, in TCP payload including trailers.
    HoleBytes,
    /// Time since the hole opened.
    HoleAge,
    /// Holes not filled at the moment.
    OpenHoles,
    /// Holes that outlived the reorder window, whole session.
    HolesTotal,
    /// ESP sequence numbers never seen in this direction.
    EspMissing,
    /// Missing share of ESP packets in this direction.
    EspLoss,
    /// Time the receiver's ACK has stood still below data sent.
    AckFrozen,
    /// Packets of the receiver that repeated that ACK.
    AckRepeats,
    /// Data sent beyond the last ACK.
    Unacked,
    /// Window the receiver offers.
    Window,
    /// Data beyond the ACK that strict tracking lets pass at this window.
    Allowance,
    /// New data segments sent since the ACK stood still.
    SegmentsAfterFreeze,
    /// Duplicate ACKs in a row (RFC 5681 section 2).
    DupAcks,
    /// Segments with SACK blocks since the ACK stood still.
    SackSegments,
    /// Time without any packet of the silent side.
    Silence,
    /// Longest time between two of its packets before.
    UsualGap,
    /// Data segments the other side sent into the silence.
    OppositeSegments,
    /// Time from the freeze or loss to the RST.
    RstAfter,
    /// Data segments sent on after the other side's RST or FIN.
    DataAfterReset,
    /// Smallest time from data to its ACK at this tap.
    AckRtt,
    /// Smallest time from an IKE message to the answer.
    IkeRtt,
    /// Data segments since the last one that the mirror showed again behind the device.
    CopiesStopped,
    /// IKE messages without an answer.
    IkeRequests,
    /// Time since the first of them.
    IkeWaiting,
    /// Segments sent again in a stream whose endpoints never do.
    RetransmissionsByDevice,
    /// Window left, too small for the next segment.
    WindowRemainder,
    /// Time from the loss to the stall.
    HoleToStall,
    /// Routers between the receiver and the tap, by its TTL.
    ReceiverHops,
    /// Holes this receiver's ACK has stepped over before.
    ReceiverStepsOver,
    /// Segments that do not end in a trailer: the stream was re-cut.
    UntrailedSegments,
    /// New segments since the last empty ACK of a receiver that used to send them.
    SegmentsSinceBareAck,
    /// Initiations of WireGuard in a row that led to nothing.
    Handshakes,
    /// Times the sender went back to the byte that the ACK names.
    Restarts,
}

/// Description of one evidence name.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceInfo {
    /// The name in code.
    pub kind: EvidenceName,
    /// Stable name in outputs.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// One line.
    pub doc: &'static str,
}

/// Every evidence name, in the order of [`EvidenceName`].
pub const EVIDENCE: [EvidenceInfo; 33] = [
    EvidenceInfo {
        kind: EvidenceName::HoleBytes,
        name: "hole_bytes",
        unit: "bytes",
        doc: "Bytes of the hole, in TCP payload including trailers",
    },
    EvidenceInfo {
        kind: EvidenceName::HoleAge,
        name: "hole_age_ms",
        unit: "ms",
        doc: "Time since the hole opened",
    },
    EvidenceInfo {
        kind: EvidenceName::OpenHoles,
        name: "open_holes",
        unit: "count",
        doc: "Holes not filled at the moment",
    },
    EvidenceInfo {
        kind: EvidenceName::HolesTotal,
        name: "holes_total",
        unit: "count",
        doc: "Holes that outlived the reorder window, whole session",
    },
    EvidenceInfo {
        kind: EvidenceName::EspMissing,
        name: "esp_missing_pkts",
        unit: "pkts",
        doc: "ESP sequence numbers never seen in this direction",
    },
    EvidenceInfo {
        kind: EvidenceName::EspLoss,
        name: "esp_loss_pct",
        unit: "pct",
        doc: "Missing share of ESP packets in this direction",
    },
    EvidenceInfo {
        kind: EvidenceName::AckFrozen,
        name: "ack_frozen_ms",
        unit: "ms",
        doc: "Time the receiver's ACK has stood still below data sent",
    },
    EvidenceInfo {
        kind: EvidenceName::AckRepeats,
        name: "ack_repeats",
        unit: "pkts",
        doc: "Packets of the receiver that repeated that ACK",
    },
    EvidenceInfo {
        kind: EvidenceName::Unacked,
        name: "unacked_bytes",
        unit: "bytes",
        doc: "Data sent beyond the last ACK",
    },
    EvidenceInfo {
        kind: EvidenceName::Window,
        name: "window_bytes",
        unit: "bytes",
        doc: "Window the receiver offers",
    },
    EvidenceInfo {
        kind: EvidenceName::Allowance,
        name: "allowance_bytes",
        unit: "bytes",
        doc: "Data beyond the ACK that strict tracking lets pass at this window",
    },
    EvidenceInfo {
        kind: EvidenceName::SegmentsAfterFreeze,
        name: "segments_after_freeze",
        unit: "segments",
        doc: "New data segments sent since the ACK stood still",
    },
    EvidenceInfo {
        kind: EvidenceName::DupAcks,
        name: "dup_acks",
        unit: "count",
        doc: "Duplicate ACKs in a row (RFC 5681 section 2)",
    },
    EvidenceInfo {
        kind: EvidenceName::SackSegments,
        name: "sack_segments",
        unit: "segments",
        doc: "Segments with SACK blocks since the ACK stood still",
    },
    EvidenceInfo {
        kind: EvidenceName::Silence,
        name: "silence_ms",
        unit: "ms",
        doc: "Time without any packet of the silent side",
    },
    EvidenceInfo {
        kind: EvidenceName::UsualGap,
        name: "usual_gap_ms",
        unit: "ms",
        doc: "Longest time between two of its packets before",
    },
    EvidenceInfo {
        kind: EvidenceName::OppositeSegments,
        name: "opposite_segments",
        unit: "segments",
        doc: "Data segments the other side sent into the silence",
    },
    EvidenceInfo {
        kind: EvidenceName::RstAfter,
        name: "rst_after_ms",
        unit: "ms",
        doc: "Time from the freeze or loss to the RST",
    },
    EvidenceInfo {
        kind: EvidenceName::DataAfterReset,
        name: "data_after_reset",
        unit: "segments",
        doc: "Data segments sent on after the other side's RST or FIN",
    },
    EvidenceInfo {
        kind: EvidenceName::AckRtt,
        name: "ack_rtt_us",
        unit: "us",
        doc: "Smallest time from data to its ACK at this tap",
    },
    EvidenceInfo {
        kind: EvidenceName::IkeRtt,
        name: "ike_rtt_us",
        unit: "us",
        doc: "Smallest time from an IKE message to the answer",
    },
    EvidenceInfo {
        kind: EvidenceName::CopiesStopped,
        name: "copies_stopped_segments",
        unit: "segments",
        doc: "Data segments since the last one that the mirror showed again behind the device",
    },
    EvidenceInfo {
        kind: EvidenceName::IkeRequests,
        name: "ike_requests",
        unit: "count",
        doc: "IKE messages without an answer",
    },
    EvidenceInfo {
        kind: EvidenceName::IkeWaiting,
        name: "ike_waiting_ms",
        unit: "ms",
        doc: "Time since the first of them",
    },
    EvidenceInfo {
        kind: EvidenceName::RetransmissionsByDevice,
        name: "retransmissions_by_device",
        unit: "segments",
        doc: "Segments sent again in a stream whose endpoints never do",
    },
    EvidenceInfo {
        kind: EvidenceName::WindowRemainder,
        name: "window_remainder_bytes",
        unit: "bytes",
        doc: "Window left, too small for the next segment",
    },
    EvidenceInfo {
        kind: EvidenceName::HoleToStall,
        name: "hole_to_stall_ms",
        unit: "ms",
        doc: "Time from the loss to the stall",
    },
    EvidenceInfo {
        kind: EvidenceName::ReceiverHops,
        name: "receiver_hops",
        unit: "count",
        doc: "Routers between the receiver and the tap, by its TTL",
    },
    EvidenceInfo {
        kind: EvidenceName::ReceiverStepsOver,
        name: "receiver_steps_over",
        unit: "count",
        doc: "Holes this receiver's ACK has stepped over before",
    },
    EvidenceInfo {
        kind: EvidenceName::UntrailedSegments,
        name: "untrailed_segments",
        unit: "segments",
        doc: "Segments that do not end in a trailer: the stream was re-cut",
    },
    EvidenceInfo {
        kind: EvidenceName::SegmentsSinceBareAck,
        name: "segments_since_bare_ack",
        unit: "segments",
        doc: "New segments since the last empty ACK of a receiver that used to send them",
    },
    EvidenceInfo {
        kind: EvidenceName::Handshakes,
        name: "wireguard_handshakes",
        unit: "count",
        doc: "Initiations of WireGuard in a row that led to nothing",
    },
    EvidenceInfo {
        kind: EvidenceName::Restarts,
        name: "restarts_at_ack",
        unit: "count",
        doc: "Times the sender went back to the byte that the ACK names",
    },
];

impl EvidenceName {
    /// Its description.
    pub fn info(self) -> &'static EvidenceInfo {
        &EVIDENCE[self as usize]
    }

    /// Builds the evidence with a value in the name's unit.
    pub fn is(self, value: f64) -> Evidence {
        Evidence {
            name: self,
            value,
            at: None,
        }
    }
}

/// One number.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// What it measures.
    pub name: EvidenceName,
    /// The value, in the unit of the name.
    pub value: f64,
    /// Packet time it belongs to.
    pub at: Option<Timestamp>,
}

impl Evidence {
    /// Adds the packet time it belongs to.
    #[must_use]
    pub fn at(mut self, ts: Timestamp) -> Self {
        self.at = Some(ts);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_follows_the_enum() {
        for (i, info) in EVIDENCE.iter().enumerate() {
            assert_eq!(info.kind as usize, i, "{}", info.name);
            assert!(EVIDENCE.iter().filter(|o| o.name == info.name).count() == 1);
        }
    }
}
