// SPDX-License-Identifier: GPL-2.0

//! Functions to patch. Most return 0, and 1 if their first instruction has been replaced.
//!
//! Without compressed instructions all instructions are aligned words. The functions whose
//! instruction would be at another place, or shorter, have the nearest word instead.

use kernel::ffi::c_ulong;

use riscv::insn::ALIGN;

/// A function without arguments that returns a number.
pub(crate) type Function = unsafe extern "C" fn() -> c_ulong;

// `li a0, 0` is `0x00000513`; compressed it is `0x4501`.
core::arch::global_asm!(
    ".option push",
    ".option norvc",
    // An aligned instruction of 4 bytes.
    ".balign 8",
    "rust_riscv_target_word:",
    "li a0, 0",
    "ret",
    // An instruction of 4 bytes across two words.
    ".balign 8",
    ".space {align}, 0",
    "rust_riscv_target_unaligned:",
    "li a0, 0",
    "ret",
    // Another one, for the breakpoint.
    ".balign 8",
    ".space {align}, 0",
    "rust_riscv_target_probed:",
    "li a0, 0",
    "ret",
    // An instruction of 4 bytes across two pages.
    ".balign 4096",
    ".space 4096 - {align}, 0",
    "rust_riscv_target_across:",
    "li a0, 0",
    "ret",
    // A load of a zero, to be replaced by a load of the literal. The two differ in one parcel only,
    // see `LI_1`.
    ".balign 8",
    "rust_riscv_target_load_base:",
    "lla t0, rust_riscv_target_zero",
    "nop",
    "rust_riscv_target_load:",
    "ld a0, 0(t0)",
    "ret",
    // A `nop`. If a parcel of it is combined with a parcel of `OR_1`, which replaces it, the
    // function returns its return address.
    ".balign 8",
    "rust_riscv_target_nothing:",
    "li a1, 0",
    "li a0, 0",
    "rust_riscv_target_nothing_at:",
    "nop",
    "ret",
    // Many `nop`s.
    ".balign 8",
    "rust_riscv_target_run_many:",
    "rust_riscv_target_many:",
    ".rept 4096",
    "nop",
    ".endr",
    "li a0, 0",
    "ret",
    // The zero and the literal. The many `nop`s are between them and the load, and can be patched
    // in the same batch. The initial value of the literal must never be returned.
    ".balign 8",
    "rust_riscv_target_zero:",
    ".dword 0",
    "rust_riscv_target_literal:",
    ".dword 7",
    // Many pairs of instructions after a single one, so that a simulator that checks for interrupts
    // after an even number of instructions interrupts between the two instructions of a pair.
    ".balign 4096",
    "rust_riscv_target_pairs:",
    "ld t1, rust_riscv_target_rounds",
    "li a0, 0",
    "rust_riscv_target_pairs_loop:",
    "nop",
    ".rept 1020",
    "nop",
    ".endr",
    "addi t1, t1, -1",
    "bnez t1, rust_riscv_target_pairs_loop",
    "ret",
    ".pushsection .data",
    ".balign 8",
    "rust_riscv_target_rounds:",
    ".dword 1",
    ".popsection",
    // A compressed instruction in the second half of a word.
    ".balign 8",
    ".space {align}, 0",
    ".if {align} == 2",
    ".option rvc",
    ".endif",
    "rust_riscv_target_half:",
    "li a0, 0",
    "ret",
    ".option pop",
    align = const ALIGN,
);

extern "C" {
    pub(crate) fn rust_riscv_target_word() -> c_ulong;
    pub(crate) fn rust_riscv_target_unaligned() -> c_ulong;
    pub(crate) fn rust_riscv_target_probed() -> c_ulong;
    pub(crate) fn rust_riscv_target_across() -> c_ulong;
    pub(crate) fn rust_riscv_target_half() -> c_ulong;
    pub(crate) fn rust_riscv_target_nothing() -> c_ulong;
    fn rust_riscv_target_nothing_at();
    #[cfg(rust_riscv_text_hooks)]
    pub(crate) fn rust_riscv_target_run_many() -> c_ulong;
    #[cfg(rust_riscv_text_hooks)]
    pub(crate) fn rust_riscv_target_pairs() -> c_ulong;
    #[cfg(rust_riscv_text_hooks)]
    static rust_riscv_target_pairs_loop: u32;
    #[cfg(rust_riscv_text_hooks)]
    static mut rust_riscv_target_rounds: u64;
    fn rust_riscv_target_load_base() -> c_ulong;
    static rust_riscv_target_literal: u64;
    static rust_riscv_target_load: u32;
    static rust_riscv_target_many: [u32; MANY];
}

/// The number of `nop`s in a row.
pub(crate) const MANY: usize = 4096;
/// What replaces them: an instruction that can be written while other harts execute the `nop`, on
/// any hart. Without compressed instructions that can only be one of which one parcel differs.
pub(crate) const MANY_NEW: u32 = if ALIGN == 2 { LI_1 } else { NOP_1 };
/// An instruction that is not there, and that could be replaced in the same way.
pub(crate) const MANY_WRONG: u32 = MANY_NEW ^ 0x0030_0000;

/// The value of the literal while no hart may load it.
pub(crate) const POISON: u64 = 7;
/// The value of the literal when harts may load it.
pub(crate) const ANSWER: u64 = 42;

pub(crate) const LI_0: u32 = 0x0000_0513;
/// Differs from [`LI_0`] in the second parcel only, since QEMU before 10.1 fetches parcels
/// separately.
pub(crate) const LI_1: u32 = 0x0010_0513;
/// `sltiu a0, zero, 2`, which also returns 1, and differs from [`LI_0`] in both parcels. Its second
/// parcel with the first of [`LI_0`] would return 2.
pub(crate) const SET_1: u32 = 0x0020_3513;
/// The shortest instructions that return 0 and 1: `c.li`, if there are compressed instructions.
pub(crate) const SHORT_LI: [u32; 2] = if ALIGN == 2 {
    [0x4501, 0x4505]
} else {
    [LI_0, LI_1]
};
/// `ld a0, 0(t0)`.
pub(crate) const LOAD_ZERO: u32 = 0x0002_b503;
/// `lw a0, 0(t0)`, another access than [`LOAD_ZERO`].
pub(crate) const LOAD_WORD: u32 = 0x0002_a503;
/// `ld a0, 8(t0)`: the literal follows the zero.
pub(crate) const LOAD_LITERAL: u32 = 0x0082_b503;
pub(crate) const NOP: u32 = 0x0000_0013;
/// `addi zero, zero, 1`, which is a no-op, too. Differs from [`NOP`] in the second parcel only.
pub(crate) const NOP_1: u32 = 0x0010_0013;
/// `ori a0, a1, 1`. Its first parcel, followed by zeroes, is `mv a0, ra`.
pub(crate) const OR_1: u32 = 0x0015_e513;

/// Returns the address of a function.
pub(crate) fn addr(function: Function) -> usize {
    function as *const () as usize
}

/// Returns the address of the `nop` in [`rust_riscv_target_nothing`].
pub(crate) fn nothing() -> usize {
    rust_riscv_target_nothing_at as *const () as usize
}

/// The function that returns 0, or the value of the literal.
pub(crate) const LOADER: Function = rust_riscv_target_load_base;

/// Returns the address of the literal.
pub(crate) fn literal() -> usize {
    core::ptr::addr_of!(rust_riscv_target_literal).addr()
}

/// Returns the address of the instruction that loads it.
pub(crate) fn load() -> usize {
    core::ptr::addr_of!(rust_riscv_target_load).addr()
}

/// The number of pairs of `nop`s.
#[cfg(rust_riscv_text_hooks)]
pub(crate) const PAIRS: usize = 510;

/// Returns the address of the `n`th pair.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn pair(n: usize) -> usize {
    core::ptr::addr_of!(rust_riscv_target_pairs_loop).addr() + 4 + 8 * n
}

/// Sets how often a call runs the pairs.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn set_rounds(rounds: u64) {
    // SAFETY: One aligned store. A concurrent call of the target loads the old or the new number.
    unsafe { core::ptr::addr_of_mut!(rust_riscv_target_rounds).write_volatile(rounds) };
}

/// Returns the address of the `n`th of the many `nop`s.
pub(crate) fn many(n: usize) -> usize {
    core::ptr::addr_of!(rust_riscv_target_many).addr() + 4 * n
}

/// Reads the instruction of 4 bytes at `addr`, which is in one of the targets.
pub(crate) fn word_at(addr: usize) -> u32 {
    let text = core::ptr::with_exposed_provenance::<u16>(addr);

    // SAFETY: Callers only pass even addresses in the text of this module, which is readable.
    let (low, high) = unsafe { (text.read_volatile(), text.add(1).read_volatile()) };
    u32::from(low) | u32::from(high) << 16
}
