//! Files, pipes and standard input, and what cannot be read.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use ctcpmon_capture::{CaptureError, FrameBatch, Input, Options, Progress, open};

use crate::build::{Pcap, packets, pcap, pcapng};
use crate::compression::gzip;
use crate::read::{drain, files, folder, read_files, wanted};

const START: i64 = 1_700_000_000_000_000_000;

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn error_of(inputs: &[Input]) -> String {
    match open(inputs, &Options::default()) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder("unreadable");
    let good = folder.join("good");
    std::fs::write(&good, pcap(Pcap::Micros, false, &packets(3, START, 1))).unwrap();
    for (name, content, reason) in [
        ("empty", Some(&b""[..]), "the file is empty"),
        (
            "text",
            Some(b"hello, I am a text file"),
            "neither pcap nor pcapng",
        ),
        ("short", Some(b"\xd4\xc3"), "only 2 bytes"),
        (
            "header",
            Some(b"\xd4\xc3\xb2\xa1\x02\x00"),
            "cut off inside its pcap header",
        ),
        ("missing", None, "No such file"),
        ("esc\x1b[31m", None, "No such file"),
    ] {
        let path = folder.join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        for inputs in [
            vec![Input::path(&path, 0)],
            vec![
                Input::path(&good, 0),
                Input::path(&path, 0),
                Input::path(&good, 0),
            ],
        ] {
            let error = error_of(&inputs);
            assert!(error.contains(reason), "{error}");
            assert!(error.contains(&name.replace('\x1b', r"\x1b")), "{error}");
            assert!(!error.contains('\x1b'));
        }
    }
    let no_utf8 = OsStr::from_bytes(b"n\xff\n\xc3\xa9");
    let error = error_of(&[Input::path(folder.join(no_utf8), 0)]);
    assert!(error.contains(r"n\xff\x0aé"), "{error}");
    assert!(error_of(&[Input::path(&folder, 0)]).contains("is a directory"));
    assert!(matches!(
        open(&[], &Options::default()),
        Err(CaptureError::NoInput)
    ));
    let twice = [Input::from_arg("-".as_ref(), 0), Input::stdin(1)];
    assert!(matches!(
        open(&twice, &Options::default()),
        Err(CaptureError::StdinTwice)
    ));
}

#[test]
fn bytes_are_counted_as_stored() {
    let packets = packets(5000, START, 1000);
    let contents = [
        pcap(Pcap::Nanos, true, &packets),
        gzip(&pcapng(true, &packets)),
    ];
    for path in files(&folder("counted"), &contents) {
        let mut set = open(&[Input::path(&path, 7)], &Options::default()).unwrap();
        let got = drain(&mut set);
        assert_eq!(got.frames.len(), 5000);
        assert!(got.frames.iter().all(|frame| frame.tap == 7));
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!((set.bytes_read(), set.bytes_total()), (size, Some(size)));
    }
}

#[test]
fn batches_of_a_file_are_full() {
    let packets = packets(5000, START, 1000);
    let paths = files(&folder("full"), &[pcap(Pcap::Nanos, true, &packets)]);
    for batch_frames in [0, 1, 7, 256, 100_000] {
        let options = Options {
            batch_frames,
            ..Options::default()
        };
        let got = read_files(&paths, &options);
        assert_eq!(got.frames, wanted(&packets));
        let mut set = open(&[Input::path(&paths[0], 0)], &options).unwrap();
        let (mut batch, mut batches) = (FrameBatch::default(), 0);
        while set.next_batch(&mut batch).unwrap() == Progress::More {
            assert!(batch.frames.len() <= batch_frames.max(1));
            batches += 1;
        }
        let least = 5000_usize.div_ceil(batch_frames.max(1));
        assert!(
            batches <= least + least / 4 + 8,
            "{batches} batches of {batch_frames}"
        );
    }
}

#[test]
fn fifo_frames_arrive_while_the_writer_is_alive() {
    let folder = folder("fifo");
    let path = folder.join("pipe");
    fifo(&path);
    let packets = packets(40, START, 1000);
    let bytes = pcap(Pcap::Nanos, false, &packets);
    let (first, rest) = bytes.split_at(pcap(Pcap::Nanos, false, &packets[..10]).len() + 5);
    let (go, wait) = mpsc::channel::<()>();
    let writer = std::thread::spawn({
        let (path, first, rest) = (path.clone(), first.to_vec(), rest.to_vec());
        move || {
            let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
            pipe.write_all(&first).unwrap();
            wait.recv().unwrap();
            pipe.write_all(&rest).unwrap();
        }
    });
    let mut set = open(&[Input::path(&path, 0)], &Options::default()).unwrap();
    assert_eq!(set.bytes_total(), None);
    let (mut batch, mut seen) = (FrameBatch::default(), 0);
    while seen < 10 {
        assert_eq!(set.next_batch(&mut batch).unwrap(), Progress::More);
        seen += batch.frames.len();
    }
    // Ten frames are here although the writer waits for us.
    go.send(()).unwrap();
    while set.next_batch(&mut batch).unwrap() == Progress::More {
        seen += batch.frames.len();
    }
    writer.join().unwrap();
    assert_eq!(seen, 40);
    assert_eq!(set.bytes_read(), bytes.len() as u64);
}

#[test]
fn fifo_and_file_are_merged() {
    let folder = folder("fifo-merge");
    let path = folder.join("pipe");
    fifo(&path);
    let (even, odd) = (packets(500, START, 2000), packets(500, START + 1000, 2000));
    let file = files(&folder, &[pcapng(true, &odd)]).remove(0);
    let writer = std::thread::spawn({
        let (path, bytes) = (path.clone(), gzip(&pcap(Pcap::Nanos, true, &even)));
        move || std::fs::write(path, bytes).unwrap()
    });
    let inputs = [Input::path(&path, 0), Input::path(&file, 0)];
    let got = drain(&mut open(&inputs, &Options::default()).unwrap());
    writer.join().unwrap();
    let times: Vec<_> = got.frames.iter().map(|frame| frame.ts - START).collect();
    assert_eq!(times, (0..1000).map(|n| n * 1000).collect::<Vec<_>>());
}

#[test]
fn fifo_without_data_is_an_error() {
    let path = folder("fifo-empty").join("pipe");
    fifo(&path);
    let writer = std::thread::spawn({
        let path = path.clone();
        move || drop(OpenOptions::new().write(true).open(path).unwrap())
    });
    assert!(error_of(&[Input::path(&path, 0)]).contains("no data before the end"));
    writer.join().unwrap();
}

#[test]
fn standard_input_as_pipe_and_as_file() {
    let bytes = pcap(Pcap::Nanos, true, &packets(3000, START, 1));
    let path = files(&folder("stdin"), std::slice::from_ref(&bytes)).remove(0);
    for piped in [true, false] {
        let stdin = if piped {
            Stdio::piped()
        } else {
            Stdio::from(std::fs::File::open(&path).unwrap())
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sources::stdin_child", "--ignored"])
            .env("CTCPMON_TEST_PIPED", piped.to_string())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(&bytes).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "{output:?}"
        );
    }
}

#[test]
#[ignore = "run by standard_input_as_pipe_and_as_file"]
fn stdin_child() {
    let piped = std::env::var("CTCPMON_TEST_PIPED").unwrap() == "true";
    let mut set = open(&[Input::stdin(0)], &Options::default()).unwrap();
    assert_eq!(set.bytes_total().is_none(), piped);
    assert_eq!(drain(&mut set).frames, wanted(&packets(3000, START, 1)));
}
