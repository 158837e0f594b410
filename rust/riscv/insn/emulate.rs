// SPDX-License-Identifier: GPL-2.0

//! Emulation of a few instructions on a saved set of registers.
//!
//! It covers the instructions that text patching replaces behind a breakpoint: calls, jumps,
//! `nop`s and loads of constants. No memory accesses, no branches.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host. All of
//! it is inlined, since it runs where traced functions must not be called.

use crate::insn::{
    insn_len,
    Decoded,
    Insn,
    Reg, //
};

/// The general-purpose registers of an interrupted context.
pub trait Registers {
    /// The value of `reg`; 0 for `x0`.
    fn get(&self, reg: Reg) -> u64;
    /// Sets `reg`; does nothing for `x0`.
    fn set(&mut self, reg: Reg, value: u64);
}

/// An instruction that can be emulated.
#[derive(Clone, Copy)]
enum Op {
    Nop,
    /// `rd = rs1 + imm`
    Add(Reg, Reg, i32),
    /// `rd = (rs1 + imm)`, 32 bits, sign-extended
    AddWord(Reg, Reg, i32),
    /// `rd = rs2`
    Move(Reg, Reg),
    /// `rd = pc + imm * 4096`
    Auipc(Reg, i32),
    /// `rd` = the address of the next instruction; jump to `pc + offset`
    Jal(Reg, i32),
    /// `rd` = the address of the next instruction; jump to `rs1 + offset`
    Jalr(Reg, Reg, i32),
}

#[inline(always)]
fn op(insn: Insn) -> Option<Op> {
    let bits = insn.bits();

    match insn.decode() {
        Decoded::Nop => return Some(Op::Nop),
        Decoded::Jal(rd, offset) => return Some(Op::Jal(rd, offset)),
        Decoded::Auipc(rd, imm) => return Some(Op::Auipc(rd, imm)),
        Decoded::Jalr(rd, rs1, offset) => return Some(Op::Jalr(rd, rs1, offset)),
        Decoded::Ebreak => return None,
        Decoded::Other => {}
    }
    let (rd, rs1) = (reg(bits >> 7)?, reg(bits >> 15)?);

    if insn.len() == 4 {
        return match (bits & 0x7f, bits >> 12 & 7) {
            (0x13, 0) => Some(Op::Add(rd, rs1, bits as i32 >> 20)),
            (0x1b, 0) => Some(Op::AddWord(rd, rs1, bits as i32 >> 20)),
            (0x37, _) => Some(Op::Add(rd, Reg::ZERO, (bits & 0xffff_f000) as i32)),
            _ => None,
        };
    }
    // Bit 12 is the sign, bits 6 to 2 are the low bits.
    let imm = ((bits << 19) as i32 >> 31) << 5 | (bits >> 2 & 31) as i32;
    let rs2 = reg(bits >> 2)?;

    match (bits & 3, bits >> 13) {
        (1, 0) => Some(Op::Add(rd, rd, imm)),
        (1, 2) => Some(Op::Add(rd, Reg::ZERO, imm)),
        (2, 4) if rs2 == Reg::ZERO && rd != Reg::ZERO => {
            let link = if bits >> 12 & 1 != 0 {
                Reg::RA
            } else {
                Reg::ZERO
            };
            Some(Op::Jalr(link, rd, 0))
        }
        (2, 4) if bits >> 12 & 1 == 0 => Some(Op::Move(rd, rs2)),
        _ => None,
    }
}

#[inline(always)]
fn reg(bits: u32) -> Option<Reg> {
    Reg::new((bits & 31) as u8)
}

/// The instruction at `offset` in the `len` bytes of `code`; `None` if there is no complete one.
#[inline(always)]
fn insn_at(code: u64, len: usize, offset: usize) -> Option<Insn> {
    let rest = code >> (8 * offset);

    match insn_len(rest as u16)? {
        2 if offset + 2 <= len => Insn::half(rest as u16),
        4 if offset + 4 <= len => Insn::word(rest as u32),
        _ => None,
    }
}

/// Returns whether [`run`] can emulate all of `code`, which is `len` bytes of whole instructions.
///
/// # Examples
///
/// ```
/// use riscv::insn::{emulate::can_run, Insn};
///
/// assert!(can_run(Insn::NOP.bits().into(), 4));
/// assert!(!can_run(Insn::EBREAK.bits().into(), 4));
/// ```
#[inline(always)]
pub fn can_run(code: u64, len: usize) -> bool {
    let mut offset = 0;

    while offset < len {
        match insn_at(code, len, offset) {
            Some(insn) if op(insn).is_some() => offset += insn.len(),
            _ => return false,
        }
    }
    true
}

/// Returns whether control flow may reenter `code`, for which [`can_run`] is true, in the middle:
/// by a call that is not the last instruction, which returns there, or by a jump.
///
/// The targets of indirect jumps are not known, and are not considered.
#[inline(always)]
pub fn may_reenter(code: u64, len: usize) -> bool {
    let mut offset = 0;

    while offset < len {
        let Some(insn) = insn_at(code, len, offset) else {
            return false;
        };
        let next = offset + insn.len();
        let (link, to) = match op(insn) {
            Some(Op::Jal(rd, by)) => (rd, Some(offset as i64 + i64::from(by))),
            Some(Op::Jalr(rd, ..)) => (rd, None),
            _ => (Reg::ZERO, None),
        };

        if link != Reg::ZERO && next < len || to.is_some_and(|to| 0 < to && to < len as i64) {
            return true;
        }
        offset = next;
    }
    false
}

/// Emulates `code`, `len` bytes at `pc`, on `regs`. Returns the address to continue at: the one
/// after the code, or a jump target.
///
/// Returns `None` if an instruction cannot be emulated; then `regs` may have changed. [`can_run`]
/// checks for that beforehand.
#[inline(always)]
pub fn run(code: u64, len: usize, pc: u64, regs: &mut impl Registers) -> Option<u64> {
    let mut offset = 0;

    while offset < len {
        let insn = insn_at(code, len, offset)?;
        let here = pc.wrapping_add(offset as u64);
        let next = here.wrapping_add(insn.len() as u64);

        match op(insn)? {
            Op::Nop => {}
            Op::Add(rd, rs1, imm) => {
                let value = regs.get(rs1).wrapping_add(i64::from(imm) as u64);
                regs.set(rd, value);
            }
            Op::AddWord(rd, rs1, imm) => {
                let value = (regs.get(rs1) as i32).wrapping_add(imm);
                regs.set(rd, i64::from(value) as u64);
            }
            Op::Move(rd, rs2) => {
                let value = regs.get(rs2);
                regs.set(rd, value);
            }
            Op::Auipc(rd, imm) => {
                regs.set(rd, here.wrapping_add((i64::from(imm) << 12) as u64));
            }
            Op::Jal(rd, by) => {
                regs.set(rd, next);
                return Some(here.wrapping_add(i64::from(by) as u64));
            }
            Op::Jalr(rd, rs1, by) => {
                // The target first: `rd` may be `rs1`.
                let to = regs.get(rs1).wrapping_add(i64::from(by) as u64) & !1;
                regs.set(rd, next);
                return Some(to);
            }
        }
        offset += insn.len();
    }
    Some(pc.wrapping_add(len as u64))
}
