//! Why an interface cannot be captured, in words that say what to do.

use std::io;

use crate::sys;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// No interface of that name.
    #[error("no interface {0}; ctcpmon ifaces lists those that there are")]
    NoInterface(String),
    /// It is another name of one.
    #[error("{given} is another name of {name}; give that one")]
    OtherName {
        /// As it was given.
        given: String,
        /// The one that counts.
        name: String,
    },
    /// More than can be told apart.
    #[error("{0} interfaces; at most {1} are captured by one run")]
    TooMany(usize, usize),
    /// More memory than there is.
    #[error("rings of {0} MiB: this machine has {1} MiB available (--ring-mib)")]
    NoMemory(u64, u64),
    /// The right to capture is missing.
    #[error("no right to capture on {0}: CAP_NET_RAW is needed")]
    NoRight(String),
    /// The right to change an interface is missing.
    #[error("no right to switch offloads of {0} off: CAP_NET_ADMIN is needed")]
    NoOffloadRight(String),
    /// Its frames begin with something that cannot be decoded.
    #[error("{name}: frames of hardware type {hardware} cannot be decoded")]
    LinkType {
        /// Interface.
        name: String,
        /// ARPHRD number.
        hardware: u16,
    },
    /// The filter was not compiled for its frames.
    #[error("{0}: the filter does not fit its frames")]
    NoFilter(String),
    /// It is another one under the same name, and a socket cannot leave its group.
    #[error("{0} was made anew, which several rings (--rings) cannot follow; start again")]
    MadeAnew(String),
    /// A call failed.
    #[error("{name}: {what}: {source}")]
    Call {
        /// Interface.
        name: String,
        /// What was being done.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl LiveError {
    /// Why there is no interface called `name`.
    pub fn none(name: &str) -> Self {
        if let Err(source) = sys::can_ask() {
            return Self::Call {
                name: name.to_owned(),
                what: "asking for it",
                source,
            };
        }
        match sys::index_of(name).and_then(sys::name_of) {
            Some(real) if real != name => Self::OtherName {
                given: name.to_owned(),
                name: real,
            },
            _ => Self::NoInterface(name.to_owned()),
        }
    }
}
