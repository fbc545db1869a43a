//! LZ4 frames one behind the other. The decoder crate reads single frames and
//! reports a stream cut between two blocks as a clean end; both are mended here.

use std::io::{self, ErrorKind, Read};

use lz4_flex::frame::{Error, FrameDecoder};

/// Counts bytes and remembers the end of input.
struct Watched<R> {
    inner: R,
    taken: u64,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.taken = self.taken.wrapping_add(n as u64);
        self.ended |= n == 0 && !buf.is_empty();
        Ok(n)
    }
}

/// Concatenated LZ4 frames; skippable frames are skipped.
pub(crate) struct Lz4Frames<R: Read> {
    /// `None` only while a decoder is exchanged.
    decoder: Option<FrameDecoder<Watched<R>>>,
    /// Whether the last frame was closed by its end mark.
    closed: bool,
}

impl<R: Read> Lz4Frames<R> {
    /// `reader` should be buffered: the decoder asks for headers of 4 bytes.
    pub(crate) fn new(reader: R) -> Self {
        let watched = Watched {
            inner: reader,
            taken: 0,
            ended: false,
        };
        Self {
            decoder: Some(FrameDecoder::new(watched)),
            closed: true,
        }
    }

    /// A fresh decoder for the next frame: the crate sizes its buffers for the
    /// first frame and asserts that they fit the following ones.
    fn renew(&mut self) {
        self.decoder = self
            .decoder
            .take()
            .map(|old| FrameDecoder::new(old.into_inner()));
    }
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = self.decoder.as_mut() else {
                return Ok(0);
            };
            let before = decoder.get_ref().taken;
            let result = decoder.read(buf);
            let watched = decoder.get_mut();
            let consumed = watched.taken.wrapping_sub(before);
            match result {
                Ok(0) if watched.ended && consumed == 0 && self.closed => return Ok(0),
                Ok(0) if watched.ended || consumed == 0 => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                // The end mark of a frame.
                Ok(0) => {
                    self.closed = true;
                    self.renew();
                }
                Ok(n) => {
                    self.closed = false;
                    return Ok(n);
                }
                Err(error) => {
                    let Some(length) = skippable_length(&error) else {
                        return Err(error);
                    };
                    let skipped = io::copy(&mut watched.take(u64::from(length)), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    self.closed = true;
                    self.renew();
                }
            }
        }
    }
}

fn skippable_length(error: &io::Error) -> Option<u32> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::SkippableFrame(length) => Some(*length),
        _ => None,
    }
}
