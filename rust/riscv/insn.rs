// SPDX-License-Identifier: GPL-2.0

//! RISC-V instruction encoding and decoding.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.
//!
//! Reference: The RISC-V Instruction Set Manual, Volume I, chapters "RV32I" and "C".
//!
//! # Examples
//!
//! ```
//! use riscv::insn::{self, Insn, Reg};
//!
//! let nop = Insn::NOP;
//! let jump = insn::jal(Reg::ZERO, 8)?;
//! assert_eq!(nop.len(), jump.len());
//! # Ok::<(), insn::OutOfRange>(())
//! ```

pub mod emulate;

/// The alignment in bytes of instructions, and the unit of their lengths, in the kernel that this
/// is built for. Without `CONFIG_RISCV_ISA_C` there are no 2-byte instructions, and harts may not
/// support them.
pub const ALIGN: usize = if cfg!(CONFIG_RISCV_ISA_C) { 2 } else { 4 };

/// A general-purpose register, `x0` to `x31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(u8);

impl Reg {
    /// `x0`, always zero.
    pub const ZERO: Reg = Reg(0);
    /// `x1`, the return address.
    pub const RA: Reg = Reg(1);
    /// `x5`, the alternate link register that ftrace calls through.
    pub const T0: Reg = Reg(5);
    /// `x6`, a scratch register.
    pub const T1: Reg = Reg(6);

    /// Returns the register `x{n}`, if there is one.
    pub const fn new(n: u8) -> Option<Reg> {
        if n < 32 {
            Some(Reg(n))
        } else {
            None
        }
    }

    /// Returns the register's number.
    pub const fn number(self) -> u8 {
        self.0
    }

    const fn rd(self) -> u32 {
        (self.0 as u32) << 7
    }

    const fn rs1(self) -> u32 {
        (self.0 as u32) << 15
    }

    const fn from_rd(word: u32) -> Reg {
        Reg((word >> 7 & 31) as u8)
    }

    const fn from_rs1(word: u32) -> Reg {
        Reg((word >> 15 & 31) as u8)
    }
}

/// The error for an offset that an instruction cannot encode: out of range, or odd.
///
/// In the kernel this is reported as `-ERANGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// One whole instruction of 2 or 4 bytes.
///
/// # Invariants
///
/// `bits` holds an instruction whose own length field says `len` bytes; the bits above are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    bits: u32,
    len: u8,
}

/// A decoded instruction, as far as text patching needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// `jal rd, offset`; the offset is in bytes.
    Jal(Reg, i32),
    /// `auipc rd, imm`; `imm` is the upper immediate, in units of 4096 bytes.
    Auipc(Reg, i32),
    /// `jalr rd, offset(rs1)`; the offset is in bytes.
    Jalr(Reg, Reg, i32),
    /// `nop` or `c.nop`.
    Nop,
    /// `ebreak` or `c.ebreak`.
    Ebreak,
    /// Anything else.
    Other,
}

const OP_JAL: u32 = 0x6f;
const OP_AUIPC: u32 = 0x17;
const OP_JALR: u32 = 0x67;

impl Insn {
    /// `nop` (`addi x0, x0, 0`), 4 bytes.
    pub const NOP: Insn = Insn { bits: 0x13, len: 4 };
    /// `c.nop`, 2 bytes.
    pub const C_NOP: Insn = Insn { bits: 0x1, len: 2 };
    /// `ebreak`, 4 bytes.
    pub const EBREAK: Insn = Insn {
        bits: 0x0010_0073,
        len: 4,
    };
    /// `c.ebreak`, 2 bytes.
    pub const C_EBREAK: Insn = Insn {
        bits: 0x9002,
        len: 2,
    };

    /// Returns the 4-byte instruction `bits`, or `None` if its length field says otherwise.
    pub const fn word(bits: u32) -> Option<Insn> {
        match insn_len(bits as u16) {
            // INVARIANT: The length field was just checked.
            Some(4) => Some(Insn { bits, len: 4 }),
            _ => None,
        }
    }

    /// Returns the 2-byte instruction `bits`, or `None` if its length field says otherwise.
    pub const fn half(bits: u16) -> Option<Insn> {
        match insn_len(bits) {
            // INVARIANT: The length field was just checked.
            Some(2) => Some(Insn {
                bits: bits as u32,
                len: 2,
            }),
            _ => None,
        }
    }

    /// Returns the instruction's bits; a 2-byte instruction is in the low half.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Returns the instruction's length in bytes, 2 or 4.
    #[allow(clippy::len_without_is_empty, reason = "no instruction is empty")]
    pub const fn len(self) -> usize {
        self.len as usize
    }

    /// Decodes the instruction.
    pub const fn decode(self) -> Decoded {
        let w = self.bits;

        match (self.len, w) {
            (4, 0x13) | (2, 0x1) => return Decoded::Nop,
            (4, 0x0010_0073) | (2, 0x9002) => return Decoded::Ebreak,
            (2, _) => return Decoded::Other,
            _ => {}
        }
        match (w & 0x7f, w >> 12 & 7) {
            (OP_JAL, _) => Decoded::Jal(Reg::from_rd(w), jal_offset(w)),
            (OP_AUIPC, _) => Decoded::Auipc(Reg::from_rd(w), w as i32 >> 12),
            (OP_JALR, 0) => Decoded::Jalr(Reg::from_rd(w), Reg::from_rs1(w), w as i32 >> 20),
            _ => Decoded::Other,
        }
    }
}

/// Returns the length in bytes of the instruction that begins with `parcel`.
///
/// `None` for the encodings of 6 bytes and more, which no RISC-V implementation has.
#[inline(always)]
pub const fn insn_len(parcel: u16) -> Option<usize> {
    if parcel & 0b11 != 0b11 {
        Some(2)
    } else if parcel & 0b1_1100 != 0b1_1100 {
        Some(4)
    } else {
        None
    }
}

const fn fits(value: i64, bits: u32) -> bool {
    value >= -(1 << (bits - 1)) && value < 1 << (bits - 1)
}

/// Encodes `jal rd, offset`.
///
/// # Errors
///
/// [`OutOfRange`] unless `offset` is even and within -1 MiB and 1 MiB - 2.
pub const fn jal(rd: Reg, offset: i64) -> Result<Insn, OutOfRange> {
    if !fits(offset, 21) || offset & 1 != 0 {
        return Err(OutOfRange);
    }
    let imm = offset as u32;
    let bits = (imm >> 20 & 1) << 31
        | (imm >> 1 & 0x3ff) << 21
        | (imm >> 11 & 1) << 20
        | (imm >> 12 & 0xff) << 12
        | rd.rd()
        | OP_JAL;

    // INVARIANT: `OP_JAL` is a 4-byte opcode.
    Ok(Insn { bits, len: 4 })
}

const fn jal_offset(w: u32) -> i32 {
    // The sign is bit 31: bring it to bit 20 with an arithmetic shift.
    let sign = (w as i32 >> 31) << 20;

    sign | (w & 0x000f_f000) as i32 | (w >> 9 & 0x800) as i32 | (w >> 20 & 0x7fe) as i32
}

/// Encodes `auipc rd, imm`, `imm` in units of 4096 bytes.
///
/// # Errors
///
/// [`OutOfRange`] unless `imm` fits in 20 bits, signed.
pub const fn auipc(rd: Reg, imm: i64) -> Result<Insn, OutOfRange> {
    if !fits(imm, 20) {
        return Err(OutOfRange);
    }
    // INVARIANT: `OP_AUIPC` is a 4-byte opcode.
    Ok(Insn {
        bits: (imm as u32) << 12 | rd.rd() | OP_AUIPC,
        len: 4,
    })
}

/// Encodes `jalr rd, offset(rs1)`.
///
/// # Errors
///
/// [`OutOfRange`] unless `offset` is within -2048 and 2047.
pub const fn jalr(rd: Reg, rs1: Reg, offset: i64) -> Result<Insn, OutOfRange> {
    if !fits(offset, 12) {
        return Err(OutOfRange);
    }
    // INVARIANT: `OP_JALR` is a 4-byte opcode.
    Ok(Insn {
        bits: (offset as u32) << 20 | rs1.rs1() | rd.rd() | OP_JALR,
        len: 4,
    })
}

/// Encodes the pair `auipc scratch, hi; jalr rd, lo(scratch)`, which jumps to `offset` bytes from
/// the `auipc`.
///
/// # Errors
///
/// [`OutOfRange`] unless `offset` is even and within -2 GiB - 2048 and 2 GiB - 2050.
pub const fn far_jump(rd: Reg, scratch: Reg, offset: i64) -> Result<[Insn; 2], OutOfRange> {
    // `jalr` sign-extends its 12 bits, so round to the nearest 4096.
    let Some(rounded) = offset.checked_add(0x800) else {
        return Err(OutOfRange);
    };
    let hi = rounded >> 12;

    if offset & 1 != 0 {
        return Err(OutOfRange);
    }
    match (auipc(scratch, hi), jalr(rd, scratch, offset - (hi << 12))) {
        (Ok(a), Ok(b)) => Ok([a, b]),
        _ => Err(OutOfRange),
    }
}
