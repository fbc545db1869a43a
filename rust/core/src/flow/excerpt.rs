//! What a session asks of a frame besides its head, told where the frame was just read: for frames that may be
//! of a tunnel, so that the engine need not fetch their bytes.
//!
//! The bytes lie in the cache of the processor that read them, in five lines of a usual tunnel packet. An
//! engine on another processor waited for their payload for a tenth of its time (1,000 cTCP sessions, perf).

use super::key::CompactKey;
use crate::decode::plain::{self, HeaderRest};
use crate::frame::Frame;
use crate::gist::Gist;
use crate::segment::{Head, Segment};

/// The excerpt of one frame. Means something only where [`Prepared`](super::Prepared) says that it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Excerpt {
    gist: Gist,
    rest: HeaderRest,
}

impl Excerpt {
    /// Makes it that of a plain frame of IPv4 with this head and this start of the payload, sent by end
    /// `sender` of its key, where it stays: a copy waited for its parts. False only for a frame that they were not read from.
    #[inline(never)]
    pub(super) fn read_v4(
        &mut self,
        frame: &Frame<'_>,
        head: &Head,
        payload_at: u16,
        sender: usize,
    ) -> bool {
        let Some(rest) = plain::rest_of_v4(frame.bytes, head, payload_at) else {
            return false;
        };
        let (payload, _) = plain::parts(frame.bytes, head, payload_at);
        self.gist = Gist::of(head, payload, sender);
        self.rest = rest;
        true
    }

    /// The segment that it was made of, sent by end `sender` of `key`.
    #[inline]
    pub(super) fn segment<'a>(
        &self,
        frame: &Frame<'a>,
        head: &Head,
        payload_at: u16,
        (key, sender): (&CompactKey, usize),
    ) -> Segment<'a> {
        let (payload, option_bytes) = plain::parts(frame.bytes, head, payload_at);
        let [src, dst] = key.v4_ends(sender);
        Segment {
            head: Head {
                ts: frame.ts,
                ..*head
            },
            tap: frame.tap,
            src,
            dst,
            checksum: self.rest.checksum,
            payload,
            option_bytes,
            ip_id: Some(self.rest.ip_id),
            dont_fragment: self.rest.dont_fragment(),
            vlan: [self.rest.vlan, 0],
            tunnel: 0,
            gist: Some(self.gist),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Prepared, PreparedBatch, Preparer};
    use super::*;
    use crate::ctcp::recognise::exact_esp;
    use crate::frame::{FrameBatch, LinkType};
    use crate::gist::digest;
    use crate::time::Timestamp;

    /// An ESP packet with its trailer, in a frame from port 1061 to 10000 or back.
    fn tunnel_frame(is_tagged: bool, options: bool, is_back: bool, esp: usize) -> Vec<u8> {
        let mut f = vec![2; 12];
        if is_tagged {
            f.extend([0x81, 0, 0x20, 0x64]);
        }
        let options = if options { 12 } else { 0 };
        let total = (40 + options + 8 + esp + 16) as u16;
        f.extend([8, 0, 0x45, 0]);
        f.extend(total.to_be_bytes());
        f.extend([0x12, 0x34, 0x40, 0, 64, 6, 0, 0]);
        let (client, headend) = ([10, 0, 0, 1], [198, 51, 100, 9]);
        let ports = [1061_u16, 10_000].map(u16::to_be_bytes);
        let (from, to) = if is_back { (1, 0) } else { (0, 1) };
        f.extend([client, headend][from]);
        f.extend([client, headend][to]);
        f.extend(ports[from]);
        f.extend(ports[to]);
        f.extend([
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            2,
            (((20 + options) / 4) << 4) as u8,
            0x18,
        ]);
        f.extend([0xff, 0xff, 0xab, 0xcd, 0, 0]);
        f.extend(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2][..options]);
        f.extend([0x11, 0x22, 0x33, 0x44, 0, 0, 0, 7]);
        f.resize(f.len() + esp, 0x5a);
        f.extend([
            0, 0, 0, 0, 1, 2, 0, 0, 0x21, 0x45, 0x6c, 0x69, 0x10, 0x32, 1, 0,
        ]);
        f
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        /// Whatever is done to a frame, an excerpt says what the frame says, and a glance the same at any time.
        #[test]
        fn says_what_the_frame_says(
            is_tagged: bool,
            options: bool,
            is_back: bool,
            esp in 0usize..90,
            damage in prop::collection::vec((12usize..200, any::<u8>()), 0..3),
            cut in 0usize..60,
        ) {
            let mut bytes = tunnel_frame(is_tagged, options, is_back, esp);
            let original_len = bytes.len() as u32;
            for (at, value) in damage {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(bytes.len() - cut.saturating_sub(30));
            let mut batch = FrameBatch::default();
            batch.push(&Frame {
                ts: Timestamp(1),
                link: LinkType(1),
                tap: 3,
                original_len,
                bytes: &bytes,
            });
            let mut out = PreparedBatch::default();
            let preparer = Preparer::default();
            preparer.prepare_batch(&batch, &mut out);
            let frame = batch.frame(&batch.frames[0]);
            let (prepared, excerpt) = (&out.frames[0], &out.excerpts[0]);
            // Glanced at ahead, or where that is wanted.
            let ahead = prepared.glance(|| unreachable!("it is noted"));
            prop_assert_eq!(ahead, preparer.prepare(&frame).glance(|| frame));
            prop_assume!(prepared.has_excerpt());
            let told = prepared.segment(&frame, Some(excerpt)).expect("plain");
            let read = prepared.segment(&frame, None).expect("plain");
            let sender = prepared.sender();
            prop_assert_eq!(told.digest(sender), digest(&read.head, read.payload, sender));
            prop_assert_eq!(told.exact_esp(), exact_esp(read.payload, read.payload_len));
            let told = Segment { gist: None, ..told };
            prop_assert_eq!(format!("{told:?}"), format!("{read:?}"));
        }
    }

    #[test]
    fn is_made_of_what_may_be_a_tunnel() {
        let mut batch = FrameBatch::default();
        let mut bytes = tunnel_frame(false, false, false, 40);
        // The same on other ports, with its trailer and without.
        for (port, zeros) in [(10_000_u16, 0), (4_500, 0), (4_500, 1)] {
            bytes[36..38].copy_from_slice(&port.to_be_bytes());
            let trailer = bytes.len() - 16;
            bytes[trailer] = zeros;
            batch.push(&Frame {
                ts: Timestamp(1),
                link: LinkType(1),
                tap: 0,
                original_len: bytes.len() as u32,
                bytes: &bytes,
            });
        }
        let mut out = PreparedBatch::default();
        Preparer::default().prepare_batch(&batch, &mut out);
        let made: Vec<_> = out.frames.iter().map(Prepared::has_excerpt).collect();
        assert_eq!(made, [true, true, false]);
        let frame = batch.frame(&batch.frames[0]);
        let told = out.frames[0].segment(&frame, Some(&out.excerpts[0]));
        let esp = told.as_ref().and_then(Segment::exact_esp);
        assert_eq!(esp, Some((0x1122_3344, 7)));
    }
}
