//! Bytes as they are stored: regular files that can be closed between reads,
//! pipes, and the count of what was read from them. No decompression.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::Fault;

/// What is known about the reading of one input from outside its decoder.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stored: AtomicU64,
    failed: AtomicBool,
}

impl Tally {
    /// Stored (compressed) bytes read.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Whether the system refused a read. Tells a failing disk from damaged
    /// compressed data, which decoders report as the same kind of error.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Any reader with its bytes counted.
pub(crate) struct Counted<R> {
    pub(crate) inner: R,
    pub(crate) tally: Arc<Tally>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.inner.read(buf) {
                Ok(n) => {
                    self.tally.stored.fetch_add(n as u64, Ordering::Relaxed);
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.tally.failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    }
}

/// A regular file, opened for each read unless it may stay open.
pub(crate) struct StoredFile {
    path: PathBuf,
    /// Open descriptor; `None` between reads of a file that may not stay open.
    file: Option<File>,
    /// Offset of the next read.
    position: u64,
    keep_open: bool,
    /// Device and inode of the first open: a file replaced in between must not
    /// be read on as if it were the same.
    identity: (u64, u64),
}

impl Read for StoredFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.reopen()?,
        };
        let n = file.read(buf)?;
        self.position = self.position.saturating_add(n as u64);
        if self.keep_open {
            self.file = Some(file);
        }
        Ok(n)
    }
}

impl StoredFile {
    fn reopen(&self) -> io::Result<File> {
        let mut file = File::open(&self.path)?;
        let meta = file.metadata()?;
        if (meta.dev(), meta.ino()) != self.identity {
            return Err(io::Error::other(
                "the file was replaced while it was being read",
            ));
        }
        file.seek(SeekFrom::Start(self.position))?;
        Ok(file)
    }
}

/// An opened origin of bytes.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Stored size in bytes; `None` for a pipe.
    pub(crate) size: Option<u64>,
    /// Whether the same bytes can be had again by opening the path again.
    pub(crate) reopenable: bool,
}

/// Opens a path. Opening a FIFO waits for its writer.
pub(crate) fn open_path(path: &Path, keep_open: bool) -> Result<Opened, Fault> {
    let file = File::open(path).map_err(Fault::Io)?;
    let meta = file.metadata().map_err(Fault::Io)?;
    if meta.is_dir() {
        return Err(Fault::Unusable(
            "is a directory, not a capture file".to_owned(),
        ));
    }
    if !meta.is_file() {
        return Ok(Opened {
            reader: Box::new(file),
            size: None,
            reopenable: false,
        });
    }
    if meta.len() == 0 {
        return Err(Fault::Unusable("the file is empty".to_owned()));
    }
    let reader = Box::new(StoredFile {
        path: path.to_owned(),
        file: Some(file),
        position: 0,
        keep_open,
        identity: (meta.dev(), meta.ino()),
    });
    Ok(Opened {
        reader,
        size: Some(meta.len()),
        reopenable: true,
    })
}

/// Opens standard input on a descriptor of its own, past the line buffer of the
/// standard library.
pub(crate) fn open_stdin() -> Result<Opened, Fault> {
    let fd = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(Fault::Io)?;
    let mut file = File::from(fd);
    let meta = file.metadata().map_err(Fault::Io)?;
    if meta.is_dir() {
        return Err(Fault::Unusable("is a directory, not a capture".to_owned()));
    }
    let size = if meta.is_file() {
        let position = file.stream_position().map_err(Fault::Io)?;
        Some(meta.len().saturating_sub(position))
    } else {
        None
    };
    Ok(Opened {
        reader: Box::new(file),
        size,
        reopenable: false,
    })
}
