//! The named ends of a frame: each frame ends in exactly one of these counters.
//!
//! The list is closed, and the names are keys of the output: renaming one breaks
//! readers of events and metrics. What a reader may add up:
//! frames = the sum of all; TCP frames = `tcp` + `truncated_tcp` + `malformed_tcp`.

macro_rules! dispositions {
    ($($variant:ident $name:literal $doc:literal,)+) => {
        /// Why a frame yields no TCP segment (or, for `Tcp`, that it does).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Disposition {
            $(#[doc = $doc] $variant,)+
        }

        impl Disposition {
            /// All of them, in declaration order: `ALL[d as usize] == d`.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Stable `snake_case` name, used as an output key.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One line for people.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }
        }
    };
}

dispositions! {
    Tcp "tcp" "A TCP segment, handed to the flow table.",
    Udp "udp" "UDP that is not a tunnel known here.",
    Icmp "icmp" "ICMP; a TCP header quoted in an error is never a segment.",
    Icmpv6 "icmpv6" "ICMP for IPv6; a TCP header quoted in an error is never a segment.",
    Sctp "sctp" "SCTP.",
    Esp "esp" "ESP outside TCP: encrypted.",
    OtherIpProtocol "other_ip_protocol" "IP with another protocol, or with no next header.",
    Arp "arp" "ARP.",
    NotIp "not_ip" "A link or tunnel payload that is not IP, or is not readable as IP.",
    FragmentLater "fragment_later" "A fragment other than the first: holds no TCP header.",
    TruncatedLink "truncated_link" "Cut inside a link, tag or label header.",
    TruncatedTunnel "truncated_tunnel" "Cut inside a tunnel header.",
    TruncatedIp "truncated_ip" "Cut inside an IP header or an IPv6 extension header.",
    TruncatedTcp "truncated_tcp" "TCP with less than its fixed 20-byte header in this frame.",
    MalformedLink "malformed_link" "A link header that contradicts itself.",
    MalformedTunnel "malformed_tunnel" "A tunnel header that contradicts itself.",
    MalformedIp "malformed_ip" "An IP header that contradicts itself, or no known IP version.",
    MalformedTcp "malformed_tcp" "TCP too short for its header, or a data offset that cannot be.",
    DepthExceeded "depth_exceeded" "More headers on top of each other than the decoder follows.",
    UnsupportedLinkType "unsupported_link_type" "The link type has no decoder here.",
    Empty "empty" "A frame without a single captured byte.",
    DecoderFailed "decoder_failed" "The decoder panicked: a bug in ctcpmon, which costs this frame alone.",
}
