//! Writes the demo capture that ships with ctcpmon, the pairs of captures of two taps that
//! the tests read, and with `--cases DIR` one capture
//! per case for looking at in other programs.
//!
//! Usage, from the repository root: `cargo run -p ctcpmon-testkit --bin make_captures`

use std::fs;
use std::io::Result;
use std::path::PathBuf;

use ctcpmon_testkit::found_by_chance::all;
use ctcpmon_testkit::two_taps::PAIRS;
use ctcpmon_testkit::{demo, pcap};

fn main() -> Result<()> {
    fs::create_dir_all("python/ctcpmon/data")?;
    fs::write(
        "python/ctcpmon/data/demo.pcap",
        pcap::file(&demo::records()),
    )?;
    let folder = PathBuf::from("tests/taps/captures");
    fs::create_dir_all(&folder)?;
    for pair in PAIRS {
        for (side, records) in ["client", "headend"].iter().zip((pair.build)()) {
            let path = folder.join(format!("{}_{side}.pcap", pair.name));
            fs::write(path, pcap::file(&records))?;
        }
    }
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--cases") {
        let folder = PathBuf::from(args.next().unwrap_or_else(|| "cases".into()));
        fs::create_dir_all(&folder)?;
        for case in all() {
            let path = folder.join(case.name).with_extension("pcap");
            fs::write(path, pcap::file(&(case.build)()))?;
        }
    }
    Ok(())
}
