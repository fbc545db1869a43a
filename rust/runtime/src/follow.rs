//! Captures that another program is still writing: one file that grows, or the files of a set, one
//! behind another.
//!
//! A reader that is at the end of its file waits for more instead of ending, so the parser sees a
//! file without an end: half a record is waited for, and what it gives in the end is what it gives
//! of the whole file. A file ends when the next of its set is there, when it was truncated or
//! replaced, or when the run is told to end.
//!
//! Silence of a file is not silence of the wire: writers buffer. Time passes [`HELD_BACK`] behind
//! the end of what was written, and further back once a writer was seen to be late.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use ctcpmon_capture::{CaptureError, CaptureSet, Note, NoteKind, Options, Progress};
use ctcpmon_core::flow::Preparer;
use ctcpmon_core::time::Timestamp;

use crate::filter::Filter;
use crate::follow_files::{Files, Look, Turn};
use crate::reader::{Batch, LastWords, Read as FromReader};

/// A reader at the end of its file looks again this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The folder is looked at for the next file this often.
const LIST_EVERY: Duration = Duration::from_millis(200);
/// Time passes so far behind the end of a file that does not grow: a writer that flushes after
/// every packet or every second is not taken for a silent wire (guess, twice dumpcap's second).
const HELD_BACK: Duration = Duration::from_secs(2);
/// A writer may be found to be late by this at most; one that is later is judged too early.
const LATEST: Duration = Duration::from_secs(600);
/// What was written when the run was told to end is read for this long at most.
const LAST: Duration = Duration::from_secs(2);

/// What to follow.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// A file, a folder, or a path whose last part is a pattern with `*` and `?`.
    pub path: PathBuf,
    /// End when nothing was written for so long.
    pub idle: Option<Duration>,
}

/// What the thread that reads shares with the run.
pub(crate) struct Following {
    stop: AtomicBool,
    idle: Option<Duration>,
    account: Mutex<Account>,
}

struct Account {
    /// Newest frame, and when it was read.
    newest: Option<(Timestamp, Instant)>,
    /// When the last look began, if it found nothing new.
    quiet: Option<Instant>,
    /// How much later than its time a frame was written, beyond the others, at most.
    late: Duration,
    /// When something was last read.
    grown: Instant,
    /// When the run was told to end.
    told: Option<Instant>,
    notes: Vec<Note>,
    /// Of the notes, those that nobody has seen.
    is_news: bool,
}

impl Following {
    pub(crate) fn new(idle: Option<Duration>) -> Self {
        Self {
            stop: AtomicBool::new(false),
            idle,
            account: Mutex::new(Account {
                newest: None,
                quiet: None,
                late: Duration::ZERO,
                grown: Instant::now(),
                told: None,
                notes: Vec::new(),
                is_news: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the intake; what is written by now still comes.
    pub(crate) fn stop(&self) {
        self.lock().told.get_or_insert_with(Instant::now);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The capture time before which every frame was written, while nothing comes.
    pub(crate) fn silent_until(&self) -> Option<Timestamp> {
        let account = self.lock();
        let (newest, at) = account.newest?;
        let since = account.quiet?.saturating_duration_since(at);
        let held_back = HELD_BACK + account.late;
        let passed = since.checked_sub(held_back)?;
        Some(newest.plus(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// What was odd so far.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let mut account = self.lock();
        account.is_news = false;
        account.notes.clone()
    }

    /// Whether there are notes that were not in the last answer.
    pub(crate) fn has_news(&self) -> bool {
        self.lock().is_news
    }

    fn note(&self, notes: impl IntoIterator<Item = Note>) {
        let most = Options::default().max_notes;
        let mut account = self.lock();
        let before = account.notes.len();
        account
            .notes
            .extend(notes.into_iter().take(most.saturating_sub(before)));
        account.is_news |= account.notes.len() > before;
    }

    /// Whether the end was asked for, or nothing was written for too long.
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self
                .idle
                .is_some_and(|idle| self.lock().grown.elapsed() >= idle)
    }

    /// Whether reading what is there has taken too long.
    fn is_too_late(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            && self.lock().told.is_some_and(|told| told.elapsed() >= LAST)
    }

    fn grew(&self) {
        self.lock().grown = Instant::now();
    }

    fn found_nothing(&self, look: Instant) {
        self.lock().quiet = Some(look);
    }

    fn read(&self, first: Timestamp, last: Timestamp) {
        let now = Instant::now();
        let mut account = self.lock();
        // Behind a pause: were the frames on the wire while the file did not grow?
        if let (Some((newest, at)), Some(_)) = (account.newest, account.quiet.take()) {
            let paused = now.saturating_duration_since(at);
            let apart = Duration::from_nanos(first.since(newest).max(0).cast_unsigned());
            let late = paused.saturating_sub(apart);
            if late > HELD_BACK / 2 {
                account.late = account.late.max(late).min(LATEST);
            }
        }
        account.newest = Some((last, now));
    }
}

/// A file that is read as it grows.
struct Growing {
    file: File,
    name: String,
    position: u64,
    /// When the folder was last looked at.
    listed: Option<Instant>,
    /// What is there is read to its end, then the turn of the file is over.
    is_last: bool,
    files: Arc<Mutex<Files>>,
    following: Arc<Following>,
}

impl Growing {
    /// What is to be done at the end of what is written: true when this file's turn is over.
    fn at_end(&mut self, look: Instant) -> std::io::Result<bool> {
        if self.is_last {
            return Ok(true);
        }
        let is_due = self.listed.is_none_or(|at| at.elapsed() >= LIST_EVERY);
        let found = if is_due || self.following.is_over() {
            self.listed = Some(Instant::now());
            lock(&self.files).look(&self.file, self.position)?
        } else {
            Look::Wait
        };
        match found {
            Look::Truncated => {
                let text = "the file was truncated; it is read again from its beginning";
                self.following
                    .note([note(&self.name, NoteKind::Restarted, self.position, text)]);
                return Ok(true);
            }
            Look::Replaced => {
                let text = "another file has taken its name; that is read now";
                self.following
                    .note([note(&self.name, NoteKind::Restarted, self.position, text)]);
                self.is_last = true;
            }
            // What was written before the next file appeared is read first.
            Look::Next => self.is_last = true,
            Look::Wait if self.following.is_over() => self.is_last = true,
            Look::Wait => {
                self.following.found_nothing(look);
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(false)
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        lock(&self.files).done_with(&self.file, self.position);
    }
}

impl Read for Growing {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.following.is_too_late() {
                return Ok(0);
            }
            let look = Instant::now();
            let n = self.file.read(buf)?;
            if n > 0 {
                self.position = self.position.saturating_add(n as u64);
                self.following.grew();
                return Ok(n);
            }
            if self.at_end(look)? {
                return Ok(0);
            }
        }
    }
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(name: &str, kind: NoteKind, offset: u64, text: &str) -> Note {
    Note {
        input: 0,
        name: name.to_owned(),
        kind,
        offset,
        count: 1,
        text: text.to_owned(),
    }
}

/// The thread that reads what is followed.
pub(crate) struct Follower {
    files: Arc<Mutex<Files>>,
    following: Arc<Following>,
    options: Options,
    filter: Option<Filter>,
    last: LastWords,
    /// Bytes of files that were read to their end.
    bytes_before: u64,
}

impl Follower {
    /// Looks what the path means; waits for nothing.
    pub(crate) fn new(
        config: &FollowConfig,
        options: Options,
        filter: Option<Filter>,
    ) -> Result<(Self, Arc<Following>), CaptureError> {
        let files = Files::of(&config.path)?;
        let following = Arc::new(Following::new(config.idle));
        let follower = Self {
            files: Arc::new(Mutex::new(files)),
            following: Arc::clone(&following),
            options,
            filter,
            last: LastWords::default(),
            bytes_before: 0,
        };
        Ok((follower, following))
    }

    pub(crate) fn run(
        mut self,
        preparer: Option<&Preparer>,
        full: &Sender<FromReader>,
        empty: &Receiver<Batch>,
    ) {
        let mut spare = None;
        let outcome = loop {
            match self.next_file() {
                Ok(None) => break Ok(()),
                Ok(Some(file)) => match self.read_file(file, preparer, full, empty, &mut spare) {
                    Ok(true) => {}
                    // Nobody takes frames any more.
                    Ok(false) => return,
                    Err(reason) => break Err(reason),
                },
                Err(reason) => break Err(reason),
            }
        };
        self.last.error = outcome.err().map(|reason| reason.to_string());
        self.last.notes = self.following.notes();
        self.last.bytes_read = self.bytes_before;
        self.last.unfit = self.filter.as_ref().and_then(Filter::unfit);
        let _ = full.send(FromReader::End(Box::new(self.last)));
    }

    /// The next file, when it is there; none when the end was asked for first.
    fn next_file(&self) -> Result<Option<Growing>, CaptureError> {
        loop {
            let grown = lock(&self.files).grown_later();
            let text = "it grew after the next file of its set was there; that part is not read";
            let notes = grown.into_iter();
            self.following
                .note(notes.map(|(name, at)| note(&name, NoteKind::Truncated, at, text)));
            let turn = lock(&self.files).turn()?;
            match turn {
                Turn::File(file, name) => {
                    return Ok(Some(Growing {
                        file,
                        name,
                        position: 0,
                        listed: None,
                        is_last: false,
                        files: Arc::clone(&self.files),
                        following: Arc::clone(&self.following),
                    }));
                }
                Turn::Gone(name) => {
                    let text = "it was taken away before it could be read";
                    self.following
                        .note([note(&name, NoteKind::Truncated, 0, text)]);
                }
                Turn::Wait if self.following.is_over() => return Ok(None),
                Turn::Wait => std::thread::sleep(LIST_EVERY),
            }
        }
    }

    /// Reads one file to the end of its turn; false when nobody takes frames any more.
    fn read_file(
        &mut self,
        file: Growing,
        preparer: Option<&Preparer>,
        full: &Sender<FromReader>,
        empty: &Receiver<Batch>,
        spare: &mut Option<Batch>,
    ) -> Result<bool, CaptureError> {
        let name = file.name.clone();
        let readers: Vec<(String, Box<dyn Read + Send>, u16)> =
            vec![(name.clone(), Box::new(file), 0)];
        let mut source = match CaptureSet::from_readers(readers, &self.options) {
            Ok(source) => source,
            Err(reason) => return self.left_aside(&name, reason).map(|()| true),
        };
        loop {
            // A batch that came back empty is filled from the next file.
            let taken = spare.take().map_or_else(|| empty.recv(), Ok);
            let Ok(mut batch) = taken else {
                return Ok(false);
            };
            match source.next_batch(&mut batch.frames) {
                Ok(Progress::More) => {
                    let times = batch.frames.frames.iter().map(|meta| meta.ts);
                    if let (Some(first), Some(last)) = (times.clone().next(), times.max()) {
                        self.following.read(first, last);
                    }
                    batch.refuse(self.filter.as_mut());
                    batch.prepare(preparer, full);
                    let bytes = self.bytes_before.saturating_add(source.bytes_read());
                    if full.send(FromReader::Batch(batch, bytes)).is_err() {
                        return Ok(false);
                    }
                }
                Ok(Progress::End) => {
                    *spare = Some(batch);
                    self.take_account(&source);
                    return Ok(true);
                }
                Err(reason) => {
                    self.take_account(&source);
                    return Err(reason);
                }
            }
        }
    }

    /// A file of a set that is no capture is said and passed over; a file that was named is an error,
    /// unless the run was told to end before anything was in it.
    fn left_aside(&self, name: &str, reason: CaptureError) -> Result<(), CaptureError> {
        if self.following.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !lock(&self.files).pass_over() {
            return Err(reason);
        }
        let text = "left aside: it is no capture that can be read";
        self.following
            .note([note(name, NoteKind::LeftAside, 0, text)]);
        Ok(())
    }

    /// Adds what one file says about itself to what the run says.
    fn take_account(&mut self, source: &CaptureSet) {
        self.bytes_before = self.bytes_before.saturating_add(source.bytes_read());
        self.following.note(source.notes());
        let (sum, more) = (&mut self.last.totals, source.totals());
        sum.frames = sum.frames.saturating_add(more.frames);
        sum.left_out = sum.left_out.saturating_add(more.left_out);
        sum.without_time = sum.without_time.saturating_add(more.without_time);
        sum.time_backwards = sum.time_backwards.saturating_add(more.time_backwards);
        for (total, one) in [
            (&mut sum.received, more.received),
            (&mut sum.if_drop, more.if_drop),
            (&mut sum.os_drop, more.os_drop),
        ] {
            if let Some(one) = one {
                *total = Some(total.unwrap_or(0).saturating_add(one));
            }
        }
        // Those of the newest files: a set has no end.
        self.last.interfaces.extend(source.interface_stats());
        let most = self.options.max_notes;
        let old = self.last.interfaces.len().saturating_sub(most);
        self.last.interfaces.drain(..old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: Timestamp = Timestamp(1_000_000_000_000);

    /// A frame of `NEWEST` read `ago`, and a look now that found nothing.
    fn quiet_for(ago: Duration) -> Following {
        let following = Following::new(None);
        let now = Instant::now();
        let mut account = following.lock();
        account.newest = now.checked_sub(ago).map(|at| (NEWEST, at));
        account.quiet = Some(now);
        drop(account);
        following
    }

    #[test]
    fn time_passes_two_seconds_behind_a_file_that_does_not_grow() {
        let following = quiet_for(Duration::from_secs(9));
        assert_eq!(following.silent_until(), Some(NEWEST.plus(7_000_000_000)));
        let short = quiet_for(Duration::from_millis(1_900));
        assert_eq!(short.silent_until(), None);
    }

    #[test]
    fn nothing_passes_before_a_look_that_found_nothing() {
        let following = Following::new(None);
        assert_eq!(following.silent_until(), None);
        following.read(NEWEST, NEWEST);
        assert_eq!(following.silent_until(), None);
    }

    #[test]
    fn a_writer_that_was_late_is_waited_for_from_then_on() {
        // Nine seconds without a byte, then a frame half a second behind the last.
        let following = quiet_for(Duration::from_secs(9));
        let next = NEWEST.plus(500_000_000);
        following.read(next, next);
        following.lock().quiet = Some(Instant::now() + Duration::from_secs(9));
        assert_eq!(following.silent_until(), None);
        following.lock().quiet = Some(Instant::now() + Duration::from_secs(12));
        let since = following
            .silent_until()
            .map_or(0, |until| until.since(next));
        assert!((1_000_000_000..2_000_000_000).contains(&since));
    }

    #[test]
    fn a_writer_that_kept_time_is_not_taken_for_late() {
        let following = quiet_for(Duration::from_secs(9));
        let next = NEWEST.plus(8_900_000_000);
        following.read(next, next);
        assert_eq!(following.lock().late, Duration::ZERO);
    }
}
