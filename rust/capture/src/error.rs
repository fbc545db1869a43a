//! What makes an input unusable. Damage inside an input is a note, not an error.

use std::io;

/// Why an input could not be opened or read on.
///
/// Paths are shown by [`crate::shown_path`], so that a file name cannot
/// speak to a terminal.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// No input was given.
    #[error("no capture file was given")]
    NoInput,
    /// Standard input was given more than once.
    #[error("standard input was given more than once")]
    StdinTwice,
    /// The system refused to open the input.
    #[error("cannot open {input}: {source}")]
    Open {
        /// The input as given.
        input: String,
        /// The answer of the system.
        source: io::Error,
    },
    /// The input is no capture that can be read.
    #[error("{input}: {reason}")]
    Unusable {
        /// The input as given.
        input: String,
        /// Plain-language reason.
        reason: String,
    },
    /// The system failed to deliver bytes of an input that was being read.
    #[error("cannot read on in {input} after {offset} bytes: {source}")]
    Read {
        /// The input as given.
        input: String,
        /// Decompressed bytes used before the failure.
        offset: u64,
        /// The answer of the system.
        source: io::Error,
    },
    /// A compressed input grew beyond the limits of [`crate::Options`].
    #[error(
        "{input}: {stored} compressed bytes have grown to {expanded} bytes, \
         past the limit of {limit}; reading of this input stopped there"
    )]
    Expansion {
        /// The input as given.
        input: String,
        /// Compressed bytes read.
        stored: u64,
        /// Decompressed bytes they gave.
        expanded: u64,
        /// The limit in words, with its unit.
        limit: String,
    },
}

/// A failure before it is known which input it belongs to.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system failed.
    Io(io::Error),
    /// The content is no capture.
    Unusable(String),
    /// Expansion limit.
    Expansion {
        stored: u64,
        expanded: u64,
        limit: String,
    },
}

impl Fault {
    /// Names the input. `offset` is the number of decompressed bytes used, `None`
    /// while the input is being opened.
    pub(crate) fn at(self, input: &str, offset: Option<u64>) -> CaptureError {
        let input = input.to_owned();
        match (self, offset) {
            (Self::Io(source), None) => CaptureError::Open { input, source },
            (Self::Io(source), Some(offset)) => CaptureError::Read {
                input,
                offset,
                source,
            },
            (Self::Unusable(reason), _) => CaptureError::Unusable { input, reason },
            (
                Self::Expansion {
                    stored,
                    expanded,
                    limit,
                },
                _,
            ) => CaptureError::Expansion {
                input,
                stored,
                expanded,
                limit,
            },
        }
    }
}
