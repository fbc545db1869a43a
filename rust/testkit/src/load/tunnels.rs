//! cTCP sessions as the endpoints write them: SYN, SYN-ACK, IKE, then ESP with a trailer.
//! Neither side sends anything twice; both acknowledge the highest byte they got.

use ctcpmon_core::frame::FrameBatch;

use super::families::Tuple;
use super::wire::{Head, Wire};
use crate::dice::Dice;
use crate::packet::{self, ACK, PSH, SYN};

/// Packets that open one session: SYN, SYN-ACK, IKE of both sides, ESP of both sides.
pub(super) const OPENING: u64 = 6;
const TRAILER: [u8; 16] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x45, 0x6c, 0x69, 0x10, 0x32, 1, 0,
];
/// Payload bytes: voice, office, bulk.
const SIZES: [u32; 4] = [92, 220, 508, 1_236];

#[derive(Clone, Copy, Debug, Default)]
struct Tunnel {
    next: [u32; 2],
    /// Highest byte of each side that the other one got.
    got: [u32; 2],
    esp: [u32; 2],
    ip_id: [u16; 2],
    step: u8,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Tunnels {
    all: Vec<Tunnel>,
    opened: usize,
}

fn ends(number: usize) -> Tuple {
    Tuple {
        src: 0xac10_0000 + number as u32,
        src_port: 1_060 + (number % 50_000) as u16,
        dst: 0xcb00_7109,
        dst_port: 10_000,
    }
}

fn esp_head(spi: u32, number: u32) -> [u8; 8] {
    let mut head = [0; 8];
    head[..4].copy_from_slice(&spi.to_be_bytes());
    head[4..].copy_from_slice(&number.to_be_bytes());
    head
}

/// One ESP packet of a tuple nobody has seen.
pub(super) fn stranger(tuple: &Tuple, dice: &mut Dice, wire: &Wire, batch: &mut FrameBatch) {
    let head = Head::new(tuple, dice.bits() as u32, ACK | PSH, dice.bits() as u16);
    let spi = dice.bits() as u32 | 0x1000;
    wire.push_whole(batch, &head, &esp_head(spi, 1), 92, &TRAILER);
}

impl Tunnels {
    pub(super) fn new(sessions: u32) -> Self {
        Self {
            all: vec![Tunnel::default(); sessions as usize],
            opened: 0,
        }
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opened < self.all.len()
    }

    fn choose(&mut self, dice: &mut Dice) -> usize {
        if !self.is_opening() {
            return dice.between(0, self.all.len() as i64 - 1) as usize;
        }
        // One after the other, each with all packets that open it.
        let number = self.opened;
        if u64::from(self.all[number].step) + 1 == OPENING {
            self.opened += 1;
        }
        number
    }

    /// The next packet of one session; with the probability `loss` the one before it, of
    /// the same side, never reached the tap.
    pub(super) fn send(&mut self, dice: &mut Dice, wire: &Wire, batch: &mut FrameBatch, loss: f64) {
        let number = self.choose(dice);
        self.of(number, dice, wire, batch, loss, 0);
    }

    /// The next packet, of full size and without a trailer once in a while: the stream
    /// has been cut anew.
    pub(super) fn send_recut(&mut self, dice: &mut Dice, wire: &Wire, batch: &mut FrameBatch) {
        let number = self.choose(dice);
        self.of(number, dice, wire, batch, 0.0, 1_400);
    }

    fn of(
        &mut self,
        number: usize,
        dice: &mut Dice,
        wire: &Wire,
        batch: &mut FrameBatch,
        loss: f64,
        size: u32,
    ) {
        let t = &mut self.all[number];
        if t.step == 0 {
            let iss = (number as u32).wrapping_mul(0x9e37_79b1);
            t.next = [iss, iss ^ 0x5555_5555];
        }
        let step = t.step;
        t.step = t.step.saturating_add(1);
        let dir = if u64::from(step) < OPENING {
            usize::from(step % 2)
        } else {
            usize::from(dice.chance(0.5))
        };
        let len = match (step, size) {
            (0 | 1, _) => 0,
            (2 | 3, _) => 8 + 300 + 16,
            (4 | 5, _) | (_, 0) => dice.pick(&SIZES),
            _ => size,
        };
        if u64::from(step) >= OPENING && dice.chance(loss) {
            t.next[dir] = t.next[dir].wrapping_add(dice.pick(&SIZES));
            t.esp[dir] += 1;
        }
        let flags = match step {
            0 => SYN,
            1 => SYN | ACK,
            _ => ACK | PSH,
        };
        let tuple = ends(number);
        t.ip_id[dir] = t.ip_id[dir].wrapping_add(1);
        let mut head = Head::new(
            &if dir == 0 { tuple } else { tuple.swapped() },
            t.next[dir],
            flags,
            t.ip_id[dir],
        );
        head.window = 65_535;
        head.ttl = [127, 254][dir];
        if step > 0 {
            head.ack = t.got[1 - dir];
        }
        t.next[dir] = t.next[dir].wrapping_add(len + u32::from(flags & SYN != 0));
        t.got[dir] = t.next[dir];
        match step {
            0 | 1 => wire.push_whole(batch, &head, &[], 0, &[]),
            2 | 3 => {
                let cookie = 0xc1c2_0000_0000_0000 | number as u64;
                let answer = if dir == 0 { 0 } else { !cookie };
                let message = packet::ike(4, cookie, answer, 0, 300);
                wire.push_whole(batch, &head, &message, message.len(), &[]);
            }
            _ => {
                t.esp[dir] += 1;
                let spi = [0x2000_0000, 0x3000_0000][dir] | number as u32;
                let is_cut_anew = size > 0 && t.esp[dir].is_multiple_of(16);
                let trailer: &[u8] = if is_cut_anew { &[] } else { &TRAILER };
                let start = esp_head(spi, t.esp[dir]);
                wire.push_whole(batch, &head, &start, len as usize, trailer);
            }
        }
    }
}
