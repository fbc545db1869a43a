//! Cuts the frames of some sessions out of captures, or out of what a run has kept, and
//! writes them as an annotated pcapng.
//!
//! Memory is one batch and one frame: captures are cut while they are read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use ctcpmon_capture::write::PcapngWriter;
use ctcpmon_capture::{
    CaptureError, CaptureSet, FrameBatch, Input, Label, Labels, Options, Progress, open,
};
use ctcpmon_core::frame::{Frame, FrameMeta, LinkType};
use ctcpmon_core::slice::{Mark, Selector, Wanted};

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
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sliced {
    /// Frames.
    pub frames: u64,
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

/// Picks frames and writes them.
struct Cutter<W> {
    selector: Selector,
    writer: PcapngWriter<W>,
    /// Interfaces described so far, by label and link type.
    interfaces: BTreeMap<(u16, LinkType), u32>,
    /// The last frame is held back: remarks that nothing follows go onto it.
    held: Option<(u32, FrameMeta)>,
    held_bytes: Vec<u8>,
    remarks: Vec<String>,
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
            held: None,
            held_bytes: Vec::new(),
            remarks: Vec::new(),
            sliced: Sliced::default(),
        })
    }

    fn take(
        &mut self,
        frame: &Frame<'_>,
        describe: impl FnOnce(u16) -> Option<Label>,
    ) -> io::Result<()> {
        let mut remarks = Vec::new();
        if !self.selector.take(frame, &mut remarks) {
            return Ok(());
        }
        self.write_held()?;
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
        self.remarks = remarks;
        self.held_bytes.clear();
        self.held_bytes.extend_from_slice(frame.bytes);
        let meta = FrameMeta {
            ts: frame.ts,
            offset: 0,
            captured_len: frame.bytes.len() as u32,
            original_len: frame.original_len,
            link: frame.link,
            tap: frame.tap,
        };
        self.held = Some((interface, meta));
        Ok(())
    }

    fn write_held(&mut self) -> io::Result<()> {
        let Some((interface, meta)) = self.held.take() else {
            return Ok(());
        };
        let frame = Frame {
            ts: meta.ts,
            link: meta.link,
            tap: meta.tap,
            original_len: meta.original_len,
            bytes: &self.held_bytes,
        };
        let remarks: Vec<&str> = self.remarks.iter().map(String::as_str).collect();
        self.writer.packet(interface, &frame, &remarks)?;
        self.sliced.frames += 1;
        self.sliced.remarks += remarks.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> io::Result<(W, Sliced)> {
        if self.held.is_some() {
            let late = self.selector.late();
            self.remarks.extend(late);
        }
        self.write_held()?;
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
    pub fn start(paths: &[String], out: W, config: SliceConfig) -> Result<Self, SliceError> {
        let labels = Labels::default();
        let inputs: Vec<Input> = paths
            .iter()
            .enumerate()
            .map(|(at, path)| Input::from_arg(path.as_ref(), at as u16))
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

    /// Ends the output.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(self) -> Result<Sliced, SliceError> {
        Ok(self.cutter.finish()?.1)
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
