//! The ISAKMP header (RFC 2408 section 3.1); the rhythm of IKE messages is in `meter`.
//!
//! Only header fields are read: cookies, exchange, length. Nonces, hashes and
//! key material are never copied out of a packet.

mod meter;

pub use self::meter::IkeMeter;

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

/// Informational exchanges: DPD, deletes, notifies.
const INFORMATIONAL: [u8; 2] = [5, 37];

fn is_informational(exchange: u8) -> bool {
    INFORMATIONAL.contains(&exchange)
}

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
