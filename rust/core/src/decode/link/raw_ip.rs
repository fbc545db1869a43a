//! IP without a link header (`LINKTYPE_RAW`, `LINKTYPE_IPV4`, `LINKTYPE_IPV6`).

use crate::decode::ip_step;
use crate::decode::walk::{Step, Walk};

/// Decodes the IP header; the version nibble decides, whatever the type is called.
pub(super) fn enter(walk: &mut Walk<'_>) -> Step {
    ip_step(walk)
}
