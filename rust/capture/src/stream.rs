//! The decompressed byte stream of one input, with the limits on its growth.
//! Compression is recognised by content; names mean nothing here.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;

use crate::error::Fault;
use crate::gzip::{self, Gzip};
use crate::lz4::Lz4Frames;
use crate::options::Options;
use crate::stored::{Counted, Tally};
use crate::zstandard::Zstandard;

/// RFC 8878 section 3.1.1.
const ZSTD_MAGIC: u32 = 0xfd2f_b528;
/// LZ4 frame format 1.6.
const LZ4_MAGIC: u32 = 0x184d_2204;
/// RFC 8878 section 3.1.2; the lower four bits are free. LZ4 has the same.
pub(crate) const SKIPPABLE_MAGIC: u32 = 0x184d_2a50;
/// Largest zstd window accepted, as a power of two: 128 MiB, what the zstd tool
/// accepts without a flag.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Result of one read.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// This many bytes, at least 1.
    Bytes(usize),
    /// End of the input.
    End,
    /// The compressed stream ends too early.
    Cut,
    /// The compressed stream is damaged.
    Corrupt(String),
}

/// Decompressed bytes of one input.
pub(crate) struct Stream {
    reader: Box<dyn Read + Send>,
    /// Name of the compression; `None` for plain bytes.
    packed: Option<&'static str>,
    tally: Arc<Tally>,
    expanded: u64,
    ratio: u64,
    free: u64,
    most: u64,
}

impl Stream {
    /// Reads the first bytes and chooses the decoder.
    pub(crate) fn open(
        reader: Box<dyn Read + Send>,
        tally: Arc<Tally>,
        options: &Options,
    ) -> Result<Self, Fault> {
        let mut stored = Counted {
            inner: reader,
            tally: Arc::clone(&tally),
        };
        let mut head = first_bytes(&mut stored)?;
        let mut skipped = false;
        while let Some(length) = skippable(&head) {
            // A leading skippable frame does not say whose it is, zstd or LZ4.
            io::copy(&mut (&mut stored).take(length), &mut io::sink()).map_err(Fault::Io)?;
            head = first_bytes(&mut stored)?;
            skipped = true;
        }
        if head.is_empty() && !skipped {
            return Err(Fault::Unusable(
                "no data before the end of the input".to_owned(),
            ));
        }
        let magic = head.first_chunk::<4>().map(|b| u32::from_le_bytes(*b));
        let is_gzip = head.starts_with(&gzip::MAGIC);
        let whole = Cursor::new(head).chain(stored);
        let (reader, packed): (Box<dyn Read + Send>, _) = if is_gzip {
            (
                Box::new(Gzip::new(BufReader::with_capacity(32 << 10, whole))),
                Some("gzip"),
            )
        } else if magic == Some(ZSTD_MAGIC) {
            let whole = BufReader::with_capacity(128 << 10, whole);
            let frames = Zstandard::new(whole, ZSTD_WINDOW_LOG).map_err(Fault::Io)?;
            (Box::new(frames), Some("zstd"))
        } else if magic == Some(LZ4_MAGIC) {
            (
                Box::new(Lz4Frames::new(BufReader::with_capacity(64 << 10, whole))),
                Some("lz4"),
            )
        } else {
            (Box::new(whole), None)
        };
        Ok(Self {
            reader,
            packed,
            tally,
            expanded: 0,
            ratio: options.max_expansion_ratio,
            free: options.expansion_free_bytes,
            most: options.max_expanded_bytes,
        })
    }

    /// Name of the compression; `None` for plain bytes.
    pub(crate) fn packed(&self) -> Option<&'static str> {
        self.packed
    }

    /// One read of at most `buf.len()` bytes; `buf` must not be empty.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<Chunk, Fault> {
        loop {
            return match self.reader.read(buf) {
                Ok(0) => Ok(Chunk::End),
                Ok(n) => {
                    self.expanded = self.expanded.saturating_add(n as u64);
                    self.check_growth()?;
                    Ok(Chunk::Bytes(n))
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if self.packed.is_none() || self.tally.failed() => Err(Fault::Io(error)),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Chunk::Cut),
                Err(error) => Ok(Chunk::Corrupt(error.to_string())),
            };
        }
    }

    fn check_growth(&self) -> Result<(), Fault> {
        if self.packed.is_none() {
            return Ok(());
        }
        let (stored, expanded) = (self.tally.stored(), self.expanded);
        let limit = if expanded > self.most {
            format!("{} bytes", self.most)
        } else if expanded > self.free && expanded > stored.saturating_mul(self.ratio) {
            format!(
                "{} times its stored size past the first {} bytes",
                self.ratio, self.free
            )
        } else {
            return Ok(());
        };
        Err(Fault::Expansion {
            stored,
            expanded,
            limit,
        })
    }
}

/// Up to 8 bytes; fewer only at the end of the input.
fn first_bytes(reader: &mut impl Read) -> Result<Vec<u8>, Fault> {
    let mut head = Vec::with_capacity(8);
    reader.take(8).read_to_end(&mut head).map_err(Fault::Io)?;
    Ok(head)
}

/// Length of the content of a skippable frame, if `head` starts one.
fn skippable(head: &[u8]) -> Option<u64> {
    let (magic, rest) = head.split_first_chunk::<4>()?;
    let length = rest.first_chunk::<4>()?;
    (u32::from_le_bytes(*magic) & !0xf == SKIPPABLE_MAGIC)
        .then(|| u64::from(u32::from_le_bytes(*length)))
}
