//! The ISAKMP header (RFC 2408 section 3.1) and the rhythm of IKE messages.
//!
//! Only header fields are read: cookies, exchange, length. Nonces, hashes and
//! key material are never copied out of a packet.

use crate::time::Timestamp;

/// Length of the ISAKMP header in bytes.
pub const HEADER_LEN: usize = 28;

/// Header fields of one ISAKMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsakmpHeader {
    /// Initiator cookie (IKEv2: SPI).
    pub initiator: u64,
    /// Responder cookie; 0 in the first message.
    pub responder: u64,
    /// Major and minor version: 0x10 IKEv1, 0x20 IKEv2.
    pub version: u8,
    /// Exchange type.
    pub exchange: u8,
    /// Flag bits; bit 0 is *encrypted* in IKEv1.
    pub flags: u8,
    /// Message id; 0 in phase 1.
    pub message_id: u32,
    /// Length of the message including this header, bytes.
    pub length: u32,
}

/// Exchange types that travel inside cTCP: Main, Aggressive, Informational,
/// Transaction (XAUTH, mode config), Quick.
pub const V1_EXCHANGES: [u8; 5] = [2, 4, 5, 6, 32];
/// IKEv2 exchange types, RFC 7296 section 3.1.
pub const V2_EXCHANGES: [u8; 4] = [34, 35, 36, 37];

/// The exchange by its name in the field; `None` for a number not known here.
pub fn exchange_name(exchange: u8) -> Option<&'static str> {
    Some(match exchange {
        2 => "main",
        4 => "aggressive",
        5 => "informational",
        6 => "transaction",
        32 => "quick",
        34 => "ike_sa_init",
        35 => "ike_auth",
        36 => "create_child_sa",
        37 => "ikev2_informational",
        _ => return None,
    })
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..at + 8)?
        .try_into()
        .ok()
        .map(u64::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}

impl IsakmpHeader {
    /// Reads a header; `None` when fewer than 28 bytes are there or a field holds
    /// a value no IKE implementation sends.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            initiator: u64_at(bytes, 0)?,
            responder: u64_at(bytes, 8)?,
            version: *bytes.get(17)?,
            exchange: *bytes.get(18)?,
            flags: *bytes.get(19)?,
            message_id: u32_at(bytes, 20)?,
            length: u32_at(bytes, 24)?,
        };
        let known = match header.version {
            0x10 => V1_EXCHANGES.contains(&header.exchange) && header.flags & !0x07 == 0,
            0x20 => V2_EXCHANGES.contains(&header.exchange) && header.flags & !0x38 == 0,
            _ => false,
        };
        (known && header.initiator != 0 && header.length as usize >= HEADER_LEN).then_some(header)
    }
}

/// IKE messages of one session: who asked, who answered, how fast.
///
/// `DPD` in IKEv1 uses two informational messages with different message ids
/// (RFC 3706 section 5.3), so answers are paired by order and time, not by id.
#[derive(Clone, Copy, Debug, Default)]
pub struct IkeMeter {
    /// Messages by direction: to the headend, to the client.
    pub messages: [u32; 2],
    /// Messages of this direction since the other side last sent one.
    pub unanswered: [u32; 2],
    /// First message of that run.
    pub unanswered_since: [Option<Timestamp>; 2],
    /// Last message by direction.
    pub last: [Option<Timestamp>; 2],
    /// How often a message of this direction was answered.
    pub answered: [u32; 2],
    /// Smallest time from a message to the other side's next, ns; 0: none yet.
    pub rtt_min_ns: [i64; 2],
    /// Initiator cookie of the latest message with one.
    pub initiator: u64,
    /// Responder cookie, once seen.
    pub responder: u64,
    /// Exchange of the latest message.
    pub exchange: u8,
    /// Last encrypted informational of DPD or delete size, by direction.
    pub last_informational: [Option<Timestamp>; 2],
}

impl IkeMeter {
    /// Takes one message sent in direction `dir` (0 to the headend, 1 to the client).
    pub fn on_message(&mut self, dir: usize, header: Option<&IsakmpHeader>, ts: Timestamp) {
        let other = 1 - dir;
        self.messages[dir] = self.messages[dir].saturating_add(1);
        if self.unanswered[other] > 0 {
            self.answered[other] = self.answered[other].saturating_add(1);
            if let Some(asked) = self.last[other] {
                let rtt = ts.since(asked).max(1);
                let min = &mut self.rtt_min_ns[other];
                *min = if *min == 0 { rtt } else { rtt.min(*min) };
            }
        }
        self.unanswered[other] = 0;
        self.unanswered_since[other] = None;
        self.unanswered[dir] = self.unanswered[dir].saturating_add(1);
        self.unanswered_since[dir].get_or_insert(ts);
        self.last[dir] = Some(ts);
        if let Some(h) = header {
            self.initiator = h.initiator;
            if h.responder != 0 {
                self.responder = h.responder;
            }
            self.exchange = h.exchange;
            if h.exchange == 5 {
                self.last_informational[dir] = Some(ts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: u8, exchange: u8) -> [u8; 28] {
        let mut b = [0; 28];
        b[0] = 1;
        b[17] = version;
        b[18] = exchange;
        b[27] = 92;
        b
    }

    #[test]
    fn reads_what_ike_sends_and_nothing_else() {
        assert!(IsakmpHeader::parse(&header(0x10, 4)).is_some());
        assert!(IsakmpHeader::parse(&header(0x10, 7)).is_none());
        assert!(IsakmpHeader::parse(&header(0x30, 4)).is_none());
        assert!(IsakmpHeader::parse(&header(0x10, 4)[..27]).is_none());
    }

    #[test]
    fn pairs_questions_and_answers_by_order() {
        let mut m = IkeMeter::default();
        m.on_message(0, None, Timestamp(0));
        m.on_message(1, None, Timestamp(50));
        m.on_message(0, None, Timestamp(100));
        m.on_message(0, None, Timestamp(200));
        assert_eq!(
            (m.answered[0], m.unanswered[0], m.rtt_min_ns[0]),
            (1, 2, 50)
        );
        assert_eq!(m.unanswered_since[0], Some(Timestamp(100)));
    }
}
