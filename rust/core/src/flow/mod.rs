//! Flows: the key, the compact record every TCP conversation gets, and the bounded
//! table. Knows sizes and time; what a tunnel session measures lives in `session`.

pub mod candidate;
mod index;
pub mod key;
pub mod prepared;
pub mod record;
mod slab;
pub mod table;

pub use candidate::Candidate;
pub use key::FlowKey;
pub use prepared::{Prepared, Preparer};
pub use record::FlowRecord;
pub use table::FlowTable;
