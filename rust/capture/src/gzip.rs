//! Gzip members one behind the other (RFC 1952), over the bare inflater.
//!
//! The gzip reader of the crate drops what it has already written into a buffer when
//! damage follows in the same call: how much of a damaged file is read would depend on
//! the size of the buffer. Here every byte before the damage comes out.

use std::io::{self, BufRead, ErrorKind};

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Magic and the one compression method, RFC 1952 section 2.3.1.
pub(crate) const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Flag bits, RFC 1952 section 2.3.1.
const HEADER_CHECKSUM: u8 = 0x02;
const EXTRA: u8 = 0x04;
const NAME: u8 = 0x08;
const COMMENT: u8 = 0x10;
/// Must be zero, RFC 1952 section 2.3.1.2.
const RESERVED: u8 = 0xe0;

#[derive(Clone, Copy)]
enum State {
    /// Before a member; the input may end here unless it is the first.
    Between {
        is_first: bool,
    },
    Body,
    Trailer,
    /// An error was reported.
    Failed,
}

/// Concatenated gzip members.
pub(crate) struct Gzip<R> {
    inner: R,
    inflate: Decompress,
    checksum: Crc,
    state: State,
    /// Damage behind bytes that were handed out.
    fault: Option<io::Error>,
}

fn damage(text: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text.into())
}

impl<R: BufRead> Gzip<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            inflate: Decompress::new(false),
            checksum: Crc::new(),
            state: State::Between { is_first: true },
            fault: None,
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn header(&mut self) -> io::Result<()> {
        let [a, b, method, flags, ..] = self.bytes::<10>()?;
        if [a, b, method] != MAGIC || flags & RESERVED != 0 {
            return Err(damage("no gzip member where one must begin"));
        }
        if flags & EXTRA != 0 {
            let length = u16::from_le_bytes(self.bytes()?);
            for _ in 0..length {
                self.bytes::<1>()?;
            }
        }
        for text in [NAME, COMMENT] {
            while flags & text != 0 && self.bytes()? != [0] {}
        }
        if flags & HEADER_CHECKSUM != 0 {
            self.bytes::<2>()?;
        }
        self.inflate.reset(false);
        self.checksum.reset();
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        let checksum = u32::from_le_bytes(self.bytes()?);
        let length = u32::from_le_bytes(self.bytes()?);
        if checksum != self.checksum.sum() || length != self.checksum.amount() {
            return Err(damage("the checksum of a gzip member does not match"));
        }
        Ok(())
    }

    /// Inflates into `buf`; 0 when no byte came out yet.
    fn body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let input = self.inner.fill_buf()?;
        let is_end = input.is_empty();
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, buf, FlushDecompress::None);
        let taken = (self.inflate.total_in() - before.0) as usize;
        let made = (self.inflate.total_out() - before.1) as usize;
        self.inner.consume(taken);
        self.checksum.update(buf.get(..made).unwrap_or_default());
        let fault = match result {
            Ok(Status::StreamEnd) => {
                self.state = State::Trailer;
                return Ok(made);
            }
            Ok(_) if made == 0 && is_end => ErrorKind::UnexpectedEof.into(),
            // Neither took nor gave: the inflater will not go on.
            Ok(_) if made == 0 && taken == 0 => damage("the deflate data do not go on"),
            Ok(_) => return Ok(made),
            Err(error) => damage(error.to_string()),
        };
        if made == 0 {
            return Err(fault);
        }
        self.fault = Some(fault);
        Ok(made)
    }

    fn step(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match self.state {
            State::Between { is_first } => {
                if !is_first && self.inner.fill_buf()?.is_empty() {
                    return Ok(Some(0));
                }
                self.header()?;
                self.state = State::Body;
            }
            State::Body => {
                if let Some(fault) = self.fault.take() {
                    return Err(fault);
                }
                let made = self.body(buf)?;
                return Ok((made > 0).then_some(made));
            }
            State::Trailer => {
                self.trailer()?;
                self.state = State::Between { is_first: false };
            }
            State::Failed => return Err(damage("read past a fault")),
        }
        Ok(None)
    }
}

impl<R: BufRead> io::Read for Gzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.step(buf) {
                Ok(Some(n)) => return Ok(n),
                Ok(None) => {}
                Err(error) => {
                    if error.kind() != ErrorKind::Interrupted {
                        self.state = State::Failed;
                    }
                    return Err(error);
                }
            }
        }
    }
}
