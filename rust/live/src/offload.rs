//! Offloads that merge segments before a packet socket sees them: GRO of the kernel and LRO of
//! the card. Which are on; and switching them off for the time of a run.
//!
//! They are put back when the process ends, however it ends: its rights are gone by then, and
//! `kill -9` runs nothing of it. So a child, forked before the rights are given up, keeps the
//! one right it needs and waits for the end of a pipe that only the process holds open. The
//! child reads no packet, and runs nothing but the calls that were laid out for it.

use std::os::fd::OwnedFd;

use crate::error::LiveError;
use crate::sys::{self, EthtoolCall};

/// `ETHTOOL_GGRO` and `ETHTOOL_SGRO` (`linux/ethtool.h`).
const GET_GRO: u32 = 0x2b;
const SET_GRO: u32 = 0x2c;
/// `ETHTOOL_GFLAGS` and `ETHTOOL_SFLAGS`, and `ETH_FLAG_LRO` among them.
const GET_FLAGS: u32 = 0x25;
const SET_FLAGS: u32 = 0x26;
const LRO: u32 = 1 << 15;

/// Names of the offloads of an interface that merge segments; empty also where nobody knows.
pub fn merging(name: &str) -> Vec<&'static str> {
    let asked = |command| sys::ethtool(&EthtoolCall::new(name, command, 0)).unwrap_or(0);
    let mut on = Vec::new();
    if asked(GET_GRO) != 0 {
        on.push("GRO");
    }
    if asked(GET_FLAGS) & LRO != 0 {
        on.push("LRO");
    }
    on
}

/// Offloads that are off until this is dropped or the process ends.
#[derive(Debug)]
pub struct SwitchedOff {
    _pipe: OwnedFd,
}

/// Switches off what merges segments on these interfaces; nothing where nothing is on.
/// Call it before rights are given up and before any thread is started.
///
/// # Errors
/// No right to (`CAP_NET_ADMIN`), or the call that failed. What was switched off is on again then.
pub fn switch_off(names: &[String]) -> Result<Option<SwitchedOff>, LiveError> {
    let mut pairs: Vec<(EthtoolCall, EthtoolCall)> = Vec::new();
    for name in names {
        let call = |command, value| EthtoolCall::new(name, command, value);
        let on = merging(name);
        if on.contains(&"GRO") {
            pairs.push((call(SET_GRO, 0), call(SET_GRO, 1)));
        }
        if on.contains(&"LRO") {
            let flags = sys::ethtool(&call(GET_FLAGS, 0)).unwrap_or(LRO);
            pairs.push((call(SET_FLAGS, flags & !LRO), call(SET_FLAGS, flags)));
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let failed = |name: &str, source: std::io::Error| match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => LiveError::NoOffloadRight(name.to_owned()),
        _ => LiveError::Call {
            name: name.to_owned(),
            what: "switching an offload off",
            source,
        },
    };
    // The child first: from the first call on, something puts it back.
    let back: Vec<EthtoolCall> = pairs.iter().map(|(_, back)| back.clone()).collect();
    let pipe = sys::call_at_the_end(&back).map_err(|e| failed(&names[0], e))?;
    for (off, _) in &pairs {
        sys::ethtool(off).map_err(|e| failed(off.name(), e))?;
    }
    Ok(Some(SwitchedOff { _pipe: pipe }))
}
