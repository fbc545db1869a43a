//! Counts the frames of captures and prints frames per second.
//!
//! `cargo run --release -p ctcpmon-capture --example count -- FILE...`
#![allow(clippy::print_stdout)] // An example is for looking at.

use std::time::Instant;

use ctcpmon_capture::{FrameBatch, Input, Options, Progress, open};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let inputs: Vec<Input> = std::env::args_os()
        .skip(1)
        .map(|arg| Input::from_arg(&arg, 0))
        .collect();
    let start = Instant::now();
    let mut set = open(&inputs, &Options::default())?;
    let mut batch = FrameBatch::default();
    let (mut frames, mut bytes, mut batches) = (0_u64, 0_u64, 0_u64);
    while set.next_batch(&mut batch)? == Progress::More {
        batches += 1;
        frames += batch.frames.len() as u64;
        bytes += batch
            .frames
            .iter()
            .map(|frame| u64::from(frame.captured_len))
            .sum::<u64>();
    }
    let seconds = start.elapsed().as_secs_f64();
    for note in set.notes() {
        println!("{}: {:?}: {}", note.name, note.kind, note.text);
    }
    println!(
        "{frames} frames, {bytes} captured bytes, {batches} batches, {} of {:?} stored bytes",
        set.bytes_read(),
        set.bytes_total(),
    );
    println!(
        "{seconds:.4} s, {:.2} M frames/s, {:.2} GB/s",
        frames as f64 / seconds / 1e6,
        set.bytes_read() as f64 / seconds / 1e9
    );
    Ok(())
}
