// SPDX-License-Identifier: GPL-2.0

//! Lines of assembly, encoded by the assembler and by our encoders.

use core::hint::black_box;

use kernel::prelude::*;

use riscv::insn::{
    self,
    Decoded,
    Insn,
    OutOfRange,
    Reg, //
};

/// The assembler's output for one line: the instruction, padded with zeroes, and its length.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Assembled {
    pub(crate) bits: u32,
    pub(crate) len: u32,
}

/// The same line for our encoders and the decoder. The arguments go through `black_box`, so that
/// the compiler does not evaluate the calls.
pub(crate) struct Ours {
    pub(crate) line: &'static str,
    pub(crate) encode: fn() -> Result<Insn, OutOfRange>,
    pub(crate) decoded: fn() -> Decoded,
}

/// The register `x{n}`.
fn x(n: u8) -> Reg {
    Reg::new(black_box(n)).unwrap_or(Reg::ZERO)
}

/// One line for the assembler.
macro_rules! line {
    (jal $rd:literal $offset:literal) => {
        concat!("jal x", $rd, ", ", $offset)
    };
    // The assembler takes an unsigned number of 20 bits.
    (auipc $rd:literal $imm:literal) => {
        concat!("auipc x", $rd, ", (", $imm, ") & 0xfffff")
    };
    (jalr $rd:literal $rs1:literal $offset:literal) => {
        concat!("jalr x", $rd, ", ", $offset, "(x", $rs1, ")")
    };
    (nop) => {
        "nop"
    };
    (ebreak) => {
        "ebreak"
    };
    (c_nop) => {
        "c.nop"
    };
    (c_ebreak) => {
        "c.ebreak"
    };
}

/// The same line as a call of our encoder, and as the decoder's result.
macro_rules! ours {
    (jal $rd:literal $offset:literal) => {
        (
            || insn::jal(x($rd), black_box($offset)),
            || Decoded::Jal(x($rd), $offset),
        )
    };
    (auipc $rd:literal $imm:literal) => {
        (
            || insn::auipc(x($rd), black_box($imm)),
            || Decoded::Auipc(x($rd), $imm),
        )
    };
    (jalr $rd:literal $rs1:literal $offset:literal) => {
        (
            || insn::jalr(x($rd), x($rs1), black_box($offset)),
            || Decoded::Jalr(x($rd), x($rs1), $offset),
        )
    };
    (nop) => {
        (|| Ok(Insn::NOP), || Decoded::Nop)
    };
    (ebreak) => {
        (|| Ok(Insn::EBREAK), || Decoded::Ebreak)
    };
    (c_nop) => {
        (|| Ok(Insn::C_NOP), || Decoded::Nop)
    };
    (c_ebreak) => {
        (|| Ok(Insn::C_EBREAK), || Decoded::Ebreak)
    };
}

/// Passes every line to the assembler and to our encoders, from one list.
macro_rules! lines {
    ($($option:ident: $($name:ident $($argument:literal)*),+;)*) => {
        core::arch::global_asm!(
            ".pushsection .rodata.rust_riscv_assembled, \"a\"",
            ".option push",
            // Without relaxation, so that the assembler knows the lengths below.
            ".option norelax",
            ".balign 4",
            "rust_riscv_assembled:",
            $($(
                concat!(".option ", stringify!($option)),
                "1:",
                line!($name $($argument)*),
                "2:",
                ".balign 4, 0",
                ".4byte 2b - 1b",
            )+)*
            ".option pop",
            ".popsection",
        );

        const OURS: &[Ours] = &[
            $($({
                let (encode, decoded) = ours!($name $($argument)*);

                Ours { line: line!($name $($argument)*), encode, decoded }
            },)+)*
        ];
    };
}

// Both ends of every range, single bits of every immediate, every register in every operand.
lines! {
    norvc:
        jal 1 1048574, jal 1 -1048576, jal 0 0, jal 31 -2, jal 1 2, jal 1 4, jal 1 8, jal 1 16,
        jal 1 32, jal 1 64, jal 1 128, jal 1 256, jal 1 512, jal 1 1024, jal 1 2048, jal 1 4096,
        jal 1 8192, jal 1 16384, jal 1 32768, jal 1 65536, jal 1 131072, jal 1 262144,
        jal 1 524288, jal 5 699050, jal 5 -699052;
    norvc:
        auipc 1 0x7ffff, auipc 1 -0x80000, auipc 0 0, auipc 31 -1, auipc 5 1, auipc 5 0x55555,
        auipc 5 -0x55556, auipc 6 0x40000;
    norvc:
        jalr 1 5 2047, jalr 1 5 -2048, jalr 0 1 0, jalr 0 5 0, jalr 31 31 -1, jalr 5 5 1365,
        jalr 5 6 -1366, jalr 1 6 1, jalr 1 6 1024;
    norvc:
        jalr 0 31 0, jalr 1 30 0, jalr 2 29 0, jalr 3 28 0, jalr 4 27 0, jalr 5 26 0, jalr 6 25 0,
        jalr 7 24 0, jalr 8 23 0, jalr 9 22 0, jalr 10 21 0, jalr 11 20 0, jalr 12 19 0,
        jalr 13 18 0, jalr 14 17 0, jalr 15 16 0, jalr 16 15 0, jalr 17 14 0, jalr 18 13 0,
        jalr 19 12 0, jalr 20 11 0, jalr 21 10 0, jalr 22 9 0, jalr 23 8 0, jalr 24 7 0,
        jalr 25 6 0, jalr 26 5 0, jalr 27 4 0, jalr 28 3 0, jalr 29 2 0, jalr 30 1 0, jalr 31 0 0;
    norvc:
        jal 2 8, jal 3 8, jal 4 8, jal 6 8, jal 7 8, jal 8 8, jal 9 8, jal 10 8, jal 11 8,
        jal 12 8, jal 13 8, jal 14 8, jal 15 8, jal 16 8, jal 17 8, jal 18 8, jal 19 8, jal 20 8,
        jal 21 8, jal 22 8, jal 23 8, jal 24 8, jal 25 8, jal 26 8, jal 27 8, jal 28 8, jal 29 8,
        jal 30 8;
    norvc:
        auipc 2 9, auipc 3 9, auipc 4 9, auipc 7 9, auipc 8 9, auipc 9 9, auipc 10 9, auipc 11 9,
        auipc 12 9, auipc 13 9, auipc 14 9, auipc 15 9, auipc 16 9, auipc 17 9, auipc 18 9,
        auipc 19 9, auipc 20 9, auipc 21 9, auipc 22 9, auipc 23 9, auipc 24 9, auipc 25 9,
        auipc 26 9, auipc 27 9, auipc 28 9, auipc 29 9, auipc 30 9;
    norvc:
        nop, ebreak;
    rvc:
        c_nop, c_ebreak;
}

extern "C" {
    #[link_name = "rust_riscv_assembled"]
    static ASSEMBLED: [Assembled; OURS.len()];
}

/// Returns every line with the assembler's output.
pub(crate) fn lines() -> impl Iterator<Item = (&'static Ours, Assembled)> {
    // SAFETY: The assembly above has an entry for each of `OURS`. They are never written.
    let assembled = unsafe { &*core::ptr::addr_of!(ASSEMBLED) };

    OURS.iter().zip(assembled.iter().copied())
}
