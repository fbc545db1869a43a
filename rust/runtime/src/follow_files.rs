//! Which file of a followed path is read, and which is next. Nothing here reads a packet or waits.
//!
//! A set is the regular files of a folder, all or those whose names fit a pattern. Their order is that
//! in which they were last written, of equal times that of their names with numbers read as numbers:
//! a writer closes one file before it begins the next, so this is the order of the packets, whether
//! the names count up, hold a time, or are used again in turn.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ctcpmon_capture::{CaptureError, shown_path};

/// Bytes by which a name that is used again is told from a file that was read: a header and the
/// first packets (guess: a time stands in them).
const HEAD: usize = 512;
/// Compressed when a writer is done with them (`tcpdump -z`): the same packets a second time.
const COMPRESSED: [&[u8]; 5] = [b".gz", b".zst", b".lz4", b".bz2", b".xz"];
/// So that a pipe that took the name of a file does not make the reader wait.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = libc::O_NONBLOCK;
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 0;

/// Place in the order of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    written: (i64, i64),
    name: Vec<u8>,
}

impl Place {
    fn of(name: &[u8], meta: &Metadata) -> Self {
        Self {
            written: (meta.mtime(), meta.mtime_nsec()),
            name: name.to_vec(),
        }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.written
            .cmp(&other.written)
            .then_with(|| natural(&self.name, &other.name))
            .then_with(|| self.name.cmp(&other.name))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A file whose turn is over.
struct Done {
    identity: (u64, u64),
    written: (i64, i64),
    length: u64,
    head: Vec<u8>,
    is_told: bool,
}

/// What there is at the end of a file.
pub(crate) enum Look {
    /// Nothing new.
    Wait,
    /// It is shorter than what was read of it.
    Truncated,
    /// Its name is that of another file now.
    Replaced,
    /// The next file of the set is there.
    Next,
}

/// Whose turn it is.
pub(crate) enum Turn {
    /// This file, and its name for people.
    File(File, String),
    /// It was there and cannot be opened any more.
    Gone(String),
    /// None is there yet.
    Wait,
}

enum What {
    /// One file.
    Single(PathBuf),
    /// The files of a folder whose names fit.
    Set(PathBuf, Vec<u8>),
}

/// The files of one path.
pub(crate) struct Files {
    what: What,
    /// The one that is or was being read, unless its turn comes again: its name and identity.
    current: Option<(Vec<u8>, (u64, u64))>,
    /// The one file is to be opened.
    is_due: bool,
    /// Where the order has got to.
    place: Option<Place>,
    /// By name; those that are still there.
    done: HashMap<Vec<u8>, Done>,
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

impl Files {
    /// Looks what `path` means: a file that is there, a folder, or a folder and a pattern.
    pub(crate) fn of(path: &Path) -> Result<Self, CaptureError> {
        let unusable = |reason: &str| CaptureError::Unusable {
            input: shown_path(path),
            reason: reason.to_owned(),
        };
        let what = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => What::Set(path.to_owned(), b"*".to_vec()),
            Ok(meta) if meta.is_file() => What::Single(path.to_owned()),
            Ok(_) => {
                return Err(unusable(
                    "is neither a file nor a folder; a pipe is followed as it is",
                ));
            }
            Err(error) => {
                let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
                let folder = match path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                if !name.iter().any(|byte| b"*?".contains(byte)) {
                    return Err(CaptureError::Open {
                        input: shown_path(path),
                        source: error,
                    });
                }
                if !folder.is_dir() {
                    return Err(unusable("there is no such folder"));
                }
                What::Set(folder.to_owned(), name.to_vec())
            }
        };
        Ok(Self {
            what,
            current: None,
            is_due: true,
            place: None,
            done: HashMap::new(),
        })
    }

    /// Whether there may be several.
    fn is_set(&self) -> bool {
        matches!(self.what, What::Set(..))
    }

    /// The file to read now, opened.
    pub(crate) fn turn(&mut self) -> Result<Turn, CaptureError> {
        let next = self.following().into_iter().min();
        let (path, name) = match (&self.what, next) {
            (What::Single(path), _) if self.is_due => (path.clone(), Vec::new()),
            (What::Set(folder, _), Some(place)) => {
                let path = folder.join(OsStr::from_bytes(&place.name));
                let name = place.name.clone();
                self.place = Some(place);
                (path, name)
            }
            _ => return Ok(Turn::Wait),
        };
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags(NONBLOCK)
            .open(&path)
            .and_then(|file| file.metadata().map(|meta| (file, meta)));
        match opened {
            Ok((file, meta)) if meta.is_file() => {
                self.is_due = false;
                self.current = Some((name, identity(&meta)));
                Ok(Turn::File(file, shown_path(&path)))
            }
            Ok(_) => Err(CaptureError::Unusable {
                input: shown_path(&path),
                reason: "is no regular file any more".to_owned(),
            }),
            Err(_) if self.is_set() => Ok(Turn::Gone(shown_path(&path))),
            // Between a rename and the file that takes the name there is none.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Turn::Wait),
            Err(source) => Err(CaptureError::Open {
                input: shown_path(&path),
                source,
            }),
        }
    }

    /// Looks at the end of the open `file`, of which `position` bytes were read.
    pub(crate) fn look(&mut self, file: &File, position: u64) -> io::Result<Look> {
        let meta = file.metadata()?;
        if let Some(place) = &mut self.place {
            place.written = (meta.mtime(), meta.mtime_nsec());
        }
        if meta.len() < position {
            self.is_due = true;
            self.current = None;
            if let Some(place) = &mut self.place {
                // Just before itself in the order.
                place.written.1 -= 1;
            }
            return Ok(Look::Truncated);
        }
        if let What::Single(path) = &self.what {
            let there = fs::metadata(path).ok().filter(Metadata::is_file);
            self.is_due = there.is_some_and(|there| identity(&there) != identity(&meta));
            return Ok(if self.is_due {
                Look::Replaced
            } else {
                Look::Wait
            });
        }
        Ok(if self.following().is_empty() {
            Look::Wait
        } else {
            Look::Next
        })
    }

    /// The turn of the open `file` is over, of which `length` bytes were read.
    pub(crate) fn done_with(&mut self, file: &File, length: u64) {
        let (Some((name, identity)), Ok(meta)) = (self.current.clone(), file.metadata()) else {
            return;
        };
        let done = Done {
            identity,
            written: (meta.mtime(), meta.mtime_nsec()),
            length,
            head: head_of(file),
            is_told: false,
        };
        self.done.insert(name, done);
    }

    /// The file whose turn is over is no capture: whatever becomes of it, it is not of the set. False for
    /// a single file.
    pub(crate) fn pass_over(&mut self) -> bool {
        if let Some(done) = (self.current.as_ref()).and_then(|(name, _)| self.done.get_mut(name)) {
            (done.length, done.is_told) = (0, true);
            done.head.clear();
        }
        self.is_set()
    }

    /// Files that were written to after their turn was over, each once: name and length at its end.
    pub(crate) fn grown_later(&mut self) -> Vec<(String, u64)> {
        let What::Set(folder, _) = &self.what else {
            return Vec::new();
        };
        let mut grown = Vec::new();
        for (name, done) in &mut self.done {
            let path = folder.join(OsStr::from_bytes(name));
            let is_longer = fs::symlink_metadata(&path)
                .is_ok_and(|meta| identity(&meta) == done.identity && meta.len() > done.length);
            if is_longer && !done.is_told {
                done.is_told = true;
                grown.push((shown_path(&path), done.length));
            }
        }
        grown.sort();
        grown
    }

    /// Files of the set behind the one that is or was being read.
    fn following(&mut self) -> Vec<Place> {
        let What::Set(folder, pattern) = &self.what else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut there = HashMap::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().as_bytes().to_vec();
            if !is_of_set(&name, pattern) {
                continue;
            }
            let Some(meta) = entry.metadata().ok().filter(Metadata::is_file) else {
                continue;
            };
            if let Some(done) = self.done.remove(&name) {
                let is_untouched = done.written == (meta.mtime(), meta.mtime_nsec());
                let is_same = done.identity == identity(&meta)
                    && meta.len() >= done.length
                    && (is_untouched
                        || File::open(entry.path())
                            .is_ok_and(|file| head_of(&file).starts_with(&done.head)));
                if is_same {
                    there.insert(name, done);
                    continue;
                }
            }
            let is_current = self
                .current
                .as_ref()
                .is_some_and(|now| *now == (name.clone(), identity(&meta)));
            if is_current {
                continue;
            }
            let place = Place::of(&name, &meta);
            if self.place.as_ref().is_none_or(|now| place > *now) {
                found.push(place);
            }
        }
        // What was taken away is forgotten, so this never outgrows the folder.
        self.done = there;
        found
    }
}

fn head_of(file: &File) -> Vec<u8> {
    let mut head = vec![0; HEAD];
    let mut got = 0;
    while let Ok(n @ 1..) = file.read_at(head.get_mut(got..).unwrap_or_default(), got as u64) {
        got += n;
    }
    head.truncate(got);
    head
}

fn is_of_set(name: &[u8], pattern: &[u8]) -> bool {
    !name.starts_with(b".")
        && (pattern != b"*" || !COMPRESSED.iter().any(|end| name.ends_with(end)))
        && fits(name, pattern)
}

/// Whether a name fits a pattern of bytes, `*` and `?`.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Where to go on when the rest does not fit: behind the last star, one byte further.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (name.get(at), pattern.get(of)) {
            (_, Some(b'*')) => {
                retry = Some((at, of));
                of += 1;
            }
            (Some(byte), Some(wanted)) if wanted == byte || *wanted == b'?' => {
                at += 1;
                of += 1;
            }
            (None, None) => return true,
            _ => match retry {
                Some((from, star)) if from < name.len() => {
                    retry = Some((from + 1, star));
                    (at, of) = (from + 1, star + 1);
                }
                _ => return false,
            },
        }
    }
}

/// Order of names in which numbers are numbers: `a2` before `a10`.
fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (left, right) = (number_at(a), number_at(b));
        if let (Some(left), Some(right)) = (left, right) {
            let value = |digits: &[u8]| -> Vec<u8> {
                digits.iter().copied().skip_while(|d| *d == b'0').collect()
            };
            let (x, y) = (value(left), value(right));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(&y));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[left.len()..], &b[right.len()..]);
            continue;
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, more_a)), Some((y, more_b))) if x == y => (a, b) = (more_a, more_b),
            (x, y) => return x.map(|(byte, _)| byte).cmp(&y.map(|(byte, _)| byte)),
        }
    }
}

/// The digits that a name begins with.
fn number_at(name: &[u8]) -> Option<&[u8]> {
    let length = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    name.get(..length).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = [
            "cap.pcap10",
            "cap.pcap",
            "cap.pcap9",
            "cap.pcap1",
            "cap_00100",
            "cap_00099",
        ];
        names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
        assert_eq!(
            names,
            [
                "cap.pcap",
                "cap.pcap1",
                "cap.pcap9",
                "cap.pcap10",
                "cap_00099",
                "cap_00100"
            ]
        );
        assert_eq!(natural(b"a01", b"a1"), Ordering::Equal);
        assert_eq!(natural(b"a", b"a1"), Ordering::Less);
        let endless = [b'9'; 4_000];
        assert_eq!(natural(&endless, b"1"), Ordering::Greater);
    }

    #[test]
    fn patterns() {
        for (name, pattern, wanted) in [
            ("cap_1.pcap", "cap_*.pcap", true),
            ("cap_1.pcap.part", "cap_*.pcap", false),
            ("a", "?", true),
            ("", "?", false),
            ("", "*", true),
            ("aab", "*ab", true),
            ("abcbc", "a*bc", true),
            ("abcbd", "a*bc", false),
            ("abc", "a**c", true),
        ] {
            assert_eq!(
                fits(name.as_bytes(), pattern.as_bytes()),
                wanted,
                "{name} {pattern}"
            );
        }
        // No pattern makes it slow: a star remembers one place.
        assert!(!fits(
            &[b'a'; 2_000],
            &[&b"*a".repeat(500)[..], b"b"].concat()
        ));
    }

    #[test]
    fn what_is_hidden_or_compressed_is_not_of_a_folder() {
        assert!(is_of_set(b"a.pcap", b"*"));
        assert!(!is_of_set(b".a.pcap.part", b"*"));
        assert!(!is_of_set(b"a.pcap.gz", b"*"));
        assert!(is_of_set(b"a.pcap.gz", b"a*.gz"));
    }
}
