// SPDX-License-Identifier: GPL-2.0

//! Tests of the emulator. The expected results are from the manual, Volume I, "RV64I" and "C".

use crate::insn::emulate::{
    can_run,
    may_reenter,
    run,
    Registers, //
};
use crate::insn::Reg;

struct File([u64; 32]);

impl Registers for File {
    fn get(&self, reg: Reg) -> u64 {
        self.0[reg.number() as usize]
    }

    fn set(&mut self, reg: Reg, value: u64) {
        if reg != Reg::ZERO {
            self.0[reg.number() as usize] = value;
        }
    }
}

/// Every register holds its number times 0x100, so `x0` holds 0.
fn file() -> File {
    File(core::array::from_fn(|n| n as u64 * 0x100))
}

fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

const NOP: u32 = 0x0000_0013;
const PC: u64 = 0xffff_ffff_8000_1000;

#[test]
fn nops_leave_the_registers_unchanged() {
    let mut regs = file();

    assert_eq!(run(pair(NOP, NOP), 8, PC, &mut regs), Some(PC + 8));
    assert_eq!(regs.0, file().0);
    // c.nop four times
    assert_eq!(run(0x0001_0001_0001_0001, 8, PC, &mut regs), Some(PC + 8));
    assert_eq!(regs.0, file().0);
}

#[test]
fn call_through_t0() {
    let mut regs = file();

    // auipc t0, 0x12; jalr t0, -4(t0)
    assert_eq!(
        run(pair(0x0001_2297, 0xffc2_82e7), 8, PC, &mut regs),
        Some(PC + 0x12000 - 4)
    );
    // The link address, not the target.
    assert_eq!(regs.0[5], PC + 8);
    assert_eq!(regs.0[1], 0x100);
}

#[test]
fn jump_skips_the_following_instructions() {
    let mut regs = file();

    // jal zero, 16; li a0, 1
    assert_eq!(
        run(pair(0x0100_006f, 0x0010_0513), 8, PC, &mut regs),
        Some(PC + 16)
    );
    assert_eq!(regs.0[10], 0xa00);
    assert_eq!(regs.0[0], 0);
    // jal ra, -16
    assert_eq!(run(0xff1f_f0ef, 4, PC, &mut regs), Some(PC - 16));
    assert_eq!(regs.0[1], PC + 4);
}

#[test]
fn jalr_clears_bit_0_of_the_target() {
    let mut regs = file();

    // jalr zero, 3(a0)
    assert_eq!(run(0x0035_0067, 4, PC, &mut regs), Some(0xa02));
}

#[test]
fn lui_and_addi() {
    let mut regs = file();

    // lui a0, 0x80000; addiw a0, a0, -1
    assert_eq!(
        run(pair(0x8000_0537, 0xfff5_051b), 8, PC, &mut regs),
        Some(PC + 8)
    );
    assert_eq!(regs.0[10], 0x7fff_ffff);
    // addiw a0, zero, -1
    run(0xfff0_051b, 4, PC, &mut regs);
    assert_eq!(regs.0[10], u64::MAX);
    // lui a0, 0x80000 alone is sign-extended
    run(0x8000_0537, 4, PC, &mut regs);
    assert_eq!(regs.0[10], 0xffff_ffff_8000_0000);
    // addi a0, a1, -2048
    run(0x8005_8513, 4, PC, &mut regs);
    assert_eq!(regs.0[10], 0xb00 - 2048);
    // addi zero, a1, 1
    run(0x0015_8013, 4, PC, &mut regs);
    assert_eq!(regs.0[0], 0);
}

#[test]
fn compressed_instructions() {
    let mut regs = file();

    // c.li a0, -1; c.addi a0, 16
    assert_eq!(run(0x0541_557d, 4, PC, &mut regs), Some(PC + 4));
    assert_eq!(regs.0[10], 15);
    // c.mv a0, a1
    run(0x852e, 2, PC, &mut regs);
    assert_eq!(regs.0[10], 0xb00);
    // c.jr t0, and c.jalr t0
    assert_eq!(run(0x8282, 2, PC, &mut regs), Some(0x500));
    assert_eq!(run(0x9282, 2, PC, &mut regs), Some(0x500));
    assert_eq!(regs.0[1], PC + 2);
}

#[test]
fn can_run_refuses_unsupported_instructions() {
    assert!(can_run(pair(NOP, NOP), 8));
    // A load, a store, a branch, an ebreak, c.ebreak, c.ld, c.add, c.beqz.
    for word in [0x0005_3503, 0x00a5_3023, 0x0005_0463, 0x0010_0073] {
        assert!(!can_run(pair(NOP, word), 8), "{word:#x}");
    }
    for half in [0x9002, 0x6108, 0x952e, 0xc101] {
        assert!(!can_run(half, 2), "{half:#x}");
    }
    // Half an instruction at the end.
    assert!(!can_run(u64::from(NOP) << 16 | 0x0001, 4));
    assert!(can_run(u64::from(NOP) << 16 | 0x0001, 6));
}

#[test]
fn may_reenter_finds_calls_and_jumps_into_the_edit() {
    // jal ra, 16; jalr t0, -4(t0); jalr zero, 0(ra); c.jalr t0; c.jr t0
    let (jal, jalr, ret) = (0x0100_00ef, 0xffc2_82e7, 0x0000_8067);
    let (c_jalr, c_jr) = (0x9282, 0x8282);

    // A call that is not the last instruction, with any link register.
    assert!(may_reenter(pair(jal, NOP), 8));
    assert!(may_reenter(pair(jalr, NOP), 8));
    assert!(may_reenter(0x0001 << 16 | c_jalr, 4));
    assert!(may_reenter(u64::from(NOP) << 16 | c_jalr, 6));
    assert!(may_reenter(pair(jal, jal), 8));
    // A call that is the last instruction, or no call.
    for last in [jal, jalr, ret, NOP] {
        assert!(!may_reenter(pair(NOP, last), 8), "{last:#x}");
        assert!(!may_reenter(u64::from(last), 4), "{last:#x}");
    }
    assert!(!may_reenter(pair(ret, NOP), 8));
    assert!(!may_reenter(c_jalr << 16 | 0x0001, 4));
    assert!(!may_reenter(0x0001 << 16 | c_jr, 4));
    // jal zero, from the first instruction to the second; from the second to the first; from the
    // first to the end of the edit.
    assert!(may_reenter(pair(0x0040_006f, NOP), 8));
    assert!(!may_reenter(pair(NOP, 0xffdf_f06f), 8));
    assert!(!may_reenter(pair(0x0080_006f, NOP), 8));
    // jal zero, 6: in the middle of the second.
    assert!(may_reenter(pair(0x0060_006f, NOP), 8));
    // jal zero, -2 at 4 of 8.
    assert!(may_reenter(pair(NOP, 0xffff_f06f), 8));
}
