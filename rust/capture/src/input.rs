//! What the user names: files and standard input, each with its tap.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One capture to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Where the bytes come from.
    pub source: Source,
    /// Observation point its frames are labelled with.
    pub tap: u16,
}

/// Origin of the bytes of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or FIFO.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// A file or FIFO, seen at `tap`.
    pub fn path(path: impl Into<PathBuf>, tap: u16) -> Self {
        Self {
            source: Source::Path(path.into()),
            tap,
        }
    }

    /// Standard input, seen at `tap`.
    pub fn stdin(tap: u16) -> Self {
        Self {
            source: Source::Stdin,
            tap,
        }
    }

    /// A command-line argument: `-` is standard input, all else a path.
    pub fn from_arg(arg: &OsStr, tap: u16) -> Self {
        if arg == "-" {
            Self::stdin(tap)
        } else {
            Self::path(arg, tap)
        }
    }

    /// The name for messages, free of control characters.
    pub(crate) fn shown(&self) -> String {
        match &self.source {
            Source::Stdin => "standard input".to_owned(),
            Source::Path(path) => shown_path(path),
        }
    }
}

/// The name of a file for messages: control characters and bytes that are not UTF-8 as `\xNN`,
/// so that it cannot speak to a terminal, and two names never look the same.
pub fn shown_path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            } else {
                shown.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}
