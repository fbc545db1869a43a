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
                let allowed = (2 * window).min(66_000).max(window);
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
                self.window[dir] = segment.window;
                self.next[dir] = Some(segment.end());
                if segment.flags & ACK != 0 {
                    self.acked[dir] = Some(segment.ack);
                }
                Outcome {
                    deliver: vec![segment],
                    ..Outcome::default()
                }
            }
            Device::Inspection { release_ms } => self.inspect(segment, now_ms, *release_ms),
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
