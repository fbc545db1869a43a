//! Which frames the engine calls those of a session, and which the selector picks.

use ctcpmon_core::decode::decode;
use ctcpmon_core::engine::Member;
use ctcpmon_core::flow::FlowKey;
use ctcpmon_core::frame::{Frame, FrameBatch};
use ctcpmon_core::segment::{Addr, Endpoint};
use ctcpmon_core::session::{TO_CLIENT, TO_HEADEND};
use ctcpmon_core::slice::{Mark, Selector, Sign, Wanted};
use ctcpmon_core::time::Timestamp;
use ctcpmon_core::{Config, Engine};
use ctcpmon_testkit::load::{Load, Mix, Plan};
use ctcpmon_testkit::packet::{ACK, RST, Record, SYN, Segment, esp, frame};

fn mixed(frames: usize) -> FrameBatch {
    let mut batch = FrameBatch::default();
    Load::new(&Plan::new(Mix::TenthTunnels, 50, 5)).fill(&mut batch, frames);
    batch
}

/// Members by place in the whole stream, taken in steps of `size` frames.
fn members(all: &FrameBatch, size: usize) -> Vec<Member> {
    let mut engine = Engine::new(Config::default());
    engine.note_members();
    let frames: Vec<Frame<'_>> = all.iter().collect();
    let mut found = Vec::new();
    for (step, part) in frames.chunks(size).enumerate() {
        let mut batch = FrameBatch::default();
        for frame in part {
            batch.push(frame);
        }
        engine.push(&batch);
        let drained: Vec<Member> = engine.drain_members().collect();
        found.extend(drained.into_iter().map(|member| Member {
            frame: member.frame + step * size,
            ..member
        }));
    }
    found
}

#[test]
fn members_do_not_depend_on_the_batches() {
    let all = mixed(6_000);
    let whole = members(&all, 6_000);
    assert!(whole.len() > 500, "{}", whole.len());
    for size in [1, 7, 32, 1_000] {
        assert_eq!(members(&all, size), whole);
    }
}

#[test]
fn members_are_the_frames_of_the_session_from_its_recognition_on() {
    let all = mixed(6_000);
    let frames: Vec<Frame<'_>> = all.iter().collect();
    let mut engine = Engine::new(Config::default());
    engine.note_members();
    engine.push(&all);
    let found: Vec<Member> = engine.drain_members().collect();
    let mut sessions = 0;
    for session in engine.sessions() {
        sessions += 1;
        let is_of_it = |frame: &Frame<'_>| {
            decode(frame).is_ok_and(|segment| FlowKey::of(&segment).0 == session.key())
        };
        let mine = found.iter().filter(|member| member.session == session.id());
        let mine: Vec<usize> = mine.map(|member| member.frame).collect();
        let first = mine[0];
        let want: Vec<usize> = (first..frames.len())
            .filter(|at| is_of_it(&frames[*at]))
            .collect();
        assert_eq!(mine, want);
        // What came before is the handshake.
        assert!((0..first).filter(|at| is_of_it(&frames[*at])).count() <= 3);
    }
    assert_eq!(sessions, 5);
}

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 1], 1_077);
const HEADEND: ([u8; 4], u16) = ([198, 51, 100, 9], 10_000);

fn end((ip, port): ([u8; 4], u16)) -> Endpoint {
    Endpoint {
        addr: Addr::v4(ip),
        port,
    }
}

fn wanted(from: i64, until: i64) -> Wanted {
    Wanted {
        client: end(CLIENT),
        headend: end(HEADEND),
        from: Timestamp(from),
        until: Timestamp(until),
    }
}

/// Direction, SEG.SEQ, SEG.ACK, control bits, window, bytes.
type Step = (usize, u32, u32, u8, u16, usize);

fn record(at: i64, (dir, seq, ack, flags, window, bytes): Step) -> Record {
    let segment = Segment {
        dir,
        seq,
        ack,
        flags,
        window,
        payload: if bytes == 0 {
            Vec::new()
        } else {
            esp(9, 1, bytes)
        },
        options: Vec::new(),
        ttl: 64,
        ip_id: 1,
    };
    Record {
        ts_ns: at,
        frame: frame(&segment, CLIENT, HEADEND),
    }
}

fn mark(at: i64, direction: Option<usize>, sign: Sign, text: &str) -> Mark {
    Mark {
        session: 0,
        at: Timestamp(at),
        direction,
        sign,
        text: text.to_owned(),
    }
}

/// A loss, a repeated ACK, a segment sent again, a window that closes, a reset.
fn story() -> Vec<Record> {
    let len = esp(9, 1, 100).len() as u32;
    // The numbers wrap on the way.
    let next = |n: u32| (u32::MAX - 49).wrapping_add(n * len);
    [
        (0, u32::MAX - 50, 0, SYN, 65_535, 0),
        (1, 500, next(0), SYN | ACK, 65_535, 0),
        (0, next(0), 501, ACK, 65_535, 100),
        (1, 501, next(1), ACK, 65_535, 0),
        (0, next(2), 501, ACK, 65_535, 100),
        (1, 501, next(1), ACK, 65_535, 0),
        (0, next(1), 501, ACK, 65_535, 100),
        (1, 501, next(3), ACK, 0, 0),
        (1, 501, next(3), RST, 0, 0),
    ]
    .into_iter()
    .enumerate()
    .map(|(at, step)| record(100 + at as i64, step))
    .collect()
}

fn placed(marks: Vec<Mark>, wanted: Vec<Wanted>) -> (Vec<(i64, String)>, Vec<String>) {
    let mut selector = Selector::new(wanted, marks);
    let mut on = Vec::new();
    for record in story() {
        let mut remarks = Vec::new();
        if selector.take(&record.captured(), &mut remarks) {
            on.extend(remarks.into_iter().map(|text| (record.ts_ns, text)));
        }
    }
    (on, selector.late())
}

#[test]
fn a_remark_finds_its_packet_by_time_side_and_sign() {
    let marks = vec![
        mark(0, None, Sign::Beyond, "hole"),
        mark(0, None, Sign::Again, "again"),
        mark(0, Some(TO_CLIENT), Sign::Repeat, "repeat"),
        mark(0, None, Sign::ZeroWindow, "zero"),
        mark(0, None, Sign::Close, "close"),
        mark(103, Some(TO_HEADEND), Sign::Data, "data"),
        mark(103, None, Sign::Any, "exact"),
        mark(103, Some(TO_HEADEND), Sign::Any, "later"),
        mark(500, None, Sign::Any, "too late"),
        mark(500, None, Sign::Data, "never"),
    ];
    let (on, late) = placed(marks, vec![wanted(0, i64::MAX)]);
    let on: Vec<(i64, &str)> = on.iter().map(|(at, text)| (*at, text.as_str())).collect();
    let want = [
        (103, "exact"),
        (104, "hole"),
        (104, "data"),
        (104, "later"),
        (105, "repeat"),
        (106, "again"),
        (107, "zero"),
        (108, "close"),
    ];
    assert_eq!(on, want);
    assert_eq!(late, ["too late"]);
}

#[test]
fn only_the_time_and_the_ends_that_are_wanted_count() {
    let count = |wanted: Vec<Wanted>| {
        let mut selector = Selector::new(wanted, Vec::new());
        story()
            .iter()
            .filter(|record| selector.take(&record.captured(), &mut Vec::new()))
            .count()
    };
    assert_eq!(count(vec![wanted(0, i64::MAX)]), 9);
    assert_eq!(count(vec![wanted(102, 104)]), 3);
    // Two generations on the same ends.
    assert_eq!(count(vec![wanted(100, 101), wanted(107, 108)]), 4);
    let other = Wanted {
        client: Endpoint {
            port: 1,
            ..end(CLIENT)
        },
        ..wanted(0, i64::MAX)
    };
    assert_eq!(count(vec![other]), 0);
    // A mark of a session that is not wanted is nobody's.
    assert_eq!(
        placed(vec![mark(0, None, Sign::Any, "x")], Vec::new())
            .1
            .len(),
        0
    );
}

#[test]
fn every_sign_has_its_name() {
    for (sign, name) in Sign::NAMES {
        assert_eq!(Sign::named(name), Some(sign));
    }
    assert_eq!(Sign::named(""), None);
}
