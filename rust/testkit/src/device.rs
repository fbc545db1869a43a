//! Models of the devices that stall a session, after what real ones did in the lab.

use crate::packet::{ACK, RST, SYN, Segment};

/// What stands in the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A router.
    None,
    /// Connection tracking: drops what lies more than min(2 x window, 66 kB) beyond the
    /// last ACK it accepted; with `reset` it answers such a packet with a RST.
    Tracking {
        /// Reject with a RST to the sender instead of dropping.
        reset: bool,
    },
    /// Inspection: holds everything beyond a hole; `release_ms` lets it go, or never.
    Inspection {
        /// Time after which the held segments go on their way.
        release_ms: Option<i64>,
    },
    /// Inspection that drops what it held after this time and goes on with the next.
    Dropping {
        /// Time after which the held segments are dropped.
        after_ms: i64,
    },
    /// A proxy towards the client: acknowledges itself, with SACK at a hole.
    Proxy,
    /// State lost at this time (ms): everything is dropped from then on.
    StateLost {
        /// When.
        at_ms: i64,
    },
}

/// State of a device for one session.
#[derive(Clone, Debug, Default)]
pub struct State {
    next: [Option<u32>; 2],
    acked: [Option<u32>; 2],
    window: [u16; 2],
    window_max: [u16; 2],
    /// Segments of this side since that repeated its ACK.
    repeats: [u32; 2],
    held: Vec<(i64, Segment)>,
    own_id: u16,
}

/// What a device does with one segment: deliver it, and send segments of its own.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Goes on to its receiver.
    pub deliver: Vec<Segment>,
    /// Goes back to the sender of the segment.
    pub answer: Vec<Segment>,
}

fn ahead(a: u32, b: u32) -> i64 {
    i64::from(a.wrapping_sub(b) as i32)
}

impl State {
    /// Takes one segment that reached the device at `now_ms`.
    pub fn take(&mut self, device: &Device, segment: Segment, now_ms: i64) -> Outcome {
        let dir = segment.dir;
        match device {
            Device::None => Outcome {
                deliver: vec![segment],
                ..Outcome::default()
            },
            Device::StateLost { at_ms } => Outcome {
                deliver: if now_ms < *at_ms {
                    vec![segment]
                } else {
                    vec![]
                },
                ..Outcome::default()
            },
            Device::Tracking { reset } => {
                let window = i64::from(self.window[1 - dir].max(1));
                let most = window + i64::from(self.window_max[1 - dir]);
                // Without any ACK the second window is never cut short (lab-findings 1.6).
                let cap = if self.repeats[1 - dir] > 0 {
                    66_000
                } else {
                    i64::MAX
                };
                let allowed = most.min(cap).max(window);
                let base = self.acked[1 - dir]
                    .or(self.next[dir])
                    .unwrap_or(segment.seq);
                if ahead(segment.end(), base) > allowed && segment.flags & (SYN | RST) == 0 {
                    let mut out = Outcome::default();
                    if *reset {
                        self.own_id = self.own_id.wrapping_add(1);
                        out.answer.push(Segment {
                            dir: 1 - dir,
                            seq: segment.ack,
                            ack: 0,
                            flags: RST,
                            window: 0,
                            payload: vec![],
                            options: vec![],
                            ttl: 64,
                            ip_id: self.own_id,
                        });
                    }
                    return out;
                }
                self.window_max[dir] = self.window_max[dir].max(segment.window);
                self.next[dir] = Some(segment.end());
                let moves = self.acked[dir].is_none_or(|old| ahead(segment.ack, old) > 0);
                if segment.flags & ACK != 0 && moves {
                    self.acked[dir] = Some(segment.ack);
                    self.repeats[dir] = 0;
                } else {
                    self.repeats[dir] += 1;
                }
                if moves || segment.window > self.window[dir] {
                    self.window[dir] = segment.window;
                }
                Outcome {
                    deliver: vec![segment],
                    ..Outcome::default()
                }
            }
            Device::Inspection { release_ms } => self.inspect(segment, now_ms, *release_ms),
            Device::Dropping { after_ms } => {
                let is_old = |at: i64| now_ms - at >= *after_ms;
                if self.held.first().is_some_and(|(at, _)| is_old(*at)) {
                    for (_, held) in self.held.drain(..) {
                        self.next[held.dir] = None;
                    }
                }
                self.inspect(segment, now_ms, None)
            }
            Device::Proxy => self.proxy(segment),
        }
    }

    fn inspect(&mut self, segment: Segment, now_ms: i64, release_ms: Option<i64>) -> Outcome {
        let dir = segment.dir;
        let next = self.next[dir].unwrap_or(segment.seq);
        let mut out = Outcome::default();
        if segment.payload.is_empty() || ahead(segment.seq, next) <= 0 {
            // An empty ACK beyond the hole passes and closes nothing.
            let in_order = ahead(segment.seq, next) <= 0;
            if in_order && ahead(segment.end(), next) > 0 || self.next[dir].is_none() {
                self.next[dir] = Some(segment.end());
            }
            out.deliver.push(segment);
            self.fill(dir, &mut out);
        } else {
            self.held.push((now_ms, segment));
        }
        if let Some(release) = release_ms
            && self
                .held
                .first()
                .is_some_and(|(at, _)| now_ms - at >= release)
        {
            for (_, held) in self.held.drain(..) {
                self.next[held.dir] = Some(held.end());
                out.deliver.push(held);
            }
        }
        out
    }

    /// Lets go what is in order again.
    fn fill(&mut self, dir: usize, out: &mut Outcome) {
        while let Some(at) = self.held.iter().position(|(_, held)| {
            held.dir == dir && self.next[dir].is_some_and(|next| ahead(held.seq, next) <= 0)
        }) {
            let (_, held) = self.held.remove(at);
            if self.next[dir].is_some_and(|next| ahead(held.end(), next) > 0) {
                self.next[dir] = Some(held.end());
            }
            out.deliver.push(held);
        }
    }

    /// Terminates the client's leg only: enough to freeze the client's direction.
    fn proxy(&mut self, segment: Segment) -> Outcome {
        let mut out = Outcome::default();
        if segment.dir == 1 {
            let next = self.next[0];
            let ack = next.unwrap_or(segment.ack);
            self.acked[1] = Some(segment.end());
            out.deliver.push(Segment {
                ack,
                ttl: 64,
                window: 64_000,
                ..segment
            });
            return out;
        }
        let next = self.next[0].unwrap_or(segment.seq);
        let beyond = ahead(segment.seq, next) > 0;
        if segment.payload.is_empty() || !beyond {
            if ahead(segment.end(), next) > 0 || self.next[0].is_none() {
                self.next[0] = Some(segment.end());
            }
            out.deliver.push(segment);
            return out;
        }
        self.own_id = self.own_id.wrapping_add(1);
        let mut options = vec![1, 1, 5, 10];
        options.extend(segment.seq.to_be_bytes());
        options.extend(segment.end().to_be_bytes());
        out.answer.push(Segment {
            dir: 1,
            seq: self.acked[1].unwrap_or(segment.ack),
            ack: next,
            flags: ACK,
            window: 64_000,
            payload: vec![],
            options,
            ttl: 64,
            ip_id: self.own_id,
        });
        out
    }
}
