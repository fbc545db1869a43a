//! What a capture set tells about its reading.

use super::{CaptureSet, Member};
use crate::notes::{Note, NoteKind};
use crate::stats::{InterfaceStats, Totals};

impl CaptureSet {
    /// What was odd so far, by input and kind; at most [`crate::Options::max_notes`].
    pub fn notes(&self) -> Vec<Note> {
        self.all_notes().take(self.options.max_notes).collect()
    }

    /// Number of notes left out of [`CaptureSet::notes`].
    pub fn notes_left_out(&self) -> u64 {
        self.all_notes().skip(self.options.max_notes).count() as u64
    }

    fn all_notes(&self) -> impl Iterator<Item = Note> {
        let members = self.members.iter().enumerate();
        members.flat_map(|(index, member)| member.record.findings.notes(index, &member.name))
    }

    /// Bytes read of the inputs as stored, so compressed bytes where compressed.
    /// May run ahead of the frames by the read buffers.
    pub fn bytes_read(&self) -> u64 {
        self.members
            .iter()
            .map(|member| member.tally.stored())
            .fold(0, u64::saturating_add)
    }

    /// Stored size of all inputs in bytes; `None` if one of them is a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.members
            .iter()
            .try_fold(0_u64, |sum, member| Some(sum.saturating_add(member.size?)))
    }

    /// Counters that the captures themselves state, as far as read.
    pub fn interface_stats(&self) -> Vec<InterfaceStats> {
        let members = self.members.iter().enumerate();
        members
            .flat_map(|(input, member)| {
                member
                    .record
                    .stats
                    .iter()
                    .map(move |stats| InterfaceStats { input, ..*stats })
            })
            .collect()
    }

    /// Sums over all inputs, as far as read.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            frames: self.frames,
            ..Totals::default()
        };
        for Member { record, .. } in &self.members {
            let count = |kind| record.findings.count(kind);
            totals.left_out = totals
                .left_out
                .saturating_add(count(NoteKind::MalformedPacket))
                .saturating_add(count(NoteKind::UnknownInterface));
            totals.without_time = totals
                .without_time
                .saturating_add(count(NoteKind::WithoutTime));
            totals.time_backwards = totals
                .time_backwards
                .saturating_add(count(NoteKind::TimeBackwards));
            record
                .stats
                .iter()
                .for_each(|stats| totals.add_interface(stats));
        }
        totals
    }
}
