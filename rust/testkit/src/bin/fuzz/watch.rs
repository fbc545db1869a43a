//! The watch on time: an input that takes too long is saved and ends the program,
//! because a thread that hangs cannot be stopped.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No input may take longer. Inputs take milliseconds; the rest is room for a busy
/// machine and a build without optimisation (guess).
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// Exit code after an input that took too long.
const HUNG: i32 = 3;

type Current = Option<(Instant, &'static str, Vec<u8>)>;

/// What is being run at the moment.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Current>>);

impl Watch {
    /// Starts the thread that looks.
    pub(crate) fn start(folder: PathBuf) -> std::io::Result<Self> {
        let watch = Self::default();
        let theirs = watch.clone();
        std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                loop {
                    std::thread::sleep(Duration::from_millis(500));
                    theirs.look(&folder);
                }
            })?;
        Ok(watch)
    }

    fn look(&self, folder: &Path) {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, target, input)) = current.as_ref()
            && since.elapsed() > LIMIT
        {
            let path = save(folder, target, "hang", input);
            println!(
                "fuzz: {target}: one input took more than {LIMIT:?}: {}",
                path.display()
            );
            std::process::exit(HUNG);
        }
    }

    pub(crate) fn begin(&self, target: &'static str, input: &[u8]) {
        let now = Some((Instant::now(), target, input.to_vec()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Writes an input; the name tells what happened. Returns the path in any case.
pub(crate) fn save(folder: &Path, target: &str, what: &str, input: &[u8]) -> PathBuf {
    let path = folder.join(format!("{target}-{what}.bin"));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, input));
    if let Err(error) = written {
        println!("fuzz: cannot save {}: {error}", path.display());
    }
    path
}
