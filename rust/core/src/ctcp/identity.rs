//! Who the ends of a tunnel are, as far as aggressive mode says it in clear
//! (RFC 2408 sections 3.2 to 3.16; ID types RFC 2407 section 4.6.2.1).
//!
//! Only identification and vendor-ID payloads are read. Nonces, hashes, signatures and
//! key exchange payloads are stepped over by their length and never copied.

use super::ike::{HEADER_LEN, IsakmpHeader};

/// Payloads looked at in one message; a real one has about ten.
const MAX_PAYLOADS: usize = 24;
/// Longest group name kept, bytes (guess: ASA allows 64 characters for a tunnel group).
const MAX_NAME: usize = 64;
const AGGRESSIVE: u8 = 4;
const ENCRYPTED: u8 = 1;
const ID: u8 = 5;
const VENDOR: u8 = 13;
/// ID types that carry a name: FQDN, user FQDN, key id (the Cisco group).
const NAMES: [u8; 3] = [2, 3, 11];

/// A vendor ID that says something about a peer.
struct VendorId {
    start: &'static [u8],
    name: &'static str,
}

/// Vendor IDs by their first bytes (ike-scan's list of vendor IDs; QuickSec).
const VENDORS: [VendorId; 5] = [
    VendorId {
        start: &[
            0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc,
        ],
        name: "cisco-unity",
    },
    VendorId {
        start: &[
            0x1f, 0x07, 0xf7, 0x0e, 0xaa, 0x65, 0x14, 0xd3, 0xb0, 0xfa, 0x96, 0x54, 0x2a, 0x50,
        ],
        name: "vpn3000-concentrator",
    },
    VendorId {
        start: &[
            0xf6, 0xf7, 0xef, 0xc7, 0xf5, 0xae, 0xb8, 0xcb, 0x15, 0x8c, 0xb9, 0xd0, 0x94, 0xba,
            0x69, 0xe7,
        ],
        name: "vpn3000-client",
    },
    VendorId {
        start: &[0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12],
        name: "xauth",
    },
    VendorId {
        start: &[
            0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57,
        ],
        name: "dpd",
    },
];

/// What was said in clear; few sessions say anything.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    group: Option<Box<[u8]>>,
    vendors: u8,
}

/// Nothing was said.
pub static UNNAMED: Identity = Identity {
    group: None,
    vendors: 0,
};

impl Identity {
    /// The VPN group that the client named, as raw bytes from the wire: clean before use.
    pub fn group(&self) -> Option<&[u8]> {
        self.group.as_deref()
    }

    /// Names of the vendor IDs that either side sent.
    pub fn vendors(&self) -> impl Iterator<Item = &'static str> {
        let said = self.vendors;
        VENDORS
            .iter()
            .enumerate()
            .filter(move |(i, _)| said >> i & 1 == 1)
            .map(|(_, v)| v.name)
    }

    /// True when either was named.
    pub(super) fn is_something(&self) -> bool {
        self.group.is_some() || self.vendors != 0
    }

    /// True when a message with this header may say something in clear.
    pub(super) fn may_be_in(header: &IsakmpHeader) -> bool {
        header.exchange == AGGRESSIVE && header.flags & ENCRYPTED == 0
    }

    /// Takes one IKE message, ISAKMP header first; `is_client` when the client sent it.
    pub fn on_message(&mut self, header: &IsakmpHeader, message: &[u8], is_client: bool) {
        if !Self::may_be_in(header) {
            return;
        }
        let end = message.len().min(header.length as usize);
        let mut next = message.get(16).copied().unwrap_or(0);
        let mut at = HEADER_LEN;
        for _ in 0..MAX_PAYLOADS {
            let Some(&[following, _, high, low]) = message.get(at..at + 4).map(|h| {
                // The slice has four bytes by construction.
                <&[u8; 4]>::try_from(h).unwrap_or(&[0; 4])
            }) else {
                return;
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some(body) = message.get(at + 4..(at + length).min(end)) else {
                return;
            };
            match next {
                0 => return,
                VENDOR => self.on_vendor(body),
                ID if is_client && self.group().is_none() && at + length <= end => {
                    self.on_identification(body);
                }
                _ => {}
            }
            if length < 4 {
                return;
            }
            (next, at) = (following, at + length);
        }
    }

    fn on_vendor(&mut self, body: &[u8]) {
        if let Some(i) = VENDORS.iter().position(|v| body.starts_with(v.start)) {
            self.vendors |= 1 << i;
        }
    }

    fn on_identification(&mut self, body: &[u8]) {
        if let [kind, _, _, _, name @ ..] = body
            && NAMES.contains(kind)
            && (1..=MAX_NAME).contains(&name.len())
        {
            self.group = Some(name.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(next: u8, body: &[u8]) -> Vec<u8> {
        let mut p = vec![next, 0];
        p.extend((body.len() as u16 + 4).to_be_bytes());
        p.extend(body);
        p
    }

    fn message(first: u8, payloads: &[u8]) -> Vec<u8> {
        let mut m = vec![0xc1; 8];
        m.extend([0; 8]);
        m.extend([first, 0x10, AGGRESSIVE, 0, 0, 0, 0, 0]);
        m.extend((HEADER_LEN as u32 + payloads.len() as u32).to_be_bytes());
        m.extend(payloads);
        m
    }

    fn read(m: &[u8], is_client: bool) -> Identity {
        let mut identity = Identity::default();
        if let Some(header) = IsakmpHeader::parse(m) {
            identity.on_message(&header, m, is_client);
        }
        identity
    }

    fn first_message() -> Vec<u8> {
        let parts = [
            payload(4, &[0; 40]),
            payload(10, &[0xaa; 128]),
            payload(ID, &[0xbb; 20]),
            payload(VENDOR, &[11, 17, 1, 0xf4, b's', b't', b'a', b'f', b'f']),
            payload(VENDOR, VENDORS[3].start),
            payload(0, &[VENDORS[0].start, &[1, 0]].concat()),
        ];
        message(1, &parts.concat())
    }

    #[test]
    fn reads_the_group_and_the_vendors_and_nothing_secret() {
        let identity = read(&first_message(), true);
        assert_eq!(identity.group(), Some(b"staff".as_slice()));
        assert_eq!(
            identity.vendors().collect::<Vec<_>>(),
            ["cisco-unity", "xauth"]
        );
        let kept = format!("{identity:?}");
        assert!(!kept.contains("170") && !kept.contains("187"), "{kept}");
    }

    #[test]
    fn the_headend_names_no_group_and_encryption_hides_all() {
        assert_eq!(read(&first_message(), false).group(), None);
        let mut hidden = first_message();
        hidden[19] = ENCRYPTED;
        assert_eq!(read(&hidden, true).group(), None);
    }

    #[test]
    fn a_cut_message_gives_no_half_name() {
        let whole = first_message();
        for cut in 0..whole.len() {
            let got = read(&whole[..cut], true);
            assert!(got.group().is_none_or(|g| g == b"staff"), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(tail in prop::collection::vec(any::<u8>(), 0..300), first in any::<u8>()) {
            let got = read(&message(first, &tail), true);
            prop_assert!(got.group().is_none_or(|g| g.len() <= MAX_NAME));
        }
    }
}
