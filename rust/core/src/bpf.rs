//! Filter programs of classic BPF, as libpcap makes them and the kernel runs them: checked
//! once, then run on every frame.
//!
//! The check is that of Linux (`bpf_check_classic` and `check_load_and_stores`), so that a
//! program that passes here can be attached there. It is why a run needs no limit: jumps go
//! forward only, and the last instruction returns.
//!
//! A run gives what libpcap's interpreter gives for a frame of a file. Frames cannot be cut
//! short by what a program returns; only 0 and the rest differ to us.

use std::fmt;

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip when the comparison holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Most instructions of a program (`BPF_MAXINSNS`).
pub const MOST_INSTRUCTIONS: usize = 4_096;
/// Memory cells (`BPF_MEMWORDS`).
const CELLS: usize = 16;
/// Loads from here on ask Linux for what is not in the frame: the interface, a tag that the
/// card took off (`SKF_AD_OFF`), the frame counted from another header (`SKF_NET_OFF`,
/// `SKF_LL_OFF`).
const EXTENSIONS: u32 = 0x8000_0000;

// Class, size and mode, or class, operation and source, in one number (`linux/bpf_common.h`).
const LD_W_IMM: u16 = 0x00;
const LD_W_ABS: u16 = 0x20;
const LD_H_ABS: u16 = 0x28;
const LD_B_ABS: u16 = 0x30;
const LD_W_IND: u16 = 0x40;
const LD_H_IND: u16 = 0x48;
const LD_B_IND: u16 = 0x50;
const LD_MEM: u16 = 0x60;
const LD_LEN: u16 = 0x80;
const LDX_IMM: u16 = 0x01;
const LDX_MEM: u16 = 0x61;
const LDX_LEN: u16 = 0x81;
/// Four times the lower half of a byte: the length of an IPv4 header.
const LDX_MSH: u16 = 0xb1;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ADD_K: u16 = 0x04;
const ADD_X: u16 = 0x0c;
const SUB_K: u16 = 0x14;
const SUB_X: u16 = 0x1c;
const MUL_K: u16 = 0x24;
const MUL_X: u16 = 0x2c;
const DIV_K: u16 = 0x34;
const DIV_X: u16 = 0x3c;
const OR_K: u16 = 0x44;
const OR_X: u16 = 0x4c;
const AND_K: u16 = 0x54;
const AND_X: u16 = 0x5c;
const LSH_K: u16 = 0x64;
const LSH_X: u16 = 0x6c;
const RSH_K: u16 = 0x74;
const RSH_X: u16 = 0x7c;
const NEG: u16 = 0x84;
const MOD_K: u16 = 0x94;
const MOD_X: u16 = 0x9c;
const XOR_K: u16 = 0xa4;
const XOR_X: u16 = 0xac;
const JA: u16 = 0x05;
const JEQ_K: u16 = 0x15;
const JEQ_X: u16 = 0x1d;
const JGT_K: u16 = 0x25;
const JGT_X: u16 = 0x2d;
const JGE_K: u16 = 0x35;
const JGE_X: u16 = 0x3d;
const JSET_K: u16 = 0x45;
const JSET_X: u16 = 0x4d;
const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const TAX: u16 = 0x07;
const TXA: u16 = 0x87;

/// Why a program was refused; `at` counts its instructions from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// It has no instruction.
    Empty,
    /// It has more instructions than the kernel takes.
    TooLong(usize),
    /// No such instruction.
    Unknown {
        /// Instruction.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// A load of what is not in the frame: an extension of Linux.
    Extension {
        /// Instruction.
        at: usize,
    },
    /// A jump behind the end.
    Jump {
        /// Instruction.
        at: usize,
    },
    /// No such memory cell, or nothing was stored in it on some way there.
    Cell {
        /// Instruction.
        at: usize,
    },
    /// A constant divisor of 0 or a constant shift by 32 or more.
    Constant {
        /// Instruction.
        at: usize,
    },
    /// The last instruction does not return.
    NoReturn,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the filter program is empty"),
            Self::TooLong(len) => write!(
                f,
                "the filter program has {len} instructions, more than {MOST_INSTRUCTIONS}"
            ),
            Self::Unknown { at, code } => {
                write!(f, "instruction {at} of the filter is unknown ({code:#04x})")
            }
            Self::Extension { at } => write!(
                f,
                "instruction {at} of the filter asks the kernel for what is not in the frame; \
                 a capture cannot tell it"
            ),
            Self::Jump { at } => write!(f, "instruction {at} of the filter jumps behind its end"),
            Self::Cell { at } => write!(
                f,
                "instruction {at} of the filter uses a memory cell that does not exist or was \
                 not written"
            ),
            Self::Constant { at } => write!(
                f,
                "instruction {at} of the filter divides by 0 or shifts by more than 31 bits"
            ),
            Self::NoReturn => write!(f, "the filter program does not end in a return"),
        }
    }
}

impl std::error::Error for ProgramError {}

/// A checked program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Box<[Instruction]>);

impl Program {
    /// Checks `code`.
    ///
    /// # Errors
    /// What the kernel would refuse, and loads that only the kernel can answer.
    pub fn new(code: Vec<Instruction>) -> Result<Self, ProgramError> {
        if code.is_empty() {
            return Err(ProgramError::Empty);
        }
        if code.len() > MOST_INSTRUCTIONS {
            return Err(ProgramError::TooLong(code.len()));
        }
        for (at, one) in code.iter().enumerate() {
            check(*one, at, code.len())?;
        }
        if !matches!(code.last(), Some(one) if matches!(one.code, RET_K | RET_A)) {
            return Err(ProgramError::NoReturn);
        }
        check_cells(&code)?;
        Ok(Self(code.into_boxed_slice()))
    }

    /// Its instructions.
    pub fn code(&self) -> &[Instruction] {
        &self.0
    }

    /// What the program returns for the frame of `bytes`, which was `original_len` bytes long
    /// on the wire: 0 refuses it. A load beyond `bytes` refuses it, as does a division by 0.
    pub fn run(&self, bytes: &[u8], original_len: u32) -> u32 {
        self.returned(bytes, original_len).unwrap_or(0)
    }

    /// `None` when the program was broken off.
    fn returned(&self, bytes: &[u8], original_len: u32) -> Option<u32> {
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut cells = [0_u32; CELLS];
        let mut at = 0;
        // The check bounds the cells; the mask spares a second look.
        let cell = |k: u32| k as usize % CELLS;
        while let Some(&Instruction { code, jt, jf, k }) = self.0.get(at) {
            at += 1;
            let mut jump_if = |holds: bool| at += usize::from(if holds { jt } else { jf });
            match code {
                LD_W_ABS => a = word(bytes, 0, k)?,
                LD_H_ABS => a = half(bytes, 0, k)?,
                LD_B_ABS => a = byte(bytes, 0, k)?,
                LD_W_IND => a = word(bytes, x, k)?,
                LD_H_IND => a = half(bytes, x, k)?,
                LD_B_IND => a = byte(bytes, x, k)?,
                LD_W_IMM => a = k,
                LD_MEM => a = cells[cell(k)],
                LD_LEN => a = original_len,
                LDX_IMM => x = k,
                LDX_MEM => x = cells[cell(k)],
                LDX_LEN => x = original_len,
                LDX_MSH => x = (byte(bytes, 0, k)? & 0xf) << 2,
                ST => cells[cell(k)] = a,
                STX => cells[cell(k)] = x,
                ADD_K => a = a.wrapping_add(k),
                ADD_X => a = a.wrapping_add(x),
                SUB_K => a = a.wrapping_sub(k),
                SUB_X => a = a.wrapping_sub(x),
                MUL_K => a = a.wrapping_mul(k),
                MUL_X => a = a.wrapping_mul(x),
                DIV_K => a = a.checked_div(k)?,
                DIV_X => a = a.checked_div(x)?,
                MOD_K => a = a.checked_rem(k)?,
                MOD_X => a = a.checked_rem(x)?,
                OR_K => a |= k,
                OR_X => a |= x,
                AND_K => a &= k,
                AND_X => a &= x,
                XOR_K => a ^= k,
                XOR_X => a ^= x,
                // By 32 and more: nothing is left. Processors, and so kernels, disagree.
                LSH_K => a = a.checked_shl(k).unwrap_or(0),
                LSH_X => a = a.checked_shl(x).unwrap_or(0),
                RSH_K => a = a.checked_shr(k).unwrap_or(0),
                RSH_X => a = a.checked_shr(x).unwrap_or(0),
                NEG => a = a.wrapping_neg(),
                JA => at = at.saturating_add(k as usize),
                JEQ_K => jump_if(a == k),
                JEQ_X => jump_if(a == x),
                JGT_K => jump_if(a > k),
                JGT_X => jump_if(a > x),
                JGE_K => jump_if(a >= k),
                JGE_X => jump_if(a >= x),
                JSET_K => jump_if(a & k != 0),
                JSET_X => jump_if(a & x != 0),
                TAX => x = a,
                TXA => a = x,
                RET_K => return Some(k),
                RET_A => return Some(a),
                // The check lets none through.
                _ => return None,
            }
        }
        None
    }
}

/// The `N` bytes at `x + k`. The sum does not wrap: behind the end is behind the end.
fn load<const N: usize>(bytes: &[u8], x: u32, k: u32) -> Option<[u8; N]> {
    let at = (x as usize).saturating_add(k as usize);
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn word(bytes: &[u8], x: u32, k: u32) -> Option<u32> {
    load(bytes, x, k).map(u32::from_be_bytes)
}

fn half(bytes: &[u8], x: u32, k: u32) -> Option<u32> {
    load(bytes, x, k).map(u16::from_be_bytes).map(u32::from)
}

fn byte(bytes: &[u8], x: u32, k: u32) -> Option<u32> {
    load(bytes, x, k).map(u8::from_be_bytes).map(u32::from)
}

/// Checks one instruction of a program of `len`.
fn check(one: Instruction, at: usize, len: usize) -> Result<(), ProgramError> {
    let Instruction { code, jt, jf, k } = one;
    // Instructions behind this one.
    let behind = len - at - 1;
    match code {
        LD_W_ABS | LD_H_ABS | LD_B_ABS | LDX_MSH if k >= EXTENSIONS => {
            Err(ProgramError::Extension { at })
        }
        LD_MEM | LDX_MEM | ST | STX if k as usize >= CELLS => Err(ProgramError::Cell { at }),
        DIV_K | MOD_K if k == 0 => Err(ProgramError::Constant { at }),
        LSH_K | RSH_K if k >= u32::BITS => Err(ProgramError::Constant { at }),
        JA if k as usize >= behind => Err(ProgramError::Jump { at }),
        JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X
            if usize::from(jt.max(jf)) >= behind =>
        {
            Err(ProgramError::Jump { at })
        }
        LD_W_IMM | LD_W_ABS | LD_H_ABS | LD_B_ABS | LD_W_IND | LD_H_IND | LD_B_IND | LD_MEM
        | LD_LEN | LDX_IMM | LDX_MEM | LDX_LEN | LDX_MSH | ST | STX | ADD_K | ADD_X | SUB_K
        | SUB_X | MUL_K | MUL_X | DIV_K | DIV_X | MOD_K | MOD_X | OR_K | OR_X | AND_K | AND_X
        | XOR_K | XOR_X | LSH_K | LSH_X | RSH_K | RSH_X | NEG | JA | JEQ_K | JEQ_X | JGT_K
        | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X | TAX | TXA | RET_K | RET_A => Ok(()),
        _ => Err(ProgramError::Unknown { at, code }),
    }
}

/// Every cell that is read was written on every way there. Jumps are known to be good.
fn check_cells(code: &[Instruction]) -> Result<(), ProgramError> {
    // For each instruction the cells that every jump to it has written, a bit each.
    let mut at_jumps = vec![u16::MAX; code.len()];
    let mut written = 0_u16;
    for (at, one) in code.iter().enumerate() {
        written &= at_jumps[at];
        let bit = |k: u32| 1_u16 << (k as usize % CELLS);
        let mut jump = |skip: usize| {
            if let Some(there) = at_jumps.get_mut((at + 1).saturating_add(skip)) {
                *there &= written;
            }
        };
        match one.code {
            ST | STX => written |= bit(one.k),
            LD_MEM | LDX_MEM if written & bit(one.k) == 0 => {
                return Err(ProgramError::Cell { at });
            }
            JA => {
                jump(one.k as usize);
                written = u16::MAX;
            }
            JEQ_K | JEQ_X | JGT_K | JGT_X | JGE_K | JGE_X | JSET_K | JSET_X => {
                jump(usize::from(one.jt));
                jump(usize::from(one.jf));
                written = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}
