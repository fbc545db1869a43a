//! Zstandard frames one behind the other (RFC 8878), fed block by block.
//!
//! The decompressor drops the blocks it has decoded when a later block of the same call
//! is damaged. One call here never takes in more than one block, so every block before
//! the damage comes out. And it takes in a block whole, however the bytes arrive: what a
//! damaged block gives depends on how it is handed over (found by the fuzzer).

use std::io::{self, BufRead, ErrorKind, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Block header, RFC 8878 section 3.1.1.2: the decompressor asks for the next one
/// together with a block.
const BLOCK_HEADER: usize = 3;
/// Bytes that start a frame: magic and the descriptor.
const FRAME_START: usize = 5;

/// Most bytes of one call: a block with the headers around it.
const MOST_BYTES: usize = (128 << 10) + 64;

/// Concatenated frames; skippable ones are skipped.
pub(crate) struct Zstandard<R> {
    inner: R,
    decoder: Decoder<'static>,
    /// Bytes that the decompressor asked for; 0 between frames.
    wanted: usize,
    /// The bytes of one call, gathered; those up to `used` are done with.
    block: Vec<u8>,
    used: usize,
}

impl<R: BufRead> Zstandard<R> {
    /// `window_log`: largest window accepted, as a power of two.
    pub(crate) fn new(inner: R, window_log: u32) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(window_log))?;
        Ok(Self {
            inner,
            decoder,
            wanted: 0,
            block: Vec::new(),
            used: 0,
        })
    }
}

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if self.used == self.block.len() {
                self.gather()?;
            }
            let input = self.block.get(self.used..).unwrap_or_default();
            let is_end = input.is_empty();
            if is_end && self.wanted == 0 {
                return Ok(0);
            }
            let mut source = InBuffer::around(input);
            let mut target = OutBuffer::around(&mut *buf);
            let result = self.decoder.run(&mut source, &mut target);
            let (taken, made) = (source.pos(), target.pos());
            self.used += taken;
            self.wanted = result?;
            if made > 0 {
                return Ok(made);
            }
            if is_end && self.wanted > 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl<R: BufRead> Zstandard<R> {
    /// Gathers the bytes of the next call, or what there is before the end. A block has at
    /// most 128 KiB (RFC 8878 section 3.1.1.2.4); no length is believed beyond that.
    fn gather(&mut self) -> io::Result<()> {
        self.block.clear();
        self.used = 0;
        let wanted = match self.wanted {
            0 => FRAME_START,
            n if n > BLOCK_HEADER => n - BLOCK_HEADER,
            n => n,
        };
        while self.block.len() < wanted.min(MOST_BYTES) {
            let input = self.inner.fill_buf()?;
            if input.is_empty() {
                break;
            }
            let part = input.len().min(wanted.min(MOST_BYTES) - self.block.len());
            self.block
                .extend_from_slice(input.get(..part).unwrap_or_default());
            self.inner.consume(part);
        }
        Ok(())
    }
}
