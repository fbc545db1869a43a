//! Live capture: a packet ring of Linux (`AF_PACKET`, `TPACKET_V3`) for each interface.
//!
//! Frames are copied out of the ring a block at a time into a [`FrameBatch`]
//! (`ctcpmon_core::frame`), the same that a file is read into, and the block goes back to the
//! kernel at once. No decoding past the link type, no threads, no queue: who reads slowly lets
//! the ring fill, and the kernel counts what it drops.
//!
//! Nothing here sends a frame. `sys` is the only place with `unsafe`.
#![cfg(target_os = "linux")]

mod block;
mod confine;
mod error;
mod interface;
mod memory;
mod offload;
mod ring;
mod sys;

pub use confine::{Confined, Needs, confine, try_confine};
pub use ctcpmon_core::bpf::Instruction;
pub use error::LiveError;
pub use interface::{Interface, interfaces};
pub use memory::memory_available;
pub use offload::{SwitchedOff, merging, switch_off};
pub use ring::{Counters, Fanout, Ring, Settings, Taken};
pub use sys::{Account, give_up_rights};
