//! Cuts the frames of some sessions out of captures, or out of what a run has kept, and
//! writes them as an annotated pcapng.
//!
//! Memory is one batch and one frame: captures are cut while they are read. With bounds it is
//! what the bounds say.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ctcpmon_capture::write::PcapngWriter;
use ctcpmon_capture::{
    CaptureError, CaptureSet, FrameBatch, Input, Label, Labels, Options, Progress, open,
};
use ctcpmon_core::frame::{Frame, FrameMeta, LinkType};
use ctcpmon_core::slice::{Mark, Selector, Wanted};
use ctcpmon_core::time::Timestamp;

/// What a slice is made of.
#[derive(Clone, Debug)]
pub struct SliceConfig {
    /// Comments on all of it.
    pub about: Vec<String>,
    /// What writes it.
    pub application: String,
    /// Sessions.
    pub wanted: Vec<Wanted>,
    /// Remarks on frames.
    pub marks: Vec<Mark>,
    /// How much there may be; none: all.
    pub bounds: Option<Bounds>,
}

/// What to take when there may be too much: frames around a moment, about as many before it as
/// behind it; where one side has fewer, the other has more.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The moment.
    pub around: Timestamp,
    /// Most frames.
    pub frames: usize,
    /// Most bytes of frames, with what is written beside each.
    pub bytes: usize,
}

/// Written beside the bytes of a frame: a packet block of pcapng without options.
const BESIDE_BYTES: usize = 32;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sliced {
    /// Frames.
    pub frames: u64,
    /// Frames left out before the first one written: there were more than the bounds allow.
    pub before: u64,
    /// Frames left out behind the last one written.
    pub behind: u64,
    /// With bounds: of each frame its number among all frames read, from 1.
    pub numbers: Vec<u64>,
    /// Remarks on them.
    pub remarks: u64,
    /// Remarks asked for that found no frame.
    pub unplaced: u64,
}

/// Why a slice could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// An input.
    #[error("{0}")]
    Capture(#[from] CaptureError),
    /// The output.
    #[error("{0}")]
    Output(#[from] io::Error),
}

/// A frame that waits to be written.
struct Held {
    interface: u32,
    meta: FrameMeta,
    bytes: Vec<u8>,
    remarks: Vec<String>,
    number: u64,
}

/// Picks frames and writes them.
struct Cutter<W> {
    selector: Selector,
    writer: PcapngWriter<W>,
    /// Interfaces described so far, by label and link type.
    interfaces: BTreeMap<(u16, LinkType), u32>,
    bounds: Option<Bounds>,
    /// The last frame is held back: remarks that nothing follows go onto it. With bounds every
    /// frame is.
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Of those held, how many stand before the moment.
    early: usize,
    early_bytes: usize,
    /// Frames looked at.
    seen: u64,
    asked: u64,
    sliced: Sliced,
}

impl<W: Write> Cutter<W> {
    fn new(out: W, config: SliceConfig) -> io::Result<Self> {
        let about: Vec<&str> = config.about.iter().map(String::as_str).collect();
        Ok(Self {
            writer: PcapngWriter::new(out, &about, Some(&config.application))?,
            asked: config.marks.len() as u64,
            selector: Selector::new(config.wanted, config.marks),
            interfaces: BTreeMap::new(),
            bounds: config.bounds,
            held: VecDeque::new(),
            held_bytes: 0,
            early: 0,
            early_bytes: 0,
            seen: 0,
            sliced: Sliced::default(),
        })
    }

    fn take(
        &mut self,
        frame: &Frame<'_>,
        describe: impl FnOnce(u16) -> Option<Label>,
    ) -> io::Result<()> {
        self.seen += 1;
        let mut remarks = Vec::new();
        if !self.selector.take(frame, &mut remarks) {
            return Ok(());
        }
        let mut bytes = if let Some(bounds) = self.bounds {
            if !self.has_room(bounds, frame) {
                self.sliced.behind += 1;
                return Ok(());
            }
            Vec::with_capacity(frame.bytes.len())
        } else {
            self.write_held()?.unwrap_or_default()
        };
        let key = (frame.tap, frame.link);
        let interface = if let Some(known) = self.interfaces.get(&key) {
            *known
        } else {
            let label = describe(frame.tap);
            let name = label.as_ref().and_then(|label| label.name.as_deref());
            let name = name.map(inert);
            let snap = label.as_ref().map_or(0, |label| label.snap);
            let id = self.writer.interface(frame.link, snap, name.as_deref())?;
            self.interfaces.insert(key, id);
            id
        };
        bytes.clear();
        bytes.extend_from_slice(frame.bytes);
        let meta = FrameMeta {
            ts: frame.ts,
            offset: 0,
            captured_len: frame.bytes.len() as u32,
            original_len: frame.original_len,
            link: frame.link,
            tap: frame.tap,
        };
        self.held.push_back(Held {
            interface,
            meta,
            bytes,
            remarks,
            number: self.seen,
        });
        Ok(())
    }

    /// Makes room for `frame` where that may be; false when there is none and it is left out.
    fn has_room(&mut self, bounds: Bounds, frame: &Frame<'_>) -> bool {
        if self.sliced.behind > 0 {
            return false;
        }
        let cost = frame.bytes.len() + BESIDE_BYTES;
        let is_early = frame.ts < bounds.around && self.early == self.held.len();
        loop {
            let is_too_much = self.held.len() >= bounds.frames
                || self.held_bytes.saturating_add(cost) > bounds.bytes;
            if !is_too_much {
                break;
            }
            // What came before the moment makes room down to its half; before the moment all does.
            let may_go =
                is_early || self.early > bounds.frames / 2 || self.early_bytes > bounds.bytes / 2;
            if !may_go || self.early == 0 {
                return false;
            }
            if let Some(oldest) = self.held.pop_front() {
                let gone = oldest.bytes.len() + BESIDE_BYTES;
                self.held_bytes -= gone;
                self.early -= 1;
                self.early_bytes -= gone;
                self.sliced.before += 1;
            }
        }
        self.held_bytes += cost;
        if is_early {
            self.early += 1;
            self.early_bytes += cost;
        }
        true
    }

    /// Writes the oldest frame that is held; its buffer may be used again.
    fn write_held(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(held) = self.held.pop_front() else {
            return Ok(None);
        };
        let meta = held.meta;
        let frame = Frame {
            ts: meta.ts,
            link: meta.link,
            tap: meta.tap,
            original_len: meta.original_len,
            bytes: &held.bytes,
        };
        let remarks: Vec<&str> = held.remarks.iter().map(String::as_str).collect();
        self.writer.packet(held.interface, &frame, &remarks)?;
        self.sliced.frames += 1;
        self.sliced.remarks += remarks.len() as u64;
        if self.bounds.is_some() {
            self.sliced.numbers.push(held.number);
        }
        Ok(Some(held.bytes))
    }

    fn finish(mut self) -> io::Result<(W, Sliced)> {
        if let Some(last) = self.held.back_mut()
            // Their place would be behind what was left out.
            && self.sliced.behind == 0
        {
            last.remarks.extend(self.selector.late());
        }
        while self.write_held()?.is_some() {}
        self.sliced.unplaced = self.asked - self.sliced.remarks;
        Ok((self.writer.finish()?, self.sliced))
    }
}

/// A name of a foreign capture without what a terminal would act on.
fn inert(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// A slice of captures in the making.
pub struct Slicer<W: Write> {
    source: CaptureSet,
    labels: Labels,
    batch: FrameBatch,
    cutter: Cutter<W>,
}

impl<W: Write> Slicer<W> {
    /// Opens the captures and starts the output.
    ///
    /// # Errors
    /// Of either.
    pub fn start(paths: &[PathBuf], out: W, config: SliceConfig) -> Result<Self, SliceError> {
        let labels = Labels::default();
        let inputs: Vec<Input> = paths
            .iter()
            .enumerate()
            .map(|(at, path)| Input::from_arg(path.as_os_str(), at as u16))
            .collect();
        let options = Options {
            labels: Some(labels.clone()),
            ..Options::default()
        };
        Ok(Self {
            source: open(&inputs, &options)?,
            labels,
            batch: FrameBatch::default(),
            cutter: Cutter::new(out, config)?,
        })
    }

    /// Goes on for about `time`; false when nothing is left to read.
    ///
    /// # Errors
    /// The first of an input or the output.
    pub fn step(&mut self, time: Duration) -> Result<bool, SliceError> {
        let until = Instant::now() + time;
        while self.source.next_batch(&mut self.batch)? == Progress::More {
            for frame in self.batch.iter() {
                self.cutter.take(&frame, |label| self.labels.get(label))?;
            }
            if Instant::now() >= until {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends the output and hands it back.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(self) -> Result<(W, Sliced), SliceError> {
        Ok(self.cutter.finish()?)
    }
}

/// A slice of frames that a run has kept. `names` are the interfaces by tap.
pub(crate) fn slice_kept(
    batch: &FrameBatch,
    names: &[String],
    config: SliceConfig,
) -> io::Result<(Vec<u8>, Sliced)> {
    let mut cutter = Cutter::new(Vec::new(), config)?;
    for frame in batch.iter() {
        cutter.take(&frame, |tap| {
            Some(Label {
                tap,
                link: frame.link,
                snap: 0,
                name: names.get(usize::from(tap)).cloned(),
            })
        })?;
    }
    cutter.finish()
}
