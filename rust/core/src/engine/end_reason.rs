//! Why a session ended.

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// FIN.
    Fin,
    /// RST.
    Rst,
    /// No packet for a long time.
    Idle,
    /// A new connection took its ends.
    Reused,
    /// The input ended.
    EndOfInput,
}

impl EndReason {
    /// Stable name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Idle => "idle",
            Self::Reused => "reused",
            Self::EndOfInput => "end_of_input",
        }
    }
}
