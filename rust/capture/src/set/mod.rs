//! The capture set: all inputs of a run as one sequence of frames.

mod merge;
mod report;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Read;
use std::sync::Arc;

use ctcpmon_core::frame::FrameBatch;

use crate::error::{CaptureError, Fault};
use crate::feed::{Feed, Record};
use crate::input::{Input, Source};
use crate::lane::Lane;
use crate::options::Options;
use crate::stored::{Opened, Tally, open_path, open_stdin};

/// Whether there may be more frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The batch holds at least one frame.
    More,
    /// The batch is empty and no frame will follow.
    End,
}

/// Place of an input among those open: merge key of its head frame, rank, index.
type Head = Reverse<(i64, usize, usize)>;

struct Member {
    name: String,
    /// How to open it (again); `None` for readers given by the caller.
    input: Option<Input>,
    tap: u16,
    /// Stored size in bytes; `None` for a pipe.
    size: Option<u64>,
    tally: Arc<Tally>,
    record: Record,
    lane: Option<Lane>,
    /// Cannot be opened again and may make a reader wait.
    pipe: bool,
}

/// An input that the merge has not reached.
#[derive(Clone, Copy)]
struct Waiting {
    key: i64,
    rank: usize,
    member: usize,
}

/// Inputs being read. Made by [`open`] or [`CaptureSet::from_readers`].
pub struct CaptureSet {
    options: Options,
    members: Vec<Member>,
    /// Not yet opened for good, by key.
    waiting: VecDeque<Waiting>,
    heads: BinaryHeap<Head>,
    /// Input whose head frame is not known before more is read, with its rank.
    unread: Option<(usize, usize)>,
    /// Error to report once the frames read before it are out.
    pending: Option<CaptureError>,
    open_files: usize,
    frames: u64,
}

/// Opens all inputs and checks that each is a capture.
///
/// Opening a FIFO waits for its writer. With several inputs the first frames of
/// each are read to learn its start time.
///
/// # Errors
/// The first input that cannot be opened or is no capture, by name.
pub fn open(inputs: &[Input], options: &Options) -> Result<CaptureSet, CaptureError> {
    if inputs
        .iter()
        .filter(|input| input.source == Source::Stdin)
        .count()
        > 1
    {
        return Err(CaptureError::StdinTwice);
    }
    let alone = inputs.len() == 1;
    let mut set = CaptureSet::empty(options);
    for input in inputs {
        let name = input.shown();
        let opened = open_input(input, true).map_err(|fault| fault.at(&name, None))?;
        set.admit(name, Some(input.clone()), input.tap, opened, alone)?;
    }
    set.rank()
}

fn open_input(input: &Input, keep_open: bool) -> Result<Opened, Fault> {
    match &input.source {
        Source::Path(path) => open_path(path, keep_open),
        Source::Stdin => open_stdin(),
    }
}

impl CaptureSet {
    /// A set over readers that are already open, each with a name for messages and
    /// a tap. They are treated as pipes.
    ///
    /// # Errors
    /// As for [`open`].
    pub fn from_readers(
        readers: Vec<(String, Box<dyn Read + Send>, u16)>,
        options: &Options,
    ) -> Result<Self, CaptureError> {
        let alone = readers.len() == 1;
        let mut set = Self::empty(options);
        for (name, reader, tap) in readers {
            let opened = Opened {
                reader,
                size: None,
                reopenable: false,
            };
            set.admit(name, None, tap, opened, alone)?;
        }
        set.rank()
    }

    fn empty(options: &Options) -> Self {
        Self {
            options: options.clone(),
            members: Vec::new(),
            waiting: VecDeque::new(),
            heads: BinaryHeap::new(),
            unread: None,
            pending: None,
            open_files: 0,
            frames: 0,
        }
    }

    /// Checks an input and, in a merge, learns where it starts. A file that can be
    /// opened again is closed until the merge reaches it.
    fn admit(
        &mut self,
        name: String,
        input: Option<Input>,
        tap: u16,
        opened: Opened,
        alone: bool,
    ) -> Result<(), CaptureError> {
        let Opened {
            reader,
            size,
            reopenable,
        } = opened;
        let mut member = Member {
            name,
            input,
            tap,
            size,
            tally: Arc::default(),
            record: Record::default(),
            lane: None,
            pipe: !reopenable,
        };
        let feed = Feed::open(
            reader,
            Arc::clone(&member.tally),
            reopenable,
            tap,
            &self.options,
        )
        .map_err(|fault| fault.at(&member.name, None))?;
        let mut lane = Lane::new(feed);
        let mut key = i64::MIN;
        if !alone {
            let chunk = self.options.chunk().min(16 << 10);
            lane.read_ahead(16, chunk, &mut member.record)
                .map_err(|fault| fault.at(&member.name, Some(lane.feed.offset())))?;
            key = lane.key().unwrap_or(i64::MIN);
        }
        if alone || member.pipe {
            member.lane = Some(lane);
        } else {
            // Read again from the start when its turn comes; count it then.
            member.tally = Arc::default();
            member.record = Record::default();
        }
        self.waiting.push_back(Waiting {
            key,
            rank: 0,
            member: self.members.len(),
        });
        self.members.push(member);
        Ok(())
    }

    fn rank(mut self) -> Result<Self, CaptureError> {
        if self.members.is_empty() {
            return Err(CaptureError::NoInput);
        }
        // Stable: equal start times keep the order in which they were given.
        self.waiting
            .make_contiguous()
            .sort_by_key(|waiting| waiting.key);
        for (rank, waiting) in self.waiting.iter_mut().enumerate() {
            waiting.rank = rank;
        }
        Ok(self)
    }

    /// Replaces the content of `batch` by the next frames: up to
    /// [`Options::batch_frames`] of them, or as many as lie in
    /// [`Options::chunk_bytes`]. Hand the batch back as it is, without clearing:
    /// the bytes of a single input are read over the old ones.
    ///
    /// A batch may hold fewer frames than possible, so that a slow pipe is not
    /// waited for. `End` is repeated when called again.
    ///
    /// # Errors
    /// A read that failed or a compressed input that grew past its limits, by
    /// name; the batch is empty then, and all frames in front of the fault have
    /// been handed out. That input is given up; calling again goes on with the
    /// others.
    pub fn next_batch(&mut self, batch: &mut FrameBatch) -> Result<Progress, CaptureError> {
        batch.frames.clear();
        if let Some(error) = self.pending.take() {
            return Err(error);
        }
        if let [member] = self.members.as_mut_slice() {
            Self::read_alone(member, &self.options, batch)?;
        } else {
            batch.bytes.clear();
            self.merge(batch);
        }
        self.frames = self.frames.saturating_add(batch.frames.len() as u64);
        if !batch.frames.is_empty() {
            return Ok(Progress::More);
        }
        self.pending.take().map_or(Ok(Progress::End), Err)
    }

    /// As [`CaptureSet::next_batch`], but of a single input that holds no frame for long it
    /// returns `None` in between, so that the caller can do something else.
    ///
    /// # Errors
    /// Those of [`CaptureSet::next_batch`].
    pub fn next_batch_soon(
        &mut self,
        batch: &mut FrameBatch,
    ) -> Result<Option<Progress>, CaptureError> {
        if let ([member], None) = (self.members.as_mut_slice(), &self.pending) {
            batch.frames.clear();
            if !Self::read_once(member, &self.options, batch)? {
                return Ok(None);
            }
            if !batch.frames.is_empty() {
                self.frames = self.frames.saturating_add(batch.frames.len() as u64);
                return Ok(Some(Progress::More));
            }
        }
        self.next_batch(batch).map(Some)
    }

    /// Reads once from a single input; false when it has more and gave no frame yet.
    fn read_once(
        member: &mut Member,
        options: &Options,
        batch: &mut FrameBatch,
    ) -> Result<bool, CaptureError> {
        let Some(lane) = member.lane.as_mut() else {
            return Ok(true);
        };
        let feed = &mut lane.feed;
        if !feed.ended() {
            feed.append(
                batch,
                0,
                options.frames(),
                options.chunk(),
                &mut member.record,
            )
            .map_err(|fault| fault.at(&member.name, Some(feed.offset())))?;
        }
        Ok(feed.ended() || !batch.frames.is_empty())
    }

    /// The packet path: one input, frames noted in place.
    fn read_alone(
        member: &mut Member,
        options: &Options,
        batch: &mut FrameBatch,
    ) -> Result<(), CaptureError> {
        while !Self::read_once(member, options, batch)? {}
        if batch.frames.is_empty() {
            member.lane = None;
        }
        Ok(())
    }
}
