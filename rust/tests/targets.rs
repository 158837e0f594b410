// SPDX-License-Identifier: GPL-2.0

//! Functions to patch: each answers 0, and 1 once its first instruction is replaced.

use kernel::ffi::c_ulong;

/// A function that takes nothing and returns a number.
pub(crate) type Function = unsafe extern "C" fn() -> c_ulong;

// `li a0, 0` is `0x00000513`, or `0x4501` where compressed.
core::arch::global_asm!(
    ".option push",
    ".option norvc",
    // One aligned instruction of 4 bytes.
    ".balign 8",
    "rr_target_word:",
    "li a0, 0",
    "ret",
    // One that loads a zero, and will load from a literal. The two loads differ in one parcel, see
    // `LI_1`.
    ".balign 8",
    "rr_target_load_base:",
    "lla t0, rr_target_zero",
    "nop",
    "rr_target_load:",
    "ld a0, 0(t0)",
    "ret",
    // One that does nothing. Half of what replaces it with half of that answers the return address.
    ".balign 8",
    "rr_target_nothing:",
    "li a1, 0",
    "li a0, 0",
    "rr_target_nothing_at:",
    "nop",
    "ret",
    // Many.
    ".balign 8",
    "rr_target_run_many:",
    "rr_target_many:",
    ".rept 4096",
    "nop",
    ".endr",
    "li a0, 0",
    "ret",
    // What is loaded: behind much that can be written between the load and the literal. What the
    // literal holds meanwhile must never be seen.
    ".balign 8",
    "rr_target_zero:",
    ".dword 0",
    "rr_target_literal:",
    ".dword 7",
    // Many pairs of instructions, after an odd one: whatever looks for interrupts after an even
    // number of instructions then finds itself between the two of a pair.
    ".balign 4096",
    "rr_target_pairs:",
    "ld t1, rr_target_rounds",
    "li a0, 0",
    "rr_target_pairs_loop:",
    "nop",
    ".rept 1020",
    "nop",
    ".endr",
    "addi t1, t1, -1",
    "bnez t1, rr_target_pairs_loop",
    "ret",
    ".pushsection .data",
    ".balign 8",
    "rr_target_rounds:",
    ".dword 1",
    ".popsection",
    ".option pop",
);

// Those that begin in the second half of a word.
#[cfg(CONFIG_RISCV_ISA_C)]
core::arch::global_asm!(
    ".option push",
    ".option norvc",
    // One of 4 bytes across two words.
    ".balign 8",
    ".2byte 0x0001",
    "rr_target_unaligned:",
    "li a0, 0",
    "ret",
    // Another of those, for the breakpoint.
    ".balign 8",
    ".2byte 0x0001",
    "rr_target_probed:",
    "li a0, 0",
    "ret",
    // One of 4 bytes across two pages.
    ".balign 4096",
    ".space 4094, 0",
    "rr_target_across:",
    "li a0, 0",
    "ret",
    ".option rvc",
    // One compressed.
    ".balign 8",
    ".2byte 0x0001",
    "rr_target_half:",
    "c.li a0, 0",
    "ret",
    ".option pop",
);

// Without compressed instructions there are only words: the nearest to each of those.
#[cfg(not(CONFIG_RISCV_ISA_C))]
core::arch::global_asm!(
    ".balign 8",
    "nop",
    "rr_target_unaligned:",
    "li a0, 0",
    "ret",
    ".balign 8",
    "nop",
    "rr_target_probed:",
    "li a0, 0",
    "ret",
    // The last word of a page.
    ".balign 4096",
    ".space 4092, 0",
    "rr_target_across:",
    "li a0, 0",
    "ret",
    ".balign 8",
    "nop",
    "rr_target_half:",
    "li a0, 0",
    "ret",
);

extern "C" {
    pub(crate) fn rr_target_word() -> c_ulong;
    pub(crate) fn rr_target_unaligned() -> c_ulong;
    pub(crate) fn rr_target_probed() -> c_ulong;
    pub(crate) fn rr_target_across() -> c_ulong;
    pub(crate) fn rr_target_half() -> c_ulong;
    pub(crate) fn rr_target_nothing() -> c_ulong;
    fn rr_target_nothing_at();
    #[cfg(rust_riscv_text_hooks)]
    pub(crate) fn rr_target_run_many() -> c_ulong;
    #[cfg(rust_riscv_text_hooks)]
    pub(crate) fn rr_target_pairs() -> c_ulong;
    #[cfg(rust_riscv_text_hooks)]
    static rr_target_pairs_loop: u32;
    #[cfg(rust_riscv_text_hooks)]
    static mut rr_target_rounds: u64;
    fn rr_target_load_base() -> c_ulong;
    static rr_target_literal: u64;
    static rr_target_load: u32;
    static rr_target_many: [u32; MANY];
}

/// The number of `nop`s in a row.
pub(crate) const MANY: usize = 4096;

/// What the literal holds while nobody may load it.
pub(crate) const POISON: u64 = 7;
/// What it holds when somebody may.
pub(crate) const ANSWER: u64 = 42;

pub(crate) const LI_0: u32 = 0x0000_0513;
/// Differs from [`LI_0`] in the second parcel only: QEMU before 10.1 fetches each by itself.
pub(crate) const LI_1: u32 = 0x0010_0513;
/// `sltiu a0, zero, 2`, which answers 1 too, and differs from [`LI_0`] in both parcels: its second
/// with the first of [`LI_0`] would answer 2.
pub(crate) const SET_1: u32 = 0x0020_3513;
#[cfg(CONFIG_RISCV_ISA_C)]
pub(crate) const C_LI_0: u16 = 0x4501;
#[cfg(CONFIG_RISCV_ISA_C)]
pub(crate) const C_LI_1: u16 = 0x4505;
/// `ld a0, 0(t0)`.
pub(crate) const LOAD_ZERO: u32 = 0x0002_b503;
/// `lw a0, 0(t0)`: another access than [`LOAD_ZERO`].
pub(crate) const LOAD_WORD: u32 = 0x0002_a503;
/// `ld a0, 8(t0)`: the literal is behind the zero.
pub(crate) const LOAD_LITERAL: u32 = 0x0082_b503;
pub(crate) const NOP: u32 = 0x0000_0013;
/// `ori a0, a1, 1`: its first parcel before zeroes is `mv a0, ra`.
pub(crate) const OR_1: u32 = 0x0015_e513;

/// Where a function is.
pub(crate) fn addr(function: Function) -> usize {
    function as *const () as usize
}

/// The instruction of [`rr_target_nothing`] that does nothing.
pub(crate) fn nothing() -> usize {
    rr_target_nothing_at as *const () as usize
}

/// The function that answers 0, or what is in the literal.
pub(crate) const LOADER: Function = rr_target_load_base;

/// Where the literal is.
pub(crate) fn literal() -> usize {
    core::ptr::addr_of!(rr_target_literal).addr()
}

/// Where the instruction is that loads it.
pub(crate) fn load() -> usize {
    core::ptr::addr_of!(rr_target_load).addr()
}

/// The number of pairs of `nop`s.
#[cfg(rust_riscv_text_hooks)]
pub(crate) const PAIRS: usize = 510;

/// Where the `n`th pair is.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn pair(n: usize) -> usize {
    core::ptr::addr_of!(rr_target_pairs_loop).addr() + 4 + 8 * n
}

/// Has a call run the pairs `rounds` times.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn set_rounds(rounds: u64) {
    // SAFETY: One aligned store; whoever calls the target at the same time runs the one number of
    // rounds or the other.
    unsafe { core::ptr::addr_of_mut!(rr_target_rounds).write_volatile(rounds) };
}

/// Where the `n`th of the many `nop`s is.
pub(crate) fn many(n: usize) -> usize {
    core::ptr::addr_of!(rr_target_many).addr() + 4 * n
}

/// The instruction of 4 bytes that is at `addr`, which is in one of the targets.
pub(crate) fn word_at(addr: usize) -> u32 {
    let text = core::ptr::with_exposed_provenance::<u16>(addr);

    // SAFETY: By the function's only use text of this module, readable and even.
    let (low, high) = unsafe { (text.read_volatile(), text.add(1).read_volatile()) };
    u32::from(low) | u32::from(high) << 16
}
