//! Counts the frames of an interface and does nothing else with them: what capture costs
//! without measurement. Ends when its standard input does; prints one line of JSON.
//!
//! ```text
//! count IFACE [RING_MIB]
//! ```

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(target_os = "linux")]
    return linux::run();
    #[cfg(not(target_os = "linux"))]
    return Err("packet rings are Linux's own".into());
}

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::io::{Read, Write, stderr, stdin, stdout};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use ctcpmon_core::frame::FrameBatch;
    use ctcpmon_live::{Ring, Settings, Taken};

    /// The last block is handed over within 50 ms.
    const LAST_BLOCK: Duration = Duration::from_millis(150);
    /// Where an Ethernet frame says what it carries; a tag is that of 802.1Q or 802.1ad.
    const ETHERTYPE: std::ops::Range<usize> = 12..14;
    const TAGS: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];

    pub(crate) fn run() -> Result<(), Box<dyn Error>> {
        let mut words = std::env::args().skip(1);
        let name = words.next().ok_or("count IFACE [RING_MIB]")?;
        let mib: usize = words.next().map_or(Ok(64), |word| word.parse())?;
        let mut ring = Ring::open(Settings {
            name,
            tap: 0,
            ring_bytes: mib << 20,
            is_promiscuous: true,
            filter: Vec::new(),
            fanout: None,
        })?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        std::thread::spawn(move || {
            let _ = stdin().read_to_end(&mut Vec::new());
            over.store(true, Ordering::Relaxed);
        });
        writeln!(stderr(), "listening on {}", ring.name())?;
        let mut batch = FrameBatch::default();
        let mut closed: Option<Instant> = None;
        let (mut bytes, mut tagged) = (0_u64, 0_u64);
        loop {
            if closed.is_none() && is_over.load(Ordering::Relaxed) {
                ring.close_intake()?;
                closed = Some(Instant::now());
            }
            let taken = ring.take(&mut batch, Duration::from_millis(20))?;
            if !matches!(taken, Taken::Frames { .. }) {
                if closed.is_some_and(|at| at.elapsed() >= LAST_BLOCK) {
                    break;
                }
                continue;
            }
            for frame in batch.iter() {
                bytes += u64::from(frame.original_len);
                let kind = frame.bytes.get(ETHERTYPE);
                tagged += u64::from(TAGS.iter().any(|tag| kind == Some(tag)));
            }
        }
        let c = ring.counters()?;
        writeln!(
            stdout(),
            "{{\"received\":{},\"taken\":{},\"dropped\":{},\"bytes\":{bytes},\"tagged\":{tagged}}}",
            c.received,
            c.taken,
            c.dropped
        )?;
        Ok(())
    }
}
