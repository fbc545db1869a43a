//! The filter of a run: a program for each link type, run on the thread that reads.

use ctcpmon_capture::FrameBatch;
use ctcpmon_core::bpf::{Instruction, Program, ProgramError};
use ctcpmon_core::frame::LinkType;

/// Filter programs by link type.
#[derive(Clone, Debug)]
pub struct Filter {
    programs: Vec<(LinkType, Program)>,
    unfit: Option<Unfit>,
}

/// Frames refused because the filter has no program for their link type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Link type of the first.
    pub link: LinkType,
    /// How many, of whatever link type.
    pub frames: u64,
}

impl Filter {
    /// Checks every program; the usual link types come first.
    ///
    /// # Errors
    /// The first fault.
    pub fn new(
        programs: impl IntoIterator<Item = (LinkType, Vec<Instruction>)>,
    ) -> Result<Self, ProgramError> {
        let programs = programs
            .into_iter()
            .map(|(link, code)| Ok((link, Program::new(code)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            programs,
            unfit: None,
        })
    }

    /// Takes the frames out of `batch` that are refused; returns how many.
    pub(crate) fn refuse(&mut self, batch: &mut FrameBatch) -> u64 {
        let mut frames = std::mem::take(&mut batch.frames);
        let before = frames.len();
        frames.retain(|meta| {
            let program = self.programs.iter().find(|(link, _)| *link == meta.link);
            let Some((_, program)) = program else {
                let first = Unfit {
                    link: meta.link,
                    frames: 0,
                };
                self.unfit.get_or_insert(first).frames += 1;
                return false;
            };
            let frame = batch.frame(meta);
            program.run(frame.bytes, frame.original_len) != 0
        });
        batch.frames = frames;
        (before - batch.frames.len()) as u64
    }

    /// Frames of link types without a program so far.
    pub(crate) fn unfit(&self) -> Option<Unfit> {
        self.unfit
    }
}
