//! Ordinary TCP conversations: handshake, requests, answers of several segments, ACKs.

use ctcpmon_core::frame::FrameBatch;

use super::families::{Tuple, stranger};
use super::wire::{Head, Wire};
use crate::dice::Dice;
use crate::packet::{ACK, PSH, SYN};

/// Packets that open one conversation before others are sent: its handshake.
pub(super) const OPENING: u64 = 3;
/// Timestamps alone (RFC 7323 appendix A), the options of an established connection.
pub(super) const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
const SYN_OPTIONS: [u8; 20] = [
    2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
];
/// Steps of a conversation behind its handshake: request, four answers and two ACKs.
const ROUND: u8 = 7;
const REQUEST: u32 = 180;
const ANSWER: u32 = 1_400;
/// Spreads ranks over the numbers of flows: popular flows lie nowhere near each other in
/// memory. A prime above every number of flows.
const SPREAD: u64 = 2_147_483_647;
/// Looks for an open flow of the drawn popularity before any open one is taken.
const TRIES: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Conversation {
    next: [u32; 2],
    step: u8,
}

/// All conversations.
#[derive(Debug)]
pub(super) struct Conversations {
    all: Vec<Conversation>,
    /// Those below this number have been opened.
    opened: usize,
}

impl Conversations {
    pub(super) fn new(flows: u32) -> Self {
        Self {
            all: vec![Conversation::default(); flows as usize],
            opened: 0,
        }
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opened < self.all.len()
    }

    /// The flow that sends next while all are opened: one after the other, each with its whole handshake.
    pub(super) fn next_to_open(&mut self) -> Option<usize> {
        let flow = self.opened;
        let step = self.all.get(flow)?.step;
        self.opened += usize::from(u64::from(step) + 1 == OPENING);
        Some(flow)
    }

    /// The flow that sends next; one that `opens` is begun, and the others go on with theirs.
    pub(super) fn choose(&mut self, dice: &mut Dice, opens: bool, by_popularity: bool) -> usize {
        let flows = self.all.len();
        if self.is_opening() && (opens || self.opened == 0) {
            self.opened += 1;
            return self.opened - 1;
        }
        if by_popularity {
            for _ in 0..TRIES {
                // The inverse of the distribution function of 1 / rank.
                let rank = ((flows as f64 + 1.0).powf(dice.share()) - 1.0) as u64;
                let flow = (rank * SPREAD % flows as u64) as usize;
                if flow < self.opened {
                    return flow;
                }
            }
        }
        dice.between(0, self.opened as i64 - 1) as usize
    }

    /// The next segment of a flow; with `has_holes` it leaves out one before itself.
    pub(super) fn send(
        &mut self,
        flow: usize,
        dice: &mut Dice,
        wire: &mut Wire,
        batch: &mut FrameBatch,
        has_holes: bool,
    ) {
        let tuple = stranger(flow as u64);
        let c = &mut self.all[flow];
        let is_first = c.step == 0;
        if is_first {
            let iss = (flow as u32).wrapping_mul(0x9e37_79b1);
            c.next = [iss, iss ^ 0x5555_5555];
        }
        // 0 to 2 are the handshake.
        let (dir, len, flags) = match c.step {
            0 => (0, 0, SYN),
            1 => (1, 0, SYN | ACK),
            2 => (0, 0, ACK),
            step => match (step - 3) % ROUND {
                0 => (0, REQUEST, ACK | PSH),
                1 | 2 | 4 | 5 => (1, ANSWER, ACK),
                _ => (0, 0, ACK),
            },
        };
        c.step = if c.step == 2 + ROUND { 3 } else { c.step + 1 };
        if has_holes && len > 0 {
            c.next[dir] = c.next[dir].wrapping_add(len);
        }
        let repeats = !has_holes && len > 0 && c.step > 4 && dice.chance(0.01);
        let back = if repeats { len } else { 0 };
        let mut head = Head::new(
            &if dir == 0 { tuple } else { tuple.swapped() },
            c.next[dir].wrapping_sub(back),
            flags,
            dice.bits() as u16,
        );
        if flags & ACK != 0 {
            head.ack = c.next[1 - dir];
        }
        if !repeats {
            let used = len + u32::from(flags & SYN != 0);
            c.next[dir] = c.next[dir].wrapping_add(used);
        }
        let options: &[u8] = if flags & SYN == 0 {
            &TIMESTAMPS
        } else {
            &SYN_OPTIONS
        };
        let first: &[u8] = if dir == 0 { b"GET /" } else { &[] };
        wire.push(batch, &head, options, len as usize, first);
    }
}

impl Tuple {
    /// The tuple of the other direction.
    pub(super) fn swapped(&self) -> Self {
        Self {
            src: self.dst,
            src_port: self.dst_port,
            dst: self.src,
            dst_port: self.src_port,
        }
    }
}
