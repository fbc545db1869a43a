//! Flows: the key, the compact record every TCP conversation gets, and the bounded
//! table. Knows sizes and time; what a tunnel session measures lives in `session`.

mod addresses;
pub mod candidate;
mod delta;
mod excerpt;
mod index;
pub mod key;
pub mod prepared;
pub mod record;
mod slab;
pub mod table;
mod tally;

pub use candidate::Candidate;
pub use delta::Delta;
pub use excerpt::Excerpt;
pub use key::FlowKey;
#[cfg(feature = "panics-on-request")]
pub use prepared::PANICS;
pub use prepared::{Prepared, PreparedBatch, Preparer};
pub use record::{Flow, FlowRecord};
pub use table::FlowTable;
