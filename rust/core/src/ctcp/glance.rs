//! A first glance at a payload: whether [`classify`](super::recognise::classify) could find
//! anything in it. A few instructions, made by the thread that reads, so that an engine on another processor
//! need not fetch the bytes of the many segments that are nothing; one that prepares frames itself glances at those
//! of flows that are not decided yet.

use super::recognise::{
    CTCP_PORT, LEAST_SPI, TRAILER_LEN, UDP_500, is_http, is_length, udp_length_fits,
};

/// What a glance tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Not glanced at, or worth a look.
    Look,
    /// A look would say [`Payload::Other`](super::recognise::Payload::Other).
    Nothing,
    /// A look would say TLS or HTTP; neither port is cTCP's.
    Foreign,
    /// A look would say [`Payload::EspHead`](super::recognise::Payload::EspHead): cut, and any
    /// numbers may be an ESP header.
    Head,
}

/// Length of an ESP header, RFC 4303 section 2.
const ESP_HEADER: usize = 8;
/// Where an ISAKMP header says how long the message is.
const ISAKMP_LENGTH_AT: usize = 24;
/// First bytes of what [`classify`](super::recognise::classify) knows by its beginning: TLS
/// records, HTTP, `IKETCP`, `WireGuard`.
const BEGINS: [u8; 11] = *b"\x14\x15\x16\x17CGHOPI\x04";
/// The same by byte.
static MAY_BEGIN: [bool; 256] = {
    let (mut may, mut n) = ([false; 256], 0);
    while n < BEGINS.len() {
        may[BEGINS[n] as usize] = true;
        n += 1;
    }
    may
};

/// Glances at `payload`, of which `wire_len` bytes were on the wire.
#[inline(never)]
pub fn glance(payload: &[u8], wire_len: u32, ports: [u16; 2]) -> Glance {
    let wire = wire_len as usize;
    let Some(begin) = payload.first_chunk::<ESP_HEADER>() else {
        return if payload.is_empty() {
            Glance::Nothing
        } else {
            Glance::Look
        };
    };
    let word = |at: usize| {
        let rest = payload.get(at..).and_then(|rest| rest.first_chunk());
        rest.map(|b| u32::from_be_bytes(*b))
    };
    let is_isakmp = word(ISAKMP_LENGTH_AT) == Some(wire_len);
    if is_isakmp || ports.contains(&CTCP_PORT) {
        return Glance::Look;
    }
    let otherwise = if payload.len() + 2 >= wire {
        // A trailer begins with four zeros; of one that is cut nobody knows.
        let has_trailer = wire > TRAILER_LEN + 8 && word(wire - TRAILER_LEN) == Some(0);
        if has_trailer || payload.len() < wire {
            return Glance::Look;
        }
        Glance::Nothing
    } else {
        let first = word(0).unwrap_or_default();
        let udp_length = u16::from_be_bytes([begin[4], begin[5]]);
        if first == u32::from_be_bytes(UDP_500) || udp_length_fits(udp_length, wire) {
            return Glance::Look;
        }
        if first <= LEAST_SPI || is_length(first, wire) {
            Glance::Nothing
        } else {
            Glance::Head
        }
    };
    if MAY_BEGIN[usize::from(begin[0])] {
        return by_name(payload).unwrap_or(otherwise);
    }
    otherwise
}

/// What a payload that begins like something known is; `None` when it only seemed so.
#[cold]
fn by_name(payload: &[u8]) -> Option<Glance> {
    match payload {
        [0x14..=0x17, 3, 0..=4, ..] => Some(Glance::Foreign),
        [b'C' | b'G' | b'H' | b'O' | b'P', ..] if is_http(payload) => Some(Glance::Foreign),
        [b'I' | 4, ..] => Some(Glance::Look),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::recognise::{Payload, classify};
    use super::*;

    /// Beginnings and ends of what is known, to be mixed with anything.
    const BEGINNINGS: [&[u8]; 12] = [
        b"",
        b"GET / HTTP",
        b"HTTP/1.1 200",
        b"OPTIONS",
        b"CONNECT",
        b"IKETCP",
        b"IKETxx",
        &[0x16, 3, 1, 0, 5],
        &[0x17, 3, 5, 0, 5],
        &[4, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0],
        &[0x01, 0xf4, 0x01, 0xf4, 0, 52, 0, 0],
        &[0x80, 0, 0, 24, 0, 0, 0, 1, 0x60, 0, 0, 0, 0, 0, 0, 0],
    ];
    const ENDS: [&[u8]; 4] = [
        b"",
        &[
            0, 0, 0, 0, 1, 2, 0, 0, 0x21, 0x45, 0x6c, 0x69, 0x10, 0x32, 1, 0,
        ],
        &[0, 0, 0, 0, 1, 2, 0, 0, 9, 9, 9, 9, 9, 0x11, 1, 0],
        &[0, 0, 0, 0, 1, 2, 0x1f, 0, 9, 9, 9, 9, 9, 0x32, 1, 0],
    ];

    /// ISAKMP that says it is `length` bytes long.
    fn isakmp(length: usize) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        bytes.extend([1, 0x10, 2, 0, 0, 0, 0, 0]);
        bytes.extend((length as u32).to_be_bytes());
        bytes.resize(length, 0);
        bytes
    }

    fn agrees(payload: &[u8], wire: u32, ports: [u16; 2]) -> Result<Glance, String> {
        let on_port = ports.contains(&CTCP_PORT);
        let found = classify(payload, wire, on_port);
        let glance = glance(payload, wire, ports);
        let holds = match glance {
            Glance::Look => true,
            Glance::Nothing => found == Payload::Other,
            Glance::Foreign => matches!(found, Payload::Tls | Payload::Http) && !on_port,
            Glance::Head => matches!(found, Payload::EspHead { .. }),
        };
        if holds {
            Ok(glance)
        } else {
            Err(format!("{glance:?} of {found:?}"))
        }
    }

    #[test]
    fn what_is_known_gets_its_look() {
        let trailer = [&[9; 40], ENDS[1]].concat();
        let cases = [
            (trailer.as_slice(), 0),
            (&isakmp(60), 0),
            (b"IKETCP", 0),
            (&[1, 0xf4, 1, 0xf4, 0, 80, 0, 0, 9], 87),
        ];
        for (payload, cut) in cases {
            let wire = payload.len() as u32 + cut;
            assert_eq!(agrees(payload, wire, [443, 5000]), Ok(Glance::Look));
        }
        assert_eq!(
            agrees(&[0x17, 3, 3, 0, 9, 1, 2, 3], 8, [443, 5000]),
            Ok(Glance::Foreign)
        );
        assert_eq!(agrees(&[9; 200], 200, [443, 5000]), Ok(Glance::Nothing));
        assert_eq!(agrees(&[9; 200], 200, [10_000, 5000]), Ok(Glance::Look));
        assert_eq!(agrees(&[9; 40], 200, [443, 5000]), Ok(Glance::Head));
        assert_eq!(agrees(&[0; 40], 200, [443, 5000]), Ok(Glance::Nothing));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        /// What a glance passes over, a look would not have found anything in.
        #[test]
        fn nothing_is_overlooked(
            begin in 0..BEGINNINGS.len() + 1,
            middle in prop::collection::vec(any::<u8>(), 0..60),
            end in 0..ENDS.len(),
            cut in 0usize..70,
            padding in 0u32..3,
            port in prop::sample::select(vec![443_u16, 10_000]),
        ) {
            let mut payload = BEGINNINGS.get(begin).map_or_else(|| isakmp(60), |b| b.to_vec());
            payload.extend(&middle);
            payload.extend(ENDS[end]);
            let wire = payload.len() as u32;
            // Half of them whole.
            payload.truncate(payload.len().saturating_sub(cut.saturating_sub(35)));
            let told = agrees(&payload, wire + padding / 2, [port, 50_000]);
            prop_assert!(told.is_ok(), "{told:?}");
        }
    }
}
