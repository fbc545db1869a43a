//! What inputs are made from: simulated sessions, and captures of a `--corpus` folder.

use std::io;
use std::path::Path;

use ctcpmon_capture::{FrameBatch, Input, Options, Progress, open};
use ctcpmon_testkit::Record;
use ctcpmon_testkit::cases::CASES;
use ctcpmon_testkit::demo;

use crate::formats::Frame;
use crate::mutate::MOST_BYTES;
use crate::random::Random;

/// Frames kept of one capture.
const MOST_FRAMES: usize = 1_500;
/// Bytes kept of all captures together.
const MOST_POOL_BYTES: usize = 512 << 20;

/// Frames of one link type in capture order.
pub(crate) struct Stream {
    pub(crate) link: u16,
    pub(crate) frames: Vec<Frame>,
}

/// Everything to choose from.
#[derive(Default)]
pub(crate) struct Pool {
    pub(crate) streams: Vec<Stream>,
    /// Streams of the testkit; they stand first in `streams`.
    pub(crate) simulated: usize,
    pub(crate) files: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// The simulated sessions.
    pub(crate) fn new() -> Self {
        let mut pool = Self::default();
        let cases = CASES.iter().map(|case| (case.build)());
        for records in cases.chain([demo::records()]) {
            pool.streams.push(Stream {
                link: 1,
                frames: records.into_iter().map(frame).collect(),
            });
        }
        pool.simulated = pool.streams.len();
        pool
    }

    /// Adds every file below `folder`, in the order of their names.
    pub(crate) fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(folder)?
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .map(|entry| entry.path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                self.add_folder(&path)?;
            } else if path.is_file() && self.bytes < MOST_POOL_BYTES {
                self.add_file(&path)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> io::Result<()> {
        let mut raw = std::fs::read(path)?;
        raw.truncate(MOST_BYTES / 2);
        self.bytes += raw.len();
        self.files.push(raw);
        // A file that is no capture is still good for the readers.
        let Ok(mut set) = open(&[Input::path(path, 0)], &Options::default()) else {
            return Ok(());
        };
        let mut batch = FrameBatch::default();
        let mut stream: Option<Stream> = None;
        while let Ok(Progress::More) = set.next_batch(&mut batch) {
            for got in batch.iter() {
                let stream = stream.get_or_insert_with(|| Stream {
                    link: got.link.0,
                    frames: Vec::new(),
                });
                if stream.link == got.link.0 && got.bytes.len() < MOST_BYTES / 4 {
                    self.bytes += got.bytes.len();
                    stream.frames.push(Frame {
                        ts_ns: got.ts.0,
                        original: got.original_len,
                        bytes: got.bytes.to_vec(),
                    });
                }
            }
            if stream
                .as_ref()
                .is_some_and(|s| s.frames.len() > MOST_FRAMES)
            {
                break;
            }
        }
        self.streams.extend(stream.filter(|s| !s.frames.is_empty()));
        Ok(())
    }

    /// A stream: one of the simulated ones half of the time.
    pub(crate) fn stream(&self, random: &mut Random) -> &Stream {
        if random.once_in(2) {
            return &self.streams[random.below(self.simulated)];
        }
        random.pick(&self.streams)
    }

    /// Up to `most` frames in a row.
    pub(crate) fn window(&self, random: &mut Random, most: usize) -> (u16, Vec<Frame>) {
        let stream = self.stream(random);
        let most = most.min(stream.frames.len());
        let count = 1 + random.below(most);
        let from = if random.once_in(2) {
            0
        } else {
            random.below(stream.frames.len() - count + 1)
        };
        (stream.link, stream.frames[from..from + count].to_vec())
    }
}

fn frame(record: Record) -> Frame {
    Frame {
        ts_ns: record.ts_ns,
        original: record.frame.len() as u32,
        bytes: record.frame,
    }
}
