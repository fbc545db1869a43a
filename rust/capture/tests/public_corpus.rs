//! Packet counts of the public captures against those of tshark 4.0.17, which
//! `index.tsv` beside the captures states. The captures are not part of this
//! repository: `CTCPMON_SHARED` names the folder that holds `captures/public`, by
//! default `../shared` beside the repository. Without it the test says so.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ctcpmon_capture::{FrameBatch, Input, Options, Progress, open};

/// Files whose count differs from tshark's: our count and why.
const DIFFERENT: &[(&str, u64, &str)] = &[
    (
        "hadrielk+pcapng-test-generator/output_le/advanced/test102.pcapng",
        5,
        CUSTOM,
    ),
    (
        "hadrielk+pcapng-test-generator/output_le/basic/test017.pcapng",
        0,
        CUSTOM,
    ),
    (
        "hadrielk+pcapng-test-generator/output_le/basic/test018.pcapng",
        4,
        CUSTOM,
    ),
    (
        "hadrielk+pcapng-test-generator/output_le/difficult/test202.pcapng",
        8,
        CUSTOM,
    ),
    ("google+gopacket/pcapgo/tests/be/test901.pcapng", 2, VERSION),
    (
        "the-tcpdump-group+libpcap/tests/filter/brcm-tag-stp.pcap",
        4,
        LINK,
    ),
    ("the-tcpdump-group+libpcap/tests/filter/dsa.pcap", 8, LINK),
    ("the-tcpdump-group+tcpdump/tests/brcm-tag.pcap", 23, LINK),
    ("the-tcpdump-group+tcpdump/tests/edsa.pcap", 10, LINK),
    ("the-tcpdump-group+tcpdump/tests/kday6.pcap", 1, LINK),
    ("the-tcpdump-group+tcpdump/tests/vtp_asan-2.pcap", 1, LINK),
    ("the-tcpdump-group+tcpdump/tests/vtp_asan-3.pcap", 1, LINK),
    ("the-tcpdump-group+tcpdump/tests/vtp_asan.pcap", 5, LINK),
];
const CUSTOM: &str = "tshark counts custom blocks as packets";
const VERSION: &str = "tshark stops at a section of version 2; here the next section is read";
const LINK: &str = "tshark does not know the link type and reads no packet";

fn shared() -> PathBuf {
    std::env::var_os("CTCPMON_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

fn count(path: &Path) -> Result<(u64, Vec<String>), String> {
    let mut set =
        open(&[Input::path(path, 0)], &Options::default()).map_err(|error| error.to_string())?;
    let mut batch = FrameBatch::default();
    let mut frames = 0;
    while set
        .next_batch(&mut batch)
        .map_err(|error| error.to_string())?
        == Progress::More
    {
        frames += batch.frames.len() as u64;
    }
    let notes = set
        .notes()
        .into_iter()
        .map(|note| format!("{:?}: {}", note.kind, note.text));
    Ok((frames, notes.collect()))
}

#[test]
fn counts_equal_those_of_tshark() {
    let root = shared().join("captures/public");
    let Ok(index) = std::fs::read_to_string(root.join("index.tsv")) else {
        eprintln!(
            "SKIPPED: no public captures at {} (set CTCPMON_SHARED)",
            root.display()
        );
        return;
    };
    let known: BTreeMap<_, _> = DIFFERENT
        .iter()
        .map(|(path, ours, why)| (*path, (*ours, *why)))
        .collect();
    let mut lines = index.lines();
    let header: Vec<_> = lines.next().unwrap().split('\t').collect();
    let column = |name| header.iter().position(|title| *title == name).unwrap();
    let (repo, path, packets) = (column("repo"), column("path"), column("packets"));
    let (mut files, mut equal, mut explained, mut wrong) = (0, 0, 0, Vec::new());
    for line in lines {
        let fields: Vec<_> = line.split('\t').collect();
        let file = format!("{}/{}", fields[repo].replace('/', "+"), fields[path]);
        let wanted: u64 = fields[packets].parse().unwrap();
        let result = count(&root.join(&file));
        files += 1;
        let got = result.as_ref().ok().map(|(frames, _)| *frames);
        match known.get(file.as_str()) {
            Some((ours, _)) if Some(*ours) == got => explained += 1,
            None if got == Some(wanted) => equal += 1,
            _ => wrong.push(format!("{file}: tshark {wanted}, here {result:?}")),
        }
    }
    eprintln!("{files} captures: {equal} equal, {explained} different for known reasons");
    for (path, (ours, why)) in known {
        eprintln!("  {path}: {ours} here; {why}");
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
