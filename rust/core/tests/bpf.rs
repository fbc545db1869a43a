//! Filter programs: every instruction gives what the documentation of BPF says, the check
//! refuses what the kernel refuses, and no program that passes it panics or runs on.
#![allow(clippy::unwrap_used, reason = "tests")]

use ctcpmon_core::bpf::{Instruction, MOST_INSTRUCTIONS, Program, ProgramError};
use proptest::collection::vec;
use proptest::prelude::*;

const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const LD_IMM: u16 = 0x00;
const LDX_IMM: u16 = 0x01;
const TXA: u16 = 0x87;
const BYTES: [u8; 8] = [0x45, 1, 2, 3, 0xff, 5, 6, 7];

/// Every code that the kernel takes (`chk_code_allowed`).
const CODES: &[u16] = &[
    0x00, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x80, // ld
    0x01, 0x61, 0x81, 0xb1, // ldx
    0x02, 0x03, // st, stx
    0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, // add to and
    0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, // shifts, neg, mod, xor
    0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, // jumps
    0x06, 0x16, 0x07, 0x87, // ret, tax, txa
];

fn one(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn program(code: &[Instruction]) -> Program {
    Program::new(code.to_vec()).unwrap()
}

/// What `code` leaves in A, with 100 bytes on the wire.
fn a_after(code: &[Instruction]) -> u32 {
    let mut code = code.to_vec();
    code.push(one(RET_A, 0));
    program(&code).run(&BYTES, 100)
}

/// What `code` leaves in X.
fn x_after(code: &[Instruction]) -> u32 {
    let mut code = code.to_vec();
    code.push(one(TXA, 0));
    a_after(&code)
}

fn refused(code: &[Instruction]) -> ProgramError {
    Program::new(code.to_vec()).unwrap_err()
}

#[test]
fn returns() {
    assert_eq!(program(&[one(RET_K, 7)]).run(&[], 0), 7);
    assert_eq!(
        program(&[one(LD_IMM, 9), one(RET_A, 0)]).run(&[], 0),
        9,
        "what is in A"
    );
    assert_eq!(program(&[one(RET_A, 0)]).run(&[], 0), 0, "A begins at 0");
}

#[test]
fn loads_of_the_frame() {
    let table = [
        (0x20, 0, 0x4501_0203),
        (0x20, 4, 0xff05_0607),
        (0x28, 1, 0x0102),
        (0x28, 6, 0x0607),
        (0x30, 0, 0x45),
        (0x30, 7, 7),
    ];
    for (code, k, wanted) in table {
        assert_eq!(a_after(&[one(code, k)]), wanted, "{code:#x} at {k}");
        // The same place, three bytes of it in X.
        let by_x = [one(LDX_IMM, 3), one(code + 0x20, k.wrapping_sub(3))];
        if k >= 3 {
            assert_eq!(a_after(&by_x), wanted, "{code:#x} at X and {}", k - 3);
        }
    }
    assert_eq!(a_after(&[one(0x80, 0)]), 100, "length on the wire");
    assert_eq!(x_after(&[one(0x81, 0)]), 100, "length on the wire");
    assert_eq!(x_after(&[one(0xb1, 0)]), 20, "length of an IPv4 header");
}

#[test]
fn a_load_behind_the_captured_bytes_refuses_the_frame() {
    for (code, first_bad) in [(0x20, 5), (0x28, 7), (0x30, 8), (0xb1, 8)] {
        for k in [first_bad, 100, 0x7fff_ffff] {
            let whole = program(&[one(code, k), one(RET_K, 1)]);
            assert_eq!(whole.run(&BYTES, 100), 0, "{code:#x} at {k}");
        }
        let last = program(&[one(code, first_bad - 1), one(RET_K, 1)]);
        assert_eq!(last.run(&BYTES, 100), 1, "{code:#x}");
    }
    for (code, first_bad) in [(0x40, 5), (0x48, 7), (0x50, 8)] {
        // The sum does not wrap to a place inside.
        for (x, k) in [(first_bad, 0), (0, first_bad), (u32::MAX, 2), (2, u32::MAX)] {
            let whole = program(&[one(LDX_IMM, x), one(code, k), one(RET_K, 1)]);
            assert_eq!(whole.run(&BYTES, 100), 0, "{code:#x} at {x} and {k}");
        }
    }
}

#[test]
fn constants_and_memory() {
    assert_eq!(a_after(&[one(LD_IMM, 0xdead_beef)]), 0xdead_beef);
    assert_eq!(x_after(&[one(LDX_IMM, 5)]), 5);
    assert_eq!(x_after(&[one(LD_IMM, 6), one(0x07, 0)]), 6, "tax");
    for cell in 0..16 {
        let kept = [
            one(LD_IMM, 11),
            one(0x02, cell),
            one(LD_IMM, 0),
            one(0x60, cell),
        ];
        assert_eq!(a_after(&kept), 11, "cell {cell}");
        let kept = [one(LDX_IMM, 12), one(0x03, cell), one(LDX_IMM, 0)];
        assert_eq!(x_after(&[&kept[..], &[one(0x61, cell)]].concat()), 12);
    }
}

#[test]
fn arithmetic() {
    // Code with a constant; with X it is 8 more.
    let table: [(u16, u32, u32, u32); 21] = [
        (0x04, u32::MAX, 2, 1),
        (0x14, 1, 2, u32::MAX),
        (0x24, 0x8000_0001, 2, 2),
        (0x34, 7, 2, 3),
        (0x34, u32::MAX, 2, 0x7fff_ffff),
        (0x94, 7, 4, 3),
        (0x44, 0b1010, 0b0110, 0b1110),
        (0x54, 0b1010, 0b0110, 0b0010),
        (0xa4, 0b1010, 0b0110, 0b1100),
        (0x64, 1, 0, 1),
        (0x64, 3, 31, 0x8000_0000),
        (0x74, 0x8000_0000, 31, 1),
        (0x74, 0x8000_0000, 0, 0x8000_0000),
        (0x04, 0, 0, 0),
        (0x14, 5, 5, 0),
        (0x24, 0, 9, 0),
        (0x34, 0, 9, 0),
        (0x94, 9, 9, 0),
        (0x44, 0, 0, 0),
        (0x54, u32::MAX, 0, 0),
        (0xa4, 5, 5, 0),
    ];
    for (code, a, k, wanted) in table {
        let with_k = [one(LD_IMM, a), one(code, k)];
        assert_eq!(a_after(&with_k), wanted, "{code:#x}: {a} and {k}");
        let with_x = [one(LD_IMM, a), one(LDX_IMM, k), one(code + 8, 77)];
        assert_eq!(a_after(&with_x), wanted, "{code:#x} with X: {a} and {k}");
    }
    assert_eq!(a_after(&[one(LD_IMM, 1), one(0x84, 0)]), u32::MAX, "neg");
    assert_eq!(a_after(&[one(0x84, 0)]), 0, "neg of 0");
}

#[test]
fn a_division_by_zero_in_x_refuses_the_frame() {
    for code in [0x3c, 0x9c] {
        let whole = program(&[one(LD_IMM, 1), one(code, 5), one(RET_K, 1)]);
        assert_eq!(whole.run(&BYTES, 100), 0);
    }
}

#[test]
fn a_shift_by_more_than_there_is_leaves_nothing() {
    for code in [0x6c, 0x7c] {
        for x in [32, 33, u32::MAX] {
            let shifted = [one(LD_IMM, u32::MAX), one(LDX_IMM, x), one(code, 0)];
            assert_eq!(a_after(&shifted), 0, "{code:#x} by {x}");
        }
    }
}

#[test]
fn jumps() {
    let table: [(u16, u32, u32, bool); 13] = [
        (0x15, 5, 5, true),
        (0x15, 5, 6, false),
        (0x25, 6, 5, true),
        (0x25, 5, 5, false),
        // Numbers have no sign.
        (0x25, u32::MAX, 1, true),
        (0x35, 5, 5, true),
        (0x35, 4, 5, false),
        (0x35, 0x8000_0000, 1, true),
        (0x45, 0b1010, 0b0010, true),
        (0x45, 0b1010, 0b0101, false),
        (0x45, 1, 0, false),
        (0x15, 0, 0, true),
        (0x25, 0, 0, false),
    ];
    for (code, a, k, holds) in table {
        let ends = [one(RET_K, 10), one(RET_K, 20), one(RET_K, 30)];
        let wanted = if holds { 30 } else { 20 };
        let with_k = [&[one(LD_IMM, a), jump(code, k, 2, 1)], &ends[..]].concat();
        assert_eq!(program(&with_k).run(&[], 0), wanted, "{code:#x} {a} {k}");
        let start = [one(LD_IMM, a), one(LDX_IMM, k), jump(code + 8, 1_000, 2, 1)];
        let with_x = [&start[..], &ends[..]].concat();
        assert_eq!(program(&with_x).run(&[], 0), wanted, "{code:#x} X {a} {k}");
    }
    let over = [one(0x05, 1), one(RET_K, 1), one(RET_K, 2)];
    assert_eq!(program(&over).run(&[], 0), 2, "ja");
}

#[test]
fn what_the_kernel_refuses_is_refused() {
    let end = one(RET_K, 1);
    assert_eq!(refused(&[]), ProgramError::Empty);
    let long = vec![end; MOST_INSTRUCTIONS + 1];
    assert_eq!(refused(&long), ProgramError::TooLong(4_097));
    assert!(Program::new(long[1..].to_vec()).is_ok());
    assert_eq!(refused(&[end, one(LD_IMM, 0)]), ProgramError::NoReturn);
    assert_eq!(refused(&[one(0x05, 0)]), ProgramError::Jump { at: 0 });
    // ret x, a load of three words, an eBPF call.
    for code in [0x0e, 0x18, 0x85, 0x70, 0xffff] {
        let unknown = ProgramError::Unknown { at: 0, code };
        assert_eq!(refused(&[one(code, 0), end]), unknown);
    }
    for code in [0x34, 0x94] {
        assert_eq!(
            refused(&[one(code, 0), end]),
            ProgramError::Constant { at: 0 }
        );
    }
    for code in [0x64, 0x74] {
        assert_eq!(
            refused(&[one(code, 32), end]),
            ProgramError::Constant { at: 0 }
        );
    }
    for code in [0x60, 0x61, 0x02, 0x03] {
        assert_eq!(refused(&[one(code, 16), end]), ProgramError::Cell { at: 0 });
    }
    for k in [1, 2, u32::MAX] {
        assert_eq!(refused(&[one(0x05, k), end]), ProgramError::Jump { at: 0 });
    }
    for code in [0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d] {
        for (jt, jf) in [(1, 0), (0, 1), (255, 255)] {
            let wild = [jump(code, 0, jt, jf), end];
            assert_eq!(refused(&wild), ProgramError::Jump { at: 0 });
        }
    }
}

#[test]
fn what_the_kernel_takes_is_taken() {
    for &code in CODES {
        let stored = [
            one(0x02, 1),
            jump(code, 1, 0, 0),
            one(RET_K, 1),
            one(RET_K, 1),
        ];
        assert!(Program::new(stored.to_vec()).is_ok(), "{code:#x}");
    }
}

#[test]
fn a_cell_that_was_not_written_on_every_way_is_refused() {
    let end = one(RET_K, 1);
    let read = one(0x60, 3);
    assert_eq!(refused(&[read, end]), ProgramError::Cell { at: 0 });
    let one_way = [jump(0x15, 0, 1, 0), one(0x02, 3), read, end];
    assert_eq!(refused(&one_way), ProgramError::Cell { at: 2 });
    let both_ways = [
        jump(0x15, 0, 2, 0),
        one(0x02, 3),
        one(0x05, 1),
        one(0x03, 3),
        read,
        end,
    ];
    assert!(Program::new(both_ways.to_vec()).is_ok());
}

/// The interface, the tag that the card took off, the frame from its network header.
#[test]
fn what_only_the_kernel_knows_is_refused_in_words() {
    for k in [0xffff_f000, 0xffff_f02c, 0xfff0_0000, 0xffe0_0000, 1 << 31] {
        for code in [0x20, 0x28, 0x30, 0xb1] {
            let error = refused(&[one(code, k), one(RET_K, 1)]);
            assert_eq!(error, ProgramError::Extension { at: 0 });
            assert!(error.to_string().contains("not in the frame"));
        }
    }
}

/// `tcpdump -ddd port 10000`.
#[test]
fn a_program_of_libpcap() {
    let code = [
        jump(0x28, 12, 0, 0),
        jump(0x15, 34_525, 0, 8),
        jump(0x30, 20, 0, 0),
        jump(0x15, 132, 2, 0),
        jump(0x15, 6, 1, 0),
        jump(0x15, 17, 0, 17),
        jump(0x28, 54, 0, 0),
        jump(0x15, 10_000, 14, 0),
        jump(0x28, 56, 0, 0),
        jump(0x15, 10_000, 12, 13),
        jump(0x15, 2048, 0, 12),
        jump(0x30, 23, 0, 0),
        jump(0x15, 132, 2, 0),
        jump(0x15, 6, 1, 0),
        jump(0x15, 17, 0, 8),
        jump(0x28, 20, 0, 0),
        jump(0x45, 8191, 6, 0),
        jump(0xb1, 14, 0, 0),
        jump(0x48, 14, 0, 0),
        jump(0x15, 10_000, 2, 0),
        jump(0x48, 16, 0, 0),
        jump(0x15, 10_000, 0, 1),
        one(RET_K, 262_144),
        one(RET_K, 0),
    ];
    let port = program(&code);
    let mut frame = [0_u8; 54];
    frame[12] = 8;
    frame[14] = 0x45;
    frame[23] = 6;
    frame[36..38].copy_from_slice(&10_000_u16.to_be_bytes());
    assert_eq!(port.run(&frame, 54), 262_144, "to port 10000");
    assert_eq!(port.run(&frame[..37], 54), 0, "cut within the port");
    assert_eq!(port.run(&frame[..38], 54), 262_144, "cut behind it");
    frame[37] += 1;
    assert_eq!(port.run(&frame, 54), 0, "to port 10001");
    frame[34..36].copy_from_slice(&10_000_u16.to_be_bytes());
    assert_eq!(port.run(&frame, 54), 262_144, "from port 10000");
    frame[21] = 1;
    assert_eq!(port.run(&frame, 54), 0, "a later fragment");
}

/// Mostly instructions that pass the check one by one.
fn instruction() -> impl Strategy<Value = Instruction> {
    let operand = prop_oneof![0_u32..24, any::<u32>(), Just(u32::MAX), Just(1 << 31)];
    let code = prop_oneof![
        9 => prop::sample::select(CODES),
        1 => any::<u16>(),
    ];
    (code, 0_u8..6, 0_u8..6, operand).prop_map(|(code, jt, jf, k)| Instruction { code, jt, jf, k })
}

/// Makes of `code` what differs least and passes the check.
fn mended(mut code: Vec<Instruction>) -> Vec<Instruction> {
    code.push(one(RET_A, 0));
    // Every cell holds something.
    let mut whole: Vec<Instruction> = (0..16).map(|cell| one(0x02, cell)).collect();
    whole.append(&mut code);
    loop {
        let at = match Program::new(whole.clone()) {
            Ok(_) => return whole,
            Err(
                ProgramError::Unknown { at, .. }
                | ProgramError::Extension { at }
                | ProgramError::Jump { at }
                | ProgramError::Cell { at }
                | ProgramError::Constant { at },
            ) => at,
            Err(other) => panic!("{other}"),
        };
        whole[at] = one(LD_IMM, whole[at].k);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Whatever passes the check runs to an end without a panic, and gives the same again.
    #[test]
    fn any_program_on_any_frame(
        code in vec(instruction(), 1..60),
        bytes in vec(any::<u8>(), 0..80),
        original_len in any::<u32>(),
    ) {
        if let Ok(whole) = Program::new(code.clone()) {
            whole.run(&bytes, original_len);
        }
        let whole = Program::new(mended(code)).unwrap();
        let first = whole.run(&bytes, original_len);
        prop_assert_eq!(first, whole.run(&bytes, original_len));
        // What was accepted did not look behind the end: more bytes change nothing.
        if first != 0 {
            let more = [&bytes[..], &[0xa5; 9]].concat();
            prop_assert_eq!(first, whole.run(&more, original_len));
        }
    }
}
