//! Recognition that needs more than one segment: ESP heads in a row, the loose
//! trailer rule, fake-TCP patterns. A few bytes per flow, bounded looks per flow.

use crate::ctcp::fake_tcp::{self, PATTERN_SEGMENTS, Product};
use crate::ctcp::glance::Glance;
use crate::ctcp::recognise::{CTCP_PORT, Certainty, Payload, TunnelPacket, classify};
use crate::segment::{Content, Head, TcpFlags};

/// Data segments of a flow that are looked at before it counts as not a tunnel.
/// The trailer stands in the first one; the multi-segment rules need at most eight.
/// A guess with room for a mid-stream start behind merged segments.
const MAX_LOOKS: u8 = 48;
/// ESP heads with numbers rising by one before a cut flow is called cTCP. Chance
/// of a constant word and four increments in unrelated data is below 2^-128; the
/// risk is other protocols with a magic word and a counter, hence the port rule.
const HEAD_RUN: u8 = 4;
/// The same on a port that is not cTCP's default.
const HEAD_RUN_OTHER_PORT: u8 = 8;
/// Loose trailers with one magic in one direction before a flow is called probable.
const LOOSE_RUN: u8 = 3;
/// WireGuard data packets with rising counters before a flow is called a tunnel.
const WIREGUARD_RUN: u8 = 6;

/// What a flow turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// cTCP.
    Ctcp(Certainty),
    /// A fake-TCP tunnel.
    FakeTcp(Product),
    /// IKE and ESP in true TCP, RFC 9329.
    IkeTcp,
    /// ISAKMP messages directly in true TCP.
    PlainIke,
}

impl Recognised {
    /// Name of the protocol in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ctcp(_) => "ctcp",
            Self::FakeTcp(_) => "faketcp",
            Self::IkeTcp => "iketcp",
            Self::PlainIke => "ike_tcp",
        }
    }
}

/// A neighbour on the same ports that is named and left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// NDMP on port 10000.
    Ndmp,
    /// TLS on port 10000.
    Tls,
    /// HTTP on port 10000.
    Http,
}

/// Outcome of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing yet.
    Undecided,
    /// A tunnel session starts here.
    Tunnel(Recognised, Option<TunnelPacket>),
    /// A neighbour, named once per flow.
    Neighbour(Neighbour),
}

/// A word in 16 bits; never 0, which means that none was seen.
fn mixed(word: u32) -> u16 {
    ((word.wrapping_mul(0x9e37_79b1) >> 16) as u16).max(1)
}

/// Recognition state of one flow; arrays are by direction.
///
/// A run is one pattern in one direction. Its word and its counter are kept in 16 bits
/// each, to fit a flow record: a false step has a chance of 2^-32, a run its power.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate {
    words: [u16; 2],
    counters: [u16; 2],
    lengths: [u8; 2],
    looks: u8,
    seen: u8,
}

/// The pattern of a fake-TCP maker that a flow keeps, which few flows do: kept apart from
/// what every segment needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pattern {
    product: Option<Product>,
    segments: u8,
}

/// Bits of `Candidate::seen`.
mod bit {
    pub(super) const DECIDED: u8 = 1;
    pub(super) const IKE_HEAD: u8 = 2;
    pub(super) const SYN: u8 = 4;
    pub(super) const TIMESTAMPS: u8 = 8;
    /// There is a [`super::Pattern`].
    pub(super) const PATTERN: u8 = 16;
    /// The side with index 1 sends it.
    pub(super) const PATTERN_HIGH: u8 = 32;
    /// It is a tunnel and there was no room for its session, or for that of an attempt.
    pub(super) const REFUSED: u8 = 64;
    pub(super) const PUT_OFF: u8 = 128;
}

impl Candidate {
    /// True when no further segment needs a look.
    pub fn is_decided(&self) -> bool {
        self.saw(bit::DECIDED)
    }

    /// What was found comes to nothing for now, for want of any room or, with `is_attempt`, of that for attempts:
    /// the next segments are looked at again, [`MAX_LOOKS`] in all. True for the first time with this reason.
    pub fn look_again(&mut self, is_attempt: bool) -> bool {
        // One that shows itself in its headers has counted nothing yet.
        self.looks = self.looks.saturating_add(1);
        if self.looks < MAX_LOOKS {
            self.forget(bit::DECIDED);
        }
        let why = if is_attempt {
            bit::PUT_OFF
        } else {
            bit::REFUSED
        };
        let is_first = !self.saw(why);
        self.note(why);
        is_first
    }

    fn saw(&self, what: u8) -> bool {
        self.seen & what != 0
    }

    fn note(&mut self, what: u8) {
        self.seen |= what;
    }

    fn forget(&mut self, what: u8) {
        self.seen &= !what;
    }

    fn extend(&mut self, dir: usize, word: u32, counter: u32, max_step: u16) -> u8 {
        let (word, counter) = (mixed(word), counter as u16);
        let step = counter.wrapping_sub(self.counters[dir]);
        let (length, is_same) = (self.lengths[dir], self.words[dir] == word);
        if step == 0 && is_same && length > 0 {
            // A mirror shows it twice.
            return length;
        }
        self.lengths[dir] = if length > 0 && is_same && (1..=max_step).contains(&step) {
            length.saturating_add(1)
        } else {
            1
        };
        self.words[dir] = word;
        self.counters[dir] = counter;
        self.lengths[dir]
    }

    /// True when there is something in a segment with this head to look at.
    #[inline]
    pub fn wants(&self, head: &Head) -> bool {
        !self.is_decided()
            && (head.payload_len > 0 || head.flags.any(TcpFlags::SYN) || self.saw(bit::PATTERN))
    }

    /// Takes a segment that side `dir` sent by its head and a glance at its payload, where that is
    /// enough; it is then as if it had been looked at.
    #[inline]
    pub fn passes(&mut self, dir: usize, s: &Head, glance: impl FnOnce() -> Glance) -> bool {
        if s.payload_len == 0 || s.flags.any(TcpFlags::SYN) || self.saw(bit::PATTERN) {
            return false;
        }
        let glance = glance();
        if glance == Glance::Look {
            return false;
        }
        if s.offer.has_timestamps() {
            self.note(bit::TIMESTAMPS);
        }
        if glance == Glance::Head {
            if self.esp_head_allowed() {
                return false;
            }
            // Whatever ran ends here.
            self.lengths[dir] = 0;
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks >= MAX_LOOKS || glance == Glance::Foreign {
            self.note(bit::DECIDED);
        }
        true
    }

    /// Takes one segment sent by side `dir`; `pattern` is that of the same flow.
    pub fn look(
        &mut self,
        pattern: &mut Pattern,
        dir: usize,
        s: &Head,
        content: &Content<'_>,
    ) -> Look {
        if s.flags.any(TcpFlags::SYN) {
            self.look_at_syn(pattern, dir, s, content);
        } else if self.saw(bit::PATTERN)
            && let Some(found) = self.look_at_headers(pattern, dir, s, content)
        {
            self.note(bit::DECIDED);
            return Look::Tunnel(found, None);
        }
        if s.payload_len == 0 || s.is_first_fragment {
            return Look::Undecided;
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks >= MAX_LOOKS && !self.saw(bit::PATTERN) {
            self.note(bit::DECIDED);
        }
        let on_port = content.ports.contains(&CTCP_PORT);
        if s.offer.has_timestamps() {
            self.note(bit::TIMESTAMPS);
        }
        let other_word = self.words[1 - dir];
        let head_allowed = self.esp_head_allowed();
        let has_ike_head = self.saw(bit::IKE_HEAD);
        let found = match classify(content.payload, s.payload_len, on_port) {
            Payload::Ctcp(packet, certainty) => {
                // The head alone is weak off the default port: ask for a second one.
                if certainty == Certainty::Head && !on_port && !self.saw(bit::IKE_HEAD) {
                    self.note(bit::IKE_HEAD);
                    return Look::Undecided;
                }
                Some((Recognised::Ctcp(certainty), Some(packet)))
            }
            Payload::EspHead { spi, seq } => {
                let need = if on_port || has_ike_head {
                    HEAD_RUN
                } else {
                    HEAD_RUN_OTHER_PORT
                };
                // Each direction has an SPI of its own, drawn by its receiver.
                (self.extend(dir, spi, seq, 1) >= need && head_allowed && other_word != mixed(spi))
                    .then_some((
                        Recognised::Ctcp(Certainty::Head),
                        Some(TunnelPacket::Esp { spi, seq }),
                    ))
            }
            Payload::LooseEsp { spi, seq, magic } => {
                (self.extend(dir, spi ^ magic.rotate_left(7), seq, 8) >= LOOSE_RUN).then_some((
                    Recognised::Ctcp(Certainty::Loose),
                    Some(TunnelPacket::Esp { spi, seq }),
                ))
            }
            Payload::WireGuard { receiver, counter } => (self.extend(dir, receiver, counter, 8)
                >= WIREGUARD_RUN)
                .then_some((Recognised::FakeTcp(self.carrier(pattern.product)), None)),
            Payload::IkeTcp => Some((Recognised::IkeTcp, None)),
            Payload::PlainIke(_) => Some((Recognised::PlainIke, None)),
            Payload::Ndmp => return self.neighbour(Neighbour::Ndmp),
            Payload::Tls if on_port => return self.neighbour(Neighbour::Tls),
            Payload::Http if on_port => return self.neighbour(Neighbour::Http),
            Payload::Tls | Payload::Http => {
                if !self.saw(bit::PATTERN) {
                    self.note(bit::DECIDED);
                }
                None
            }
            Payload::Other => None,
        };
        let Some((what, packet)) = found else {
            return Look::Undecided;
        };
        self.note(bit::DECIDED);
        Look::Tunnel(what, packet)
    }

    /// ESP heads alone are weak evidence: other protocols start with a magic word and
    /// a counter. cTCP has no TCP timestamps in the one stack that can be read, and a
    /// connection whose start was seen must begin with IKE.
    fn esp_head_allowed(&self) -> bool {
        !self.saw(bit::TIMESTAMPS) && (self.saw(bit::IKE_HEAD) || !self.saw(bit::SYN))
    }

    /// Who carries WireGuard: the maker whose pattern has held so far.
    fn carrier(&self, pattern: Option<Product>) -> Product {
        match pattern {
            Some(Product::Phantun) if self.saw(bit::PATTERN) => Product::Phantun,
            _ => Product::WireGuard,
        }
    }

    fn neighbour(&mut self, which: Neighbour) -> Look {
        self.note(bit::DECIDED);
        Look::Neighbour(which)
    }

    /// Whether a SYN begins the pattern of a fake-TCP maker.
    fn look_at_syn(&mut self, pattern: &mut Pattern, dir: usize, s: &Head, content: &Content<'_>) {
        self.note(bit::SYN);
        let product = fake_tcp::by_syn(s, content);
        let is_answer = s.flags.any(TcpFlags::ACK);
        if is_answer && (self.saw(bit::PATTERN) || product.is_none()) {
            return;
        }
        self.forget(bit::PATTERN | bit::PATTERN_HIGH);
        if product.is_some() {
            self.note(bit::PATTERN | if dir == 0 { 0 } else { bit::PATTERN_HIGH });
        }
        *pattern = Pattern {
            product,
            segments: 0,
        };
    }

    /// The pattern in what the opener sends. The other side is not asked: where a proxy
    /// stands in line it answers with a TCP of its own.
    fn look_at_headers(
        &mut self,
        pattern: &mut Pattern,
        dir: usize,
        s: &Head,
        content: &Content<'_>,
    ) -> Option<Recognised> {
        let product = pattern.product?;
        if usize::from(self.saw(bit::PATTERN_HIGH)) != dir {
            return None;
        }
        if s.flags.any(TcpFlags::RST | TcpFlags::FIN) {
            return None;
        }
        if !fake_tcp::keeps_pattern(product, s, content) {
            self.forget(bit::PATTERN);
            return None;
        }
        // udp2raw draws every window anew; a real one may stand in its range for long.
        let is_drawn = product != Product::Udp2raw || self.counters[dir] != s.window;
        if s.payload_len > 0 && is_drawn {
            pattern.segments = pattern.segments.saturating_add(1);
        }
        if product == Product::Udp2raw {
            self.counters[dir] = s.window;
        }
        (pattern.segments >= PATTERN_SEGMENTS).then_some(Recognised::FakeTcp(product))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ctcp::glance::glance;
    use crate::segment::Offer;

    const LOOSE: [u8; 16] = [0, 0, 0, 0, 1, 2, 0, 0, 9, 9, 9, 9, 9, 0x32, 1, 0];
    const EXACT: [u8; 16] = [
        0, 0, 0, 0, 1, 2, 0, 0, 0x21, 0x45, 0x6c, 0x69, 0x10, 0x32, 1, 0,
    ];

    /// The payload number `n` of a flow: of one kind, whole or cut to `kept` bytes.
    fn payload(kind: u8, n: u32) -> Vec<u8> {
        let esp = |spi: u32, end: &[u8]| {
            let head = [spi.to_be_bytes(), n.to_be_bytes()].concat();
            [head.as_slice(), &[7; 40], end].concat()
        };
        match kind {
            0 => esp(0x1234_5678, &[]),
            1 => esp(0x1234_5678, &LOOSE),
            2 => esp(0x1234_5678, &EXACT),
            3 => [&[4, 0, 0, 0, 1, 2, 3, 4], &n.to_le_bytes()[..], &[0; 30]].concat(),
            4 => [&[0x17, 3, 3, 0, 50], &[7; 50][..]].concat(),
            5 => b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec(),
            6 => [
                &[1, 0xf4, 1, 0xf4, 0, 48, 0, 0],
                &[7; 8][..],
                &[0; 8],
                &[1, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 40, 5],
                &EXACT,
            ]
            .concat(),
            _ => vec![n as u8; 60],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        /// A flow whose segments may pass at a glance becomes what it becomes when each is looked at.
        #[test]
        fn a_glance_leads_where_a_look_leads(
            main_kind in 0u8..8,
            segments in prop::collection::vec((0u8..12, 0usize..2, 0usize..80, 0u8..20), 1..70),
            begins_with_syn: bool,
            has_timestamps: bool,
            is_steady: bool,
            always_kept in 6usize..50,
            port in prop::sample::select(vec![443_u16, 10_000]),
        ) {
            let (mut looked, mut glanced) = (Candidate::default(), Candidate::default());
            let (mut pattern, mut other_pattern) = (Pattern::default(), Pattern::default());
            let ports = [port, 50_000];
            let mut offer = Offer::NONE;
            if has_timestamps {
                offer.set_timestamps();
            }
            let syn = Head { flags: TcpFlags(TcpFlags::SYN), ..Head::default() };
            if begins_with_syn {
                let content = Content { ports, ..Content::default() };
                looked.look(&mut pattern, 0, &syn, &content);
                glanced.look(&mut other_pattern, 0, &syn, &content);
            }
            for (n, (kind, dir, kept, is_whole)) in segments.into_iter().enumerate() {
                let (kind, dir) = if is_steady { (main_kind, 0) } else { (kind, dir) };
                let whole = payload(if kind < 8 { kind } else { main_kind }, n as u32);
                let kept = if is_steady { always_kept } else { kept };
                let is_whole = is_whole < 10 && !is_steady;
                let kept = if is_whole { whole.len() } else { kept.min(whole.len()) };
                let head = Head {
                    payload_len: whole.len() as u32,
                    flags: TcpFlags(TcpFlags::ACK),
                    offer,
                    ..Head::default()
                };
                let content = Content { payload: &whole[..kept], ports, ..Content::default() };
                prop_assert_eq!(looked.wants(&head), glanced.wants(&head));
                if !looked.wants(&head) {
                    break;
                }
                let by_look = looked.look(&mut pattern, dir, &head, &content);
                let told = glance(content.payload, head.payload_len, ports);
                let by_glance = if glanced.passes(dir, &head, || told) {
                    Look::Undecided
                } else {
                    glanced.look(&mut other_pattern, dir, &head, &content)
                };
                prop_assert_eq!(by_look, by_glance);
                prop_assert_eq!(looked.looks, glanced.looks);
            }
        }
    }
}
