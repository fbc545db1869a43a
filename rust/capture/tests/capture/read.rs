//! Reading a capture to its end, whole or in odd chunks.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ctcpmon_capture::{
    CaptureError, CaptureSet, FrameBatch, Input, Note, NoteKind, Options, Progress, open,
};

use crate::build::Packet;

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) ts: i64,
    pub(crate) link: u16,
    pub(crate) tap: u16,
    pub(crate) original: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Got {
    /// What an Ethernet capture of `packet` must give at tap 0.
    pub(crate) fn of(packet: &Packet) -> Self {
        let Packet { ts, data, original } = packet.clone();
        Self {
            ts,
            link: 1,
            tap: 0,
            original,
            bytes: data,
        }
    }
}

pub(crate) fn wanted(packets: &[Packet]) -> Vec<Got> {
    packets.iter().map(Got::of).collect()
}

/// What reading gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) frames: Vec<Got>,
    pub(crate) notes: Vec<Note>,
    pub(crate) errors: Vec<CaptureError>,
}

impl Outcome {
    pub(crate) fn note(&self, kind: NoteKind) -> Option<&Note> {
        self.notes.iter().find(|note| note.kind == kind)
    }

    pub(crate) fn count(&self, kind: NoteKind) -> u64 {
        self.note(kind).map_or(0, |note| note.count)
    }
}

/// Largest batch buffer that is fine for ordinary records, in bytes.
pub(crate) const ORDINARY_BUFFER: usize = 2 << 20;

pub(crate) fn drain(set: &mut CaptureSet) -> Outcome {
    drain_within(set, ORDINARY_BUFFER)
}

/// Reads to the end and checks what holds for every batch.
pub(crate) fn drain_within(set: &mut CaptureSet, most_bytes: usize) -> Outcome {
    let mut batch = FrameBatch::default();
    let (mut frames, mut errors) = (Vec::new(), Vec::new());
    loop {
        let progress = set.next_batch(&mut batch);
        assert!(
            batch.bytes.capacity() <= most_bytes,
            "{} bytes held",
            batch.bytes.capacity()
        );
        for (meta, frame) in batch.frames.iter().zip(batch.iter()) {
            assert_eq!(
                frame.bytes.len(),
                meta.captured_len as usize,
                "range outside the batch"
            );
            assert!(frame.original_len >= meta.captured_len);
            frames.push(Got {
                ts: frame.ts.0,
                link: frame.link.0,
                tap: frame.tap,
                original: frame.original_len,
                bytes: frame.bytes.to_vec(),
            });
        }
        match progress {
            Ok(Progress::More) => assert!(!batch.frames.is_empty()),
            Ok(Progress::End) => break,
            Err(error) => {
                assert!(batch.frames.is_empty());
                errors.push(error);
            }
        }
    }
    assert_eq!(set.next_batch(&mut batch).unwrap(), Progress::End);
    assert_eq!(set.totals().frames, frames.len() as u64);
    Outcome {
        frames,
        notes: set.notes(),
        errors,
    }
}

pub(crate) fn from_bytes(bytes: &[u8], options: &Options) -> Result<CaptureSet, CaptureError> {
    let reader = Box::new(io::Cursor::new(bytes.to_vec()));
    CaptureSet::from_readers(vec![("test".to_owned(), reader, 0)], options)
}

pub(crate) fn read(bytes: &[u8]) -> Outcome {
    drain(&mut from_bytes(bytes, &Options::default()).unwrap())
}

/// Gives at most the next of `sizes` bytes at each read, over and over.
pub(crate) struct Chunks {
    pub(crate) bytes: io::Cursor<Vec<u8>>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) turn: usize,
}

impl Chunks {
    pub(crate) fn new(bytes: &[u8], sizes: &[usize]) -> Self {
        Self {
            bytes: io::Cursor::new(bytes.to_vec()),
            sizes: sizes.to_vec(),
            turn: 0,
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()]
            .max(1)
            .min(buf.len());
        self.turn += 1;
        self.bytes.read(&mut buf[..size])
    }
}

/// A folder of its own under the target folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capture-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Writes files into a folder and returns their paths in order.
pub(crate) fn files(folder: &Path, contents: &[Vec<u8>]) -> Vec<PathBuf> {
    contents
        .iter()
        .enumerate()
        .map(|(index, bytes)| {
            let path = folder.join(format!("{index:05}.cap"));
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

pub(crate) fn read_files(paths: &[PathBuf], options: &Options) -> Outcome {
    let inputs: Vec<_> = paths.iter().map(|path| Input::path(path, 0)).collect();
    drain(&mut open(&inputs, options).unwrap())
}
