//! What was odd about an input: cut off, corrupt, skipped, out of order.
//!
//! Damage is aggregated per input and kind (first offset and a count), so a
//! hostile file cannot make the notes grow.

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoteKind {
    /// The input ends inside a record; the rest of it is not used.
    Truncated,
    /// The compressed stream ends too early.
    CompressedTruncated,
    /// The compressed stream is damaged.
    CompressedCorrupt,
    /// A record or block cannot be framed; nothing behind it is used unless
    /// `Resumed` is noted too.
    Corrupt,
    /// Reading went on at the next section header behind corrupt bytes.
    Resumed,
    /// A packet whose lengths contradict its block was left out.
    MalformedPacket,
    /// A packet or statistics block of an interface never described was left out.
    UnknownInterface,
    /// A packet without a time got the time of the one before it.
    WithoutTime,
    /// A packet is stamped earlier than the one before it.
    TimeBackwards,
    /// A stated time does not fit 64-bit nanoseconds and was saturated.
    TimeSaturated,
    /// More bytes captured than were on the wire; the wire length was raised.
    AboveWireLength,
    /// More bytes captured than the snap length allows; all of them are used.
    AboveSnapLength,
    /// A malformed option list; options behind the fault are not used.
    BadOption,
    /// A block of a type not known here was skipped.
    SkippedBlock,
    /// An interface description past the limit of one section was left out.
    TooManyInterfaces,
    /// A followed file was truncated or replaced; what is there now is read.
    Restarted,
    /// A file of a followed set is no capture.
    LeftAside,
}

/// Number of kinds.
const KINDS: usize = NoteKind::LeftAside as usize + 1;

/// One kind of oddity in one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Index of the input in the order given to `open`.
    pub input: usize,
    /// The input as shown to people.
    pub name: String,
    /// What it is about.
    pub kind: NoteKind,
    /// Byte offset in the decompressed stream where it occurred first.
    pub offset: u64,
    /// How often it occurred in this input.
    pub count: u64,
    /// Plain-language text; holds numbers only, no bytes of the input.
    pub text: String,
}

#[derive(Clone, Debug, Default)]
struct Finding {
    count: u64,
    offset: u64,
    text: String,
}

/// Collected oddities of one input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    kinds: [Finding; KINDS],
    /// Largest step back in nanoseconds.
    pub(crate) largest_step_back: i64,
}

impl Findings {
    /// Counts an oddity; `text` is built for the first of its kind only.
    #[cold]
    pub(crate) fn add(&mut self, kind: NoteKind, offset: u64, text: impl FnOnce() -> String) {
        let Some(finding) = self.kinds.get_mut(kind as usize) else {
            return;
        };
        if finding.count == 0 {
            finding.offset = offset;
            finding.text = text();
        }
        finding.count = finding.count.saturating_add(1);
    }

    /// Counts a step back of the clock by `nanos`.
    #[cold]
    pub(crate) fn step_back(&mut self, offset: u64, nanos: i64) {
        self.largest_step_back = self.largest_step_back.max(nanos);
        self.add(NoteKind::TimeBackwards, offset, || {
            "packet stamped before the last".to_owned()
        });
    }

    /// How often `kind` occurred.
    pub(crate) fn count(&self, kind: NoteKind) -> u64 {
        self.kinds
            .get(kind as usize)
            .map_or(0, |finding| finding.count)
    }

    /// The notes of this input, in the order of the kinds.
    pub(crate) fn notes(&self, input: usize, name: &str) -> impl Iterator<Item = Note> {
        ALL.into_iter()
            .zip(&self.kinds)
            .filter(|(_, finding)| finding.count > 0)
            .map(move |(kind, finding)| Note {
                input,
                name: name.to_owned(),
                kind,
                offset: finding.offset,
                count: finding.count,
                text: self.text(kind, finding),
            })
    }

    fn text(&self, kind: NoteKind, finding: &Finding) -> String {
        let Finding {
            count,
            offset,
            text,
        } = finding;
        let times = if *count > 1 {
            format!(", {count} times in all")
        } else {
            String::new()
        };
        let step = match kind {
            NoteKind::TimeBackwards => {
                format!(", largest step back {} ns", self.largest_step_back)
            }
            _ => String::new(),
        };
        format!("{text} (at offset {offset}{times}{step})")
    }
}

const ALL: [NoteKind; KINDS] = [
    NoteKind::Truncated,
    NoteKind::CompressedTruncated,
    NoteKind::CompressedCorrupt,
    NoteKind::Corrupt,
    NoteKind::Resumed,
    NoteKind::MalformedPacket,
    NoteKind::UnknownInterface,
    NoteKind::WithoutTime,
    NoteKind::TimeBackwards,
    NoteKind::TimeSaturated,
    NoteKind::AboveWireLength,
    NoteKind::AboveSnapLength,
    NoteKind::BadOption,
    NoteKind::SkippedBlock,
    NoteKind::TooManyInterfaces,
    NoteKind::Restarted,
    NoteKind::LeftAside,
];
