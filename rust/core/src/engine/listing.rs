//! Rows of this engine for long lists; see `listing`.

use super::Engine;
use crate::listing::flows::{FlowSubject, flow_id, flow_row};
use crate::listing::sessions::SessionSubject;
use crate::listing::{FlowRow, Kind, Pass, Rank};
use crate::session::Session;

impl Engine {
    /// Looks at the next `most` places for a pass; true when there are no more.
    pub fn list(&self, pass: &mut Pass, most: u32) -> bool {
        let places = match pass.spec.kind {
            Kind::Sessions => self.slots.places() as u32,
            Kind::Flows => self.table.places(),
        };
        let now = self.clock.now().unwrap_or_default();
        let until = pass.next.saturating_add(most).min(places);
        match pass.spec.kind {
            Kind::Sessions => {
                for at in pass.next..until {
                    if let Some(session) = self.slots.get(at) {
                        let row = SessionSubject(session, None);
                        pass.take(&row, at, || session.id(), now);
                    }
                }
            }
            Kind::Flows => {
                let table = &self.table;
                table.each(pass.next, until, |at, flow| {
                    pass.take(&FlowSubject { table, flow, at }, at, || flow_id(flow), now);
                });
            }
        }
        pass.next = until;
        until >= places
    }

    /// Places of the table that a pass looks at.
    pub fn places(&self, kind: Kind) -> usize {
        match kind {
            Kind::Sessions => self.slots.places(),
            Kind::Flows => self.table.places() as usize,
        }
    }

    /// The conversation of a rank, if it is still there.
    pub fn ranked_flow(&self, rank: &Rank) -> Option<FlowRow> {
        let flow = self.table.used(rank.at)?;
        if flow_id(flow) != rank.id {
            return None;
        }
        flow_row(&self.table, rank.at)
    }

    /// The session of a rank, if it still lives.
    pub fn ranked_session(&self, rank: &Rank) -> Option<&Session> {
        let session = self.slots.get(rank.at)?;
        (session.id() == rank.id).then_some(session)
    }

    /// One live session.
    pub fn session(&self, id: u64) -> Option<&Session> {
        self.sessions().find(|s| s.id() == id)
    }
}
