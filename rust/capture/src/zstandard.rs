//! Zstandard frames one behind the other (RFC 8878), fed block by block.
//!
//! The decompressor drops the blocks it has decoded when a later block of the same call
//! is damaged. One call here never takes in more than one block, so every block before
//! the damage comes out.

use std::io::{self, BufRead, ErrorKind, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Block header, RFC 8878 section 3.1.1.2: the decompressor asks for the next one
/// together with a block.
const BLOCK_HEADER: usize = 3;
/// Bytes that start a frame: magic and the descriptor.
const FRAME_START: usize = 5;

/// Concatenated frames; skippable ones are skipped.
pub(crate) struct Zstandard<R> {
    inner: R,
    decoder: Decoder<'static>,
    /// Bytes that the decompressor asked for; 0 between frames.
    wanted: usize,
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
        })
    }
}

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let input = self.inner.fill_buf()?;
            let is_end = input.is_empty();
            if is_end && self.wanted == 0 {
                return Ok(0);
            }
            let wanted = match self.wanted {
                0 => FRAME_START,
                n if n > BLOCK_HEADER => n - BLOCK_HEADER,
                n => n,
            };
            let mut source = InBuffer::around(input.get(..wanted).unwrap_or(input));
            let mut target = OutBuffer::around(&mut *buf);
            let result = self.decoder.run(&mut source, &mut target);
            let (taken, made) = (source.pos(), target.pos());
            self.inner.consume(taken);
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
