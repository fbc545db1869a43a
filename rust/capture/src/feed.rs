//! One input on its way into batches: reads, keeps the unparsed rest between
//! batches, and lets the parser note frames in place.
//!
//! Invariant: how reads are chunked never changes the frames. The parser acts on
//! whole records only, and whatever it has not consumed is kept.

use std::io::Read;
use std::sync::Arc;

use ctcpmon_core::frame::FrameBatch;

use crate::error::Fault;
use crate::labels::Labels;
use crate::notes::{Findings, NoteKind};
use crate::options::Options;
use crate::recognise::{Parser, Recognised, recognise};
use crate::stats::InterfaceStats;
use crate::stored::Tally;
use crate::stream::{Chunk, Stream};
use crate::wire::{Parsed, Sink, Stop, Window};

/// Least bytes asked of one read: below it the system call costs more than the
/// copy (a guess).
const LEAST_READ: usize = 16 << 10;
/// A batch buffer above this size is given back once the record that needed it
/// is through (a guess: four chunks).
const RETAINED: usize = 1 << 20;
/// Bytes without a frame after which the caller gets a say: blocks of unknown kinds may
/// fill a file (a guess: some milliseconds of reading).
const MOST_SKIPPED: usize = 4 << 20;
/// First guess of the mean record size in bytes.
const FIRST_MEAN: usize = 512;

/// What reading an input leaves behind besides frames.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) findings: Findings,
    pub(crate) stats: Vec<InterfaceStats>,
}

/// One open input.
pub(crate) struct Feed {
    stream: Stream,
    parser: Parser,
    tap: u16,
    labels: Option<Labels>,
    /// Bytes read and not yet parsed start at `carry_at`.
    carry: Vec<u8>,
    carry_at: usize,
    /// Stream offset of the first unparsed byte.
    offset: u64,
    /// Smoothed record size in bytes; sizes the reads so that little is carried.
    mean: usize,
    ended: bool,
    /// How the stream ended, once it has; it is not read again.
    over: Option<Chunk>,
    /// Whether a read never waits for a slow writer.
    patient: bool,
}

impl Feed {
    /// Recognises compression and format. Reads no packet. `patient`: the reader
    /// never waits for a slow writer.
    pub(crate) fn open(
        reader: Box<dyn Read + Send>,
        tally: Arc<Tally>,
        patient: bool,
        tap: u16,
        options: &Options,
    ) -> Result<Self, Fault> {
        let mut stream = Stream::open(reader, tally, options)?;
        let Recognised {
            parser,
            rest,
            offset,
        } = recognise(&mut stream)?;
        Ok(Self {
            stream,
            parser,
            tap,
            labels: options.labels.clone(),
            carry: rest,
            carry_at: 0,
            offset,
            mean: FIRST_MEAN,
            ended: false,
            over: None,
            patient,
        })
    }

    /// Decompressed bytes used so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether no frame will follow.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Adds frames behind the first `used` bytes of the batch buffer, which stay as
    /// they are; what the buffer holds past them is overwritten. Returns with at
    /// least one more frame unless the input has ended or [`MOST_SKIPPED`] bytes held
    /// none, and after the first read that gave one, so that a slow pipe is not waited for. `frames` is the number
    /// of frames to add at most, `chunk` the number of bytes to read at most.
    /// Returns the end of the bytes in use.
    pub(crate) fn append(
        &mut self,
        batch: &mut FrameBatch,
        used: usize,
        frames: usize,
        chunk: usize,
        record: &mut Record,
    ) -> Result<usize, Fault> {
        if batch.bytes.capacity() > RETAINED.max(chunk * 2) && used <= RETAINED {
            batch.bytes.truncate(used);
            batch.bytes.shrink_to(chunk);
        }
        let first = batch.frames.len();
        let most = first.saturating_add(frames);
        let target = self
            .mean
            .saturating_mul(frames)
            .clamp(LEAST_READ.min(chunk), chunk);
        // The batch holds `at..end` unparsed bytes, the first of them from the carry.
        let (mut at, mut end) = (used, used);
        let mut carried = self.carry.len() - self.carry_at;
        let mut need = 1;
        // What a file has is there at once: read before parsing the few frames that
        // a full batch left in the carry.
        let mut top_up = self.patient && self.over.is_none();
        let mut skipped = 0;
        let result = loop {
            if self.ended {
                break Ok(());
            }
            if end - at >= need && !top_up {
                let parsed = self.parse(batch, at, end, most, record);
                at += parsed.consumed;
                match parsed.stop {
                    Stop::NeedMore(bytes) => need = bytes.max(end - at + 1),
                    Stop::Full => break Ok(()),
                    Stop::End => self.ended = true,
                }
                skipped += parsed.consumed;
                if self.ended || batch.frames.len() > first || skipped >= MOST_SKIPPED {
                    break Ok(());
                }
                if at > used {
                    batch.bytes.copy_within(at..end, used);
                    (at, end) = (used, end - (at - used));
                }
            }
            // Doubling with what is there: a length field alone allocates nothing.
            let have = end - at;
            let want = need
                .saturating_sub(have)
                .min(have.max(chunk))
                .max(target.saturating_sub(have))
                .max(1);
            grow(&mut batch.bytes, end + want);
            let room = batch.bytes.get_mut(end..end + want).unwrap_or_default();
            if carried > 0 {
                let from = self.carry.len() - carried;
                let part = carried.min(want);
                if let (Some(room), Some(bytes)) =
                    (room.get_mut(..part), self.carry.get(from..from + part))
                {
                    room.copy_from_slice(bytes);
                }
                carried -= part;
                end += part;
                top_up &= carried == 0 && end - used < target;
                continue;
            }
            top_up = false;
            if self.over.is_none() {
                match self.stream.read(room) {
                    Ok(Chunk::Bytes(n)) => {
                        end += n;
                        continue;
                    }
                    Ok(over) => self.over = Some(over),
                    Err(fault) => {
                        self.ended = true;
                        break Err(fault);
                    }
                }
                if end - at >= need {
                    continue;
                }
            }
            at += self.finish(batch, at, end, record);
            self.ended = at == end;
            need = 1;
        };
        self.keep(batch, at, end, carried);
        let added = batch.frames.len() - first;
        if let Some(mean) = (at - used).checked_div(added) {
            self.mean = (self.mean * 3 + mean) / 4 + 1;
        }
        result.map(|()| at)
    }

    fn parse(
        &mut self,
        batch: &mut FrameBatch,
        at: usize,
        end: usize,
        most: usize,
        record: &mut Record,
    ) -> Parsed {
        let bytes = batch.bytes.get(at..end).unwrap_or_default();
        let window = Window {
            bytes,
            batch_offset: at,
            stream_offset: self.offset,
        };
        let mut sink = Sink {
            frames: &mut batch.frames,
            most,
            tap: self.tap,
            labels: self.labels.as_ref(),
            findings: &mut record.findings,
            stats: &mut record.stats,
        };
        let parsed = match &mut self.parser {
            Parser::Pcap(pcap) => pcap.parse(&window, &mut sink),
            Parser::Pcapng(pcapng) => pcapng.parse(&window, &mut sink),
        };
        self.offset = self.offset.saturating_add(parsed.consumed as u64);
        parsed
    }

    /// The stream is over with `at..end` left. Returns how many of these bytes are
    /// done with: all of them unless a section header lies among them.
    fn finish(
        &mut self,
        batch: &mut FrameBatch,
        at: usize,
        end: usize,
        record: &mut Record,
    ) -> usize {
        let left = end - at;
        let bytes = batch.bytes.get(at..end).unwrap_or_default();
        let window = Window {
            bytes,
            batch_offset: at,
            stream_offset: self.offset,
        };
        let mut sink = Sink {
            frames: &mut batch.frames,
            most: 0,
            tap: self.tap,
            labels: self.labels.as_ref(),
            findings: &mut record.findings,
            stats: &mut record.stats,
        };
        let mut silent = left == 0;
        if let Parser::Pcapng(pcapng) = &mut self.parser {
            if let Some(skip) = pcapng.finish(&window, &mut sink) {
                self.offset = self.offset.saturating_add(skip as u64);
                return skip;
            }
            silent |= pcapng.is_searching();
        }
        if !silent {
            record.findings.add(NoteKind::Truncated, self.offset, || {
                format!("the input ends inside a record; its last {left} bytes are not used")
            });
        }
        let packed = self.stream.packed().unwrap_or("compressed");
        match self.over.as_ref().unwrap_or(&Chunk::End) {
            Chunk::Cut => {
                record
                    .findings
                    .add(NoteKind::CompressedTruncated, self.offset, || {
                        format!("the {packed} stream ends too early; what it gave before is used")
                    });
            }
            Chunk::Corrupt(reason) => {
                record
                    .findings
                    .add(NoteKind::CompressedCorrupt, self.offset, || {
                        format!(
                            "the {packed} stream is damaged ({reason}); what it gave before is used"
                        )
                    });
            }
            Chunk::Bytes(_) | Chunk::End => {}
        }
        self.offset = self.offset.saturating_add(left as u64);
        left
    }

    /// Keeps the unparsed bytes for the next batch. `carried` is how much of the
    /// carry was not even taken into this one.
    fn keep(&mut self, batch: &FrameBatch, at: usize, end: usize, carried: usize) {
        let left = end - at;
        if carried > 0 || left == 0 {
            // What is left came from the carry and is still there.
            self.carry_at = self.carry.len() - carried - left;
            if self.carry_at == self.carry.len() {
                self.carry.clear();
                self.carry_at = 0;
            }
            return;
        }
        self.carry.clear();
        self.carry.shrink_to(RETAINED);
        self.carry
            .extend_from_slice(batch.bytes.get(at..end).unwrap_or_default());
        self.carry_at = 0;
    }
}

/// Lengthens the buffer to `length`; zeroes only what was never in use.
fn grow(bytes: &mut Vec<u8>, length: usize) {
    if bytes.len() < length {
        bytes.reserve_exact(length - bytes.len());
        bytes.resize(length, 0);
    }
}
