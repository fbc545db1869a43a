//! One ring on one interface: open, take a block, count, bind anew.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ctcpmon_core::bpf::Instruction;
use ctcpmon_core::frame::{FrameBatch, LinkType};

use crate::block::{self, LENGTH, Noted, STATUS, USER};
use crate::error::LiveError;
use crate::interface::Interface;
use crate::sys::{self, Mapping};

/// Bytes of a block: what is copied and handed on at once. Large enough for the largest
/// merged segment (64 KiB) four times over, small enough to stay in a second-level cache
/// (guess). Each block that has a frame in it is taken out of use after [`RETIRE_MS`], full
/// or not: a reader that stands still has (number of blocks) x 50 ms before frames are
/// dropped, however few they are. 12.8 s with the 64 MiB of the default.
const BLOCK: usize = 1 << 18;
/// A block that is not full is handed over after this; the least a finding is late.
const RETIRE_MS: u32 = 50;
/// The unit of `tp_frame_size`, which `TPACKET_V3` asks for and does not use.
const FRAME: usize = 2_048;
/// Room kept in front of each frame for a tag that the card took off.
const RESERVED: u32 = 4;
/// `SOF_TIMESTAMPING_RAW_HARDWARE`: the card's own clock where it stamps, else the kernel's.
const HARDWARE_TIME: i32 = 1 << 6;

/// `ret #0`.
const ACCEPT_NOTHING: Instruction = Instruction {
    code: 6,
    jt: 0,
    jf: 0,
    k: 0,
};

/// `PACKET_FANOUT_FLAG_UNIQUEID`: the kernel finds a number that no other group has. One of our
/// own making might be that of another process (each container begins to count processes at
/// 1), and then both would be given half of the frames, and neither would know.
const NEW_GROUP: u32 = 0x2000_0000;
/// `PACKET_FANOUT_FLAG_IGNORE_OUTGOING`: for a group the option of the socket does not count.
const NO_OUTGOING: u32 = 0x4000_0000;

/// Rings of several threads on one interface, each with its share of the flows: both
/// directions of a flow go to one ring (the kernel's flow hash is symmetric).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fanout {
    /// The first ring of a new group.
    First,
    /// A further one of a group; see [`Ring::group`].
    Of(u16),
}

/// How to capture.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interface.
    pub name: String,
    /// Observation point that its frames are labelled with.
    pub tap: u16,
    /// Memory of the ring, bytes.
    pub ring_bytes: usize,
    /// Frames for others too.
    pub is_promiscuous: bool,
    /// The kernel hands over only what it accepts; empty: everything.
    pub filter: Vec<Instruction>,
    /// One ring of several.
    pub fanout: Option<Fanout>,
}

/// What the kernel and this ring counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that passed the filter: those handed over and those dropped.
    pub received: u64,
    /// Frames dropped because the ring was full.
    pub dropped: u64,
    /// Times the ring was full.
    pub freezes: u64,
    /// Frames handed over.
    pub taken: u64,
    /// Frames that this machine sent, left out.
    pub outgoing: u64,
    /// Frames whose place in the block made no sense, left out.
    pub misplaced: u64,
}

/// What one look at the ring gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A block of frames; they are in the batch.
    Frames {
        /// Their times are of the clock of the machine, not of the card's own.
        by_machine: bool,
    },
    /// Nothing came within the time.
    Nothing,
    /// The interface went down or away. Frames come again by themselves when it only went
    /// down; else see [`Ring::bind_again`].
    Down,
}

/// What asks for the frames of others on an interface.
fn frames_of_others(index: u32) -> libc::packet_mreq {
    libc::packet_mreq {
        mr_ifindex: index as libc::c_int,
        mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
        mr_alen: 0,
        mr_address: [0; 8],
    }
}

/// An open ring.
pub struct Ring {
    socket: OwnedFd,
    memory: Mapping,
    blocks: usize,
    next: usize,
    settings: Settings,
    link: LinkType,
    index: u32,
    counters: Counters,
}

impl Ring {
    /// Opens a ring and begins to receive.
    ///
    /// # Errors
    /// No such interface, no right to capture, a link type that cannot be decoded, or the
    /// call that failed.
    pub fn open(settings: Settings) -> Result<Self, LiveError> {
        let name = settings.name.clone();
        let interface = Interface::named(&name).ok_or_else(|| LiveError::none(&name))?;
        let link = interface.link()?;
        let call = |what: &'static str| {
            let name = name.clone();
            move |source| LiveError::Call { name, what, source }
        };
        let socket = sys::packet_socket().map_err(|source| match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => LiveError::NoRight(name.clone()),
            _ => LiveError::Call {
                name: name.clone(),
                what: "opening a packet socket",
                source,
            },
        })?;
        let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
        sys::set_option(&socket, libc::PACKET_VERSION, &version)
            .map_err(call("asking for TPACKET_V3"))?;
        sys::set_option(&socket, libc::PACKET_RESERVE, &RESERVED)
            .map_err(call("reserving room for a tag"))?;
        // Older kernels and cards without a clock know neither; the frames tell then.
        let _ = sys::set_option(&socket, libc::PACKET_IGNORE_OUTGOING, &1_i32);
        let _ = sys::set_option(&socket, libc::PACKET_TIMESTAMP, &HARDWARE_TIME);
        // A ring of a group takes nothing before it has joined: until then it is alone, and
        // would take a second time what the others get.
        let first: &[Instruction] = match settings.fanout {
            Some(_) => &[ACCEPT_NOTHING],
            None => &settings.filter,
        };
        if !first.is_empty() {
            sys::attach_filter(&socket, first).map_err(call("attaching the filter"))?;
        }
        let blocks = (settings.ring_bytes / BLOCK).max(2);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: (blocks * (BLOCK / FRAME)) as u32,
            tp_retire_blk_tov: RETIRE_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        sys::set_option(&socket, libc::PACKET_RX_RING, &request)
            .map_err(call("making the ring"))?;
        let memory = Mapping::of(&socket, blocks * BLOCK).map_err(call("mapping the ring"))?;
        let mut ring = Self {
            socket,
            memory,
            blocks,
            next: 0,
            settings,
            link,
            index: interface.index,
            counters: Counters::default(),
        };
        ring.bind(interface.index)?;
        if let Some(fanout) = ring.settings.fanout {
            ring.join(fanout)?;
        }
        Ok(ring)
    }

    fn bind(&mut self, index: u32) -> Result<(), LiveError> {
        let call = |what: &'static str| {
            let name = self.settings.name.clone();
            move |source| LiveError::Call { name, what, source }
        };
        sys::bind(&self.socket, index).map_err(call("binding to the interface"))?;
        self.index = index;
        if self.settings.is_promiscuous {
            // It belongs to the socket: the kernel ends it with the process, however that ends.
            sys::set_option(
                &self.socket,
                libc::PACKET_ADD_MEMBERSHIP,
                &frames_of_others(index),
            )
            .map_err(call("asking for the frames of others"))?;
        }
        Ok(())
    }

    /// Joins a group and begins to receive with it.
    fn join(&mut self, fanout: Fanout) -> Result<(), LiveError> {
        let call = |what: &'static str| {
            let name = self.settings.name.clone();
            move |source| LiveError::Call { name, what, source }
        };
        let group = match fanout {
            Fanout::First => NEW_GROUP,
            Fanout::Of(group) => u32::from(group),
        };
        let argument = group | libc::PACKET_FANOUT_HASH << 16 | NO_OUTGOING;
        sys::set_option(&self.socket, libc::PACKET_FANOUT, &argument)
            .map_err(call("joining the group of rings"))?;
        if self.settings.filter.is_empty() {
            sys::detach_filter(&self.socket)
        } else {
            sys::attach_filter(&self.socket, &self.settings.filter)
        }
        .map_err(call("attaching the filter"))
    }

    /// The group that it has joined, for further rings of the same interface.
    ///
    /// # Errors
    /// The call that failed.
    pub fn group(&self) -> Result<u16, LiveError> {
        sys::group_of(&self.socket).map_err(|source| LiveError::Call {
            name: self.settings.name.clone(),
            what: "asking for the group of rings",
            source,
        })
    }

    /// The interface of its name, if the socket is not bound to it: it was made anew, or
    /// taken to another network namespace and back, which keeps its number.
    fn made_anew(&self) -> Option<Interface> {
        let now = Interface::named(&self.settings.name)?;
        let is_bound = now.index == self.index
            && sys::bound_to(&self.socket).is_ok_and(|bound| bound == Some(now.index));
        (!is_bound).then_some(now)
    }

    /// Binds to the interface of the same name when it has been made anew; true when it has.
    /// Needs no right: the socket is the same.
    ///
    /// # Errors
    /// The call that failed; a ring of a group cannot be bound again.
    pub fn bind_again(&mut self) -> Result<bool, LiveError> {
        match self.made_anew() {
            Some(now) => {
                if self.settings.fanout.is_some() {
                    return Err(LiveError::MadeAnew(now.name));
                }
                if now.link()? != self.link {
                    return Err(LiveError::LinkType {
                        name: now.name,
                        hardware: now.hardware,
                    });
                }
                if self.settings.is_promiscuous {
                    // The one of before may still be there, under another name.
                    let before = frames_of_others(self.index);
                    let _ = sys::set_option(&self.socket, libc::PACKET_DROP_MEMBERSHIP, &before);
                }
                self.bind(now.index)?;
                // One that is not up yet tells of it by an error at once; its state says so too.
                let _ = sys::waiting_error(&self.socket);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Name of its interface.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Replaces the content of `batch` by the frames of the next block, waiting for it at most
    /// `time`.
    ///
    /// # Errors
    /// The call that failed.
    pub fn take(&mut self, batch: &mut FrameBatch, time: Duration) -> Result<Taken, LiveError> {
        let at = self.next * BLOCK;
        if self.memory.load(at + STATUS) & USER == 0 {
            let name = &self.settings.name;
            let call = |what: &'static str| {
                move |source| LiveError::Call {
                    name: name.clone(),
                    what,
                    source,
                }
            };
            let woke = sys::wait(&self.socket, time).map_err(call("waiting for frames"))?;
            if self.memory.load(at + STATUS) & USER == 0 {
                if !woke {
                    return Ok(Taken::Nothing);
                }
                let error = sys::waiting_error(&self.socket).map_err(call("asking for errors"))?;
                return match error {
                    0 => Ok(Taken::Nothing),
                    libc::ENETDOWN | libc::ENODEV | libc::ENXIO => Ok(Taken::Down),
                    other => Err(call("receiving")(io::Error::from_raw_os_error(other))),
                };
            }
        }
        batch.clear();
        let length = self.memory.load(at + LENGTH) as usize;
        self.memory.copy(at, length.min(BLOCK), &mut batch.bytes);
        self.memory.store(at + STATUS, 0);
        self.next = (self.next + 1) % self.blocks;
        let (link, tap) = (self.link, self.settings.tap);
        let noted: Noted = block::note_frames(&mut batch.bytes, 0, link, tap, &mut batch.frames);
        self.counters.taken += u64::from(noted.frames);
        self.counters.outgoing += u64::from(noted.outgoing);
        self.counters.misplaced += u64::from(noted.misplaced);
        Ok(Taken::Frames {
            by_machine: noted.by_card == 0,
        })
    }

    /// Receives nothing more; what is in the ring can still be taken. Needs no right.
    ///
    /// # Errors
    /// The call that failed.
    pub fn close_intake(&mut self) -> Result<(), LiveError> {
        sys::attach_filter(&self.socket, &[ACCEPT_NOTHING]).map_err(|source| LiveError::Call {
            name: self.settings.name.clone(),
            what: "ending the intake",
            source,
        })
    }

    /// What was counted so far. Asks the kernel, whose own counters begin anew each time.
    ///
    /// # Errors
    /// The call that failed.
    pub fn counters(&mut self) -> Result<Counters, LiveError> {
        let [received, dropped, freezes] =
            sys::statistics(&self.socket).map_err(|source| LiveError::Call {
                name: self.settings.name.clone(),
                what: "asking for drops",
                source,
            })?;
        self.counters.received += u64::from(received);
        self.counters.dropped += u64::from(dropped);
        self.counters.freezes += u64::from(freezes);
        Ok(self.counters)
    }
}
