//! Bytes of captures, both formats and byte orders, honest or not.

/// One packet to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Nanoseconds since 1970.
    pub(crate) ts: i64,
    pub(crate) data: Vec<u8>,
    pub(crate) original: u32,
}

/// `count` packets of different sizes, `step` nanoseconds apart.
pub(crate) fn packets(count: usize, start: i64, step: i64) -> Vec<Packet> {
    (0..count)
        .map(|index| {
            let length = 40 + (index * 37) % 200;
            Packet {
                ts: start + index as i64 * step,
                data: (0..length).map(|byte| (byte * 7 + index) as u8).collect(),
                original: length as u32 + 60,
            }
        })
        .collect()
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pcap {
    Micros,
    Nanos,
    Modified,
}

pub(crate) fn u16b(value: u16, big: bool) -> [u8; 2] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(crate) fn u32b(value: u32, big: bool) -> [u8; 4] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(crate) fn u64b(value: u64, big: bool) -> [u8; 8] {
    if big {
        value.to_be_bytes()
    } else {
        value.to_le_bytes()
    }
}

pub(crate) fn pcap_header(kind: Pcap, big: bool, minor: u16, snap: u32, link: u32) -> Vec<u8> {
    let magic = match kind {
        Pcap::Micros => 0xa1b2_c3d4,
        Pcap::Nanos => 0xa1b2_3c4d,
        Pcap::Modified => 0xa1b2_cd34,
    };
    let mut out = u32b(magic, big).to_vec();
    out.extend(u16b(2, big));
    out.extend(u16b(minor, big));
    out.extend([0; 8]);
    out.extend(u32b(snap, big));
    out.extend(u32b(link, big));
    out
}

pub(crate) fn pcap_record(kind: Pcap, big: bool, packet: &Packet) -> Vec<u8> {
    let (seconds, nanos) = (packet.ts / 1_000_000_000, packet.ts % 1_000_000_000);
    let fraction = if matches!(kind, Pcap::Nanos) {
        nanos
    } else {
        nanos / 1000
    };
    let mut out = Vec::new();
    for field in [
        seconds as u32,
        fraction as u32,
        packet.data.len() as u32,
        packet.original,
    ] {
        out.extend(u32b(field, big));
    }
    if matches!(kind, Pcap::Modified) {
        out.extend([0xee; 8]);
    }
    out.extend(&packet.data);
    out
}

pub(crate) fn pcap(kind: Pcap, big: bool, packets: &[Packet]) -> Vec<u8> {
    let mut out = pcap_header(kind, big, 4, 262_144, 1);
    for packet in packets {
        out.extend(pcap_record(kind, big, packet));
    }
    out
}

/// A pcapng file under construction.
#[derive(Clone)]
pub(crate) struct Ng {
    pub(crate) bytes: Vec<u8>,
    pub(crate) big: bool,
}

impl Ng {
    pub(crate) fn new(big: bool) -> Self {
        let mut ng = Self {
            bytes: Vec::new(),
            big,
        };
        ng.section(big);
        ng
    }

    /// Starts a section in a byte order.
    pub(crate) fn section(&mut self, big: bool) -> &mut Self {
        self.big = big;
        let mut body = u32b(0x1a2b_3c4d, big).to_vec();
        body.extend(u16b(1, big));
        body.extend(u16b(0, big));
        body.extend(u64b(u64::MAX, big));
        self.block(0x0a0d_0d0a, &body)
    }

    pub(crate) fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let length = (body.len().next_multiple_of(4) + 12) as u32;
        self.framed(kind, length, body, length)
    }

    /// A block whose two lengths may lie.
    pub(crate) fn framed(
        &mut self,
        kind: u32,
        length: u32,
        body: &[u8],
        trailer: u32,
    ) -> &mut Self {
        self.bytes.extend(u32b(kind, self.big));
        self.bytes.extend(u32b(length, self.big));
        self.bytes.extend(body);
        self.bytes.resize(
            self.bytes.len() + body.len().next_multiple_of(4) - body.len(),
            0,
        );
        self.bytes.extend(u32b(trailer, self.big));
        self
    }

    pub(crate) fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = u16b(code, self.big).to_vec();
        out.extend(u16b(value.len() as u16, self.big));
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    pub(crate) fn interface(&mut self, link: u16, snap: u32, options: &[u8]) -> &mut Self {
        let mut body = u16b(link, self.big).to_vec();
        body.extend([0, 0]);
        body.extend(u32b(snap, self.big));
        body.extend(options);
        self.block(1, &body)
    }

    /// An Ethernet interface with nanosecond ticks.
    pub(crate) fn nanos(&mut self) -> &mut Self {
        let options = self.option(9, &[9]);
        self.interface(1, 262_144, &options)
    }

    pub(crate) fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        data: &[u8],
        orig: u32,
    ) -> &mut Self {
        let body = self.enhanced_body(interface, ticks, data.len() as u32, data, orig);
        self.block(6, &body)
    }

    pub(crate) fn enhanced_body(
        &self,
        interface: u32,
        ticks: u64,
        captured: u32,
        data: &[u8],
        orig: u32,
    ) -> Vec<u8> {
        let mut body = Vec::new();
        for field in [
            interface,
            (ticks >> 32) as u32,
            ticks as u32,
            captured,
            orig,
        ] {
            body.extend(u32b(field, self.big));
        }
        body.extend(data);
        body
    }

    pub(crate) fn simple(&mut self, data: &[u8], original: u32) -> &mut Self {
        let mut body = u32b(original, self.big).to_vec();
        body.extend(data);
        self.block(3, &body)
    }

    pub(crate) fn statistics(&mut self, interface: u32, options: &[u8]) -> &mut Self {
        let mut body = u32b(interface, self.big).to_vec();
        body.extend([0; 8]);
        body.extend(options);
        self.block(5, &body)
    }
}

pub(crate) fn pcapng(big: bool, packets: &[Packet]) -> Vec<u8> {
    let mut ng = Ng::new(big);
    ng.nanos();
    for packet in packets {
        ng.enhanced(0, packet.ts as u64, &packet.data, packet.original);
    }
    ng.bytes
}
