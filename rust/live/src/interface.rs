//! Interfaces as the kernel knows them and as `/sys/class/net` lists them. Reads; changes nothing.

use std::fs;
use std::path::Path;

use ctcpmon_core::frame::LinkType;

use crate::block::ETHERNET;
use crate::error::LiveError;
use crate::offload::merging;
use crate::sys;

/// `LINKTYPE_RAW`: the frame begins with the IP header.
const RAW: LinkType = LinkType(101);
/// `LINKTYPE_IEEE802_11_RADIOTAP`.
const RADIOTAP: LinkType = LinkType(127);

/// Hardware types of Linux (`linux/if_arp.h`) and what their frames begin with.
const LINKS: &[(u16, LinkType)] = &[
    (1, ETHERNET),
    // The loopback: an Ethernet header of zeros.
    (772, ETHERNET),
    // Tunnels that hand over bare packets: TUN, IPIP, SIT, IPv6 in IPv6.
    (65_534, RAW),
    (768, RAW),
    (769, RAW),
    (776, RAW),
    (803, RADIOTAP),
];

/// What the system says of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name, as given to `ctcpmon live`.
    pub name: String,
    /// Number; another one after the interface was made anew.
    pub index: u32,
    /// ARPHRD number.
    pub hardware: u16,
    /// Operational state: up, down, unknown, ...
    pub state: String,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Mbit/s, when the driver knows.
    pub speed_mbit: Option<u32>,
    /// Driver, when there is a device behind it.
    pub driver: Option<String>,
    /// Frames received since it was made.
    pub received: u64,
    /// Frames sent since it was made.
    pub sent: u64,
    /// Frames that driver or card dropped or missed.
    pub dropped: u64,
    /// Offloads that merge segments before they are seen: GRO, LRO.
    pub merging: Vec<&'static str>,
}

impl Interface {
    /// The interface called `name`, now. Another name of it (`altname`) finds none: see
    /// [`LiveError::none`].
    pub fn named(name: &str) -> Option<Self> {
        let index = sys::index_of(name)?;
        if sys::name_of(index)? != name {
            return None;
        }
        let facts = sys::facts_of(name)?;
        let folder = Path::new("/sys/class/net").join(name);
        let read = |file: &str| {
            let read = fs::read_to_string(folder.join(file)).ok()?;
            Some(read.trim().to_owned())
        };
        // A process that has entered another network namespace still has the `/sys` of before.
        let is_of_here = read("ifindex") == Some(index.to_string());
        let text = |file: &str| is_of_here.then(|| read(file)).flatten();
        let number = |file: &str| text(file)?.parse::<u64>().ok();
        let counter = |file: &str| number(&format!("statistics/{file}")).unwrap_or(0);
        let driver = is_of_here
            .then(|| fs::read_link(folder.join("device/driver")).ok())
            .flatten();
        let state = if facts.is_running { "up" } else { "down" };
        Some(Self {
            name: name.to_owned(),
            index,
            hardware: facts.hardware,
            state: text("operstate").unwrap_or_else(|| state.into()),
            mtu: facts.mtu,
            speed_mbit: number("speed").and_then(|n| n.try_into().ok()),
            driver: driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
            received: counter("rx_packets"),
            sent: counter("tx_packets"),
            dropped: counter("rx_dropped")
                .saturating_add(counter("rx_missed_errors"))
                .saturating_add(counter("rx_fifo_errors")),
            merging: Vec::new(),
        })
    }

    /// What its frames begin with.
    pub fn link(&self) -> Result<LinkType, LiveError> {
        let known = LINKS
            .iter()
            .find(|(hardware, _)| *hardware == self.hardware);
        known.map(|(_, link)| *link).ok_or(LiveError::LinkType {
            name: self.name.clone(),
            hardware: self.hardware,
        })
    }
}

/// All interfaces, in the order of their numbers, with what merges segments on them.
///
/// # Errors
/// When the system does not list them.
pub fn interfaces() -> Result<Vec<Interface>, LiveError> {
    let mut names = sys::names().map_err(|source| LiveError::Call {
        name: "interfaces".into(),
        what: "listing",
        source,
    })?;
    names.sort_unstable();
    Ok(names
        .iter()
        .filter_map(|(_, name)| Interface::named(name))
        .map(|one| Interface {
            merging: merging(&one.name),
            ..one
        })
        .collect())
}
