//! Target `capture`: damaged files into the readers, in odd chunks.
//!
//! An input is four bytes that choose how to read, then the file.

use std::io::Read;

use ctcpmon_capture::{CaptureSet, FrameBatch, Options, Progress};

use crate::formats::{compressed, pcap, pcapng};
use crate::mutate;
use crate::pool::Pool;
use crate::random::Random;

pub(crate) fn make(random: &mut Random, pool: &Pool) -> Vec<u8> {
    let mut file = if pool.files.is_empty() || random.once_in(3) {
        let (link, frames) = pool.window(random, 60);
        let big = random.once_in(2);
        match random.below(3) {
            0 => pcap(&frames, link, big, 1),
            1 => pcap(&frames, link, big, 1_000),
            _ => pcapng(random, &frames, link, big),
        }
    } else {
        random.pick(&pool.files).clone()
    };
    if !random.once_in(4) {
        mutate::bytes(random, &mut file, 8);
    }
    if random.once_in(24) {
        // Long enough for several blocks of every compression.
        for _ in 0..random.below(4) {
            file = file.repeat(2);
            file.truncate(4 * mutate::MOST_BYTES);
        }
    }
    if random.once_in(3) {
        file = compressed(random, &file).unwrap_or(file);
        if random.once_in(2) {
            mutate::bytes(random, &mut file, 4);
        }
    }
    let mut input = (random.next() as u32).to_le_bytes().to_vec();
    input.append(&mut file);
    input
}

/// Hands out the bytes in pieces of at most `most`.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    most: usize,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = buf.len().min(self.most).min(self.bytes.len() - self.at);
        buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

pub(crate) fn run(input: &[u8]) -> Result<u64, String> {
    let Some((&[a, b, c, _], file)) = input.split_first_chunk::<4>() else {
        return Ok(0);
    };
    let whole = read(file, 1 << 20, &Options::default(), 1)?;
    let options = Options {
        batch_frames: 1 + usize::from(b) % 40,
        chunk_bytes: 4_096 + usize::from(c) * 16,
        ..Options::default()
    };
    let pieces = read(file, 1 + usize::from(a) * 5, &options, 1)?;
    if whole != pieces {
        return Err(format!(
            "frames depend on the chunks: {whole:x?} {pieces:x?}"
        ));
    }
    if c % 4 == 0 {
        read(file, 4_096, &options, 2)?;
    }
    Ok(whole.0)
}

/// Reads `copies` of the file, merged; returns the count and a digest of the frames.
fn read(file: &[u8], most: usize, options: &Options, copies: u16) -> Result<(u64, u64), String> {
    let readers = (0..copies)
        .map(|tap| {
            let pieces = Pieces {
                bytes: file.to_vec(),
                at: 0,
                most,
            };
            (format!("input {tap}"), Box::new(pieces) as Box<_>, tap)
        })
        .collect();
    let Ok(mut set) = CaptureSet::from_readers(readers, options) else {
        return Ok((0, 0));
    };
    let mut batch = FrameBatch::default();
    let (mut frames, mut digest, mut errors) = (0_u64, 0_u64, 0_u32);
    loop {
        let progress = set.next_batch(&mut batch);
        for (meta, frame) in batch.frames.iter().zip(batch.iter()) {
            if frame.bytes.len() != meta.captured_len as usize {
                return Err("a frame lies outside its batch".into());
            }
            frames += 1;
            let parts = [
                frame.ts.0 as u64,
                u64::from(frame.link.0),
                u64::from(frame.original_len),
            ];
            for word in parts
                .into_iter()
                .chain(frame.bytes.iter().map(|b| u64::from(*b)))
            {
                digest = (digest.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        match progress {
            Ok(Progress::More) if batch.frames.is_empty() => {
                return Err("an empty batch that is not the end".into());
            }
            Ok(Progress::More) => {}
            Ok(Progress::End) => break,
            Err(_) => errors += 1,
        }
        if errors > u32::from(copies) {
            return Err("more errors than inputs".into());
        }
    }
    if set.totals().frames != frames {
        return Err(format!(
            "{frames} frames, the totals say {}",
            set.totals().frames
        ));
    }
    Ok((frames, digest))
}
