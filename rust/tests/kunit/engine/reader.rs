// SPDX-License-Identifier: GPL-2.0

//! Readers: harts that run a function, are told that it was patched, and run it again, without
//! doing anything in between that discards the instructions that they have fetched.
//!
//! Spike keeps decoded instructions until a hart takes a trap, in a direct-mapped cache in which
//! instructions whose addresses differ by a multiple of 2 KiB evict each other. So a reader only
//! calls its target, which is in the same 2 KiB, and polls a word in memory. Interrupts are on,
//! since some flushes wait until the hart has taken one.
//!
//! A waiting reader runs its target once before it is patched. It does not detect a missing flush
//! if there is another flush before the text is written, since that one discards the target. A
//! spinning reader runs its target all the time, and does detect it.

use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicU32,
        AtomicU64,
        Ordering, //
    }, //
};

use kernel::{
    cpu::CpuId,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*, //
};

use riscv::insn::ALIGN;

use crate::{
    bindings,
    hammer::online,
    module_parameters,
    support::{
        hold,
        Held, //
    },
    targets::{
        Function,
        LI_0,
        LI_1, //
    }, //
};

/// What a reader and the test share. The assembly below depends on its layout.
#[repr(C)]
struct Turn {
    target: Function,
    /// The number of the turn in which the target may be run again.
    go: AtomicU32,
    /// The number of the turn in which the target has been run for the first time.
    ready: AtomicU32,
    /// The number of the turn in which it has been run again.
    done: AtomicU32,
    stop: AtomicU32,
    /// What the target returned the first and the second time.
    before: AtomicU64,
    after: AtomicU64,
    /// For a spinning reader: the valid results, an invalid one that was seen, and the number of
    /// calls. A result must be one that was valid before the call or is valid after it.
    answers: [AtomicU64; 2],
    wrong: AtomicU64,
    calls: AtomicU64,
}

core::arch::global_asm!(
    ".option push",
    ".option norvc",
    ".balign 2048",
    // Takes one turn: `a0` is the `Turn`, `a1` its number.
    "rust_riscv_reader_turn:",
    "addi sp, sp, -48",
    "sd ra, 32(sp)",
    "sd s3, 24(sp)",
    "sd s0, 16(sp)",
    "sd s1, 8(sp)",
    "sd s2, 0(sp)",
    "mv s0, a0",
    "mv s2, a1",
    "ld s1, 0(s0)",
    "jalr s1",
    "sd a0, 24(s0)",
    "fence rw, w",
    "sw s2, 12(s0)",
    "1: lw t0, 20(s0)",
    "bnez t0, rust_riscv_reader_return",
    "lw t0, 8(s0)",
    "bne t0, s2, 1b",
    "fence r, rw",
    "jalr s1",
    "sd a0, 32(s0)",
    "fence rw, w",
    "sw s2, 16(s0)",
    "j rust_riscv_reader_return",
    // Spins until it is stopped.
    "rust_riscv_reader_spin:",
    "addi sp, sp, -48",
    "sd ra, 32(sp)",
    "sd s3, 24(sp)",
    "sd s0, 16(sp)",
    "sd s1, 8(sp)",
    "sd s2, 0(sp)",
    "mv s0, a0",
    "ld s1, 0(s0)",
    "2: ld s2, 40(s0)",
    "ld s3, 48(s0)",
    "fence r, rw",
    "jalr s1",
    "beq a0, s2, 3f",
    "beq a0, s3, 3f",
    "ld t0, 40(s0)",
    "beq a0, t0, 3f",
    "ld t0, 48(s0)",
    "beq a0, t0, 3f",
    "sd a0, 56(s0)",
    "3: ld t0, 64(s0)",
    "addi t0, t0, 1",
    "fence rw, w",
    "sd t0, 64(s0)",
    "lw t0, 20(s0)",
    "beqz t0, 2b",
    "rust_riscv_reader_return:",
    "ld ra, 32(sp)",
    "ld s3, 24(sp)",
    "ld s0, 16(sp)",
    "ld s1, 8(sp)",
    "ld s2, 0(sp)",
    "addi sp, sp, 48",
    "ret",
    // The targets. An aligned instruction of 4 bytes.
    ".balign 8",
    "rust_riscv_read_word:",
    "li a0, 0",
    "ret",
    // A load of a zero, to be replaced by a load of the literal after it.
    ".balign 8",
    "rust_riscv_read_loader:",
    "lla t0, rust_riscv_read_zero",
    "nop",
    "rust_riscv_read_load:",
    "ld a0, 0(t0)",
    "ret",
    ".balign 8",
    "rust_riscv_read_zero:",
    ".dword 0",
    "rust_riscv_read_literal:",
    ".dword 7",
    // An instruction of 2 bytes, if there are compressed ones, and 8 equal bytes.
    ".balign 8",
    ".if {align} == 2",
    ".option rvc",
    "rust_riscv_read_half:",
    "c.li a0, 0",
    "c.jr ra",
    // With 0x01 they are `c.addi sp, 0`, with 0x05 `c.addi a0, 1`.
    ".balign 8",
    "rust_riscv_read_bytes:",
    "c.li a0, 0",
    "c.nop",
    "c.nop",
    "c.nop",
    "rust_riscv_read_filled:",
    ".fill 8, 1, 1",
    "c.jr ra",
    ".option norvc",
    ".else",
    "rust_riscv_read_half:",
    "li a0, 0",
    "ret",
    // With 0xb7 they are `lui a5, 0xb7b7b`, with 0x37 `lui a4, 0x37373`.
    ".balign 8",
    "rust_riscv_read_bytes:",
    "li a4, 0",
    "nop",
    "rust_riscv_read_filled:",
    ".fill 8, 1, 0xb7",
    "snez a0, a4",
    "ret",
    ".endif",
    // Functions that are spread out, so that a few hundred bytes of other code cannot evict all.
    ".balign 2048",
    "rust_riscv_read_spread:",
    ".rept 8",
    "li a0, 0",
    "ret",
    ".balign 256",
    ".endr",
    ".option pop",
    align = const ALIGN,
);

extern "C" {
    fn rust_riscv_reader_turn(turn: *const Turn, number: u32);
    fn rust_riscv_reader_spin(turn: *const Turn);
    pub(crate) fn rust_riscv_read_word() -> c_ulong;
    pub(crate) fn rust_riscv_read_half() -> c_ulong;
    #[cfg(rust_riscv_text_hooks)]
    pub(crate) fn rust_riscv_read_bytes() -> c_ulong;
    pub(crate) fn rust_riscv_read_loader() -> c_ulong;
    #[cfg(rust_riscv_text_hooks)]
    static rust_riscv_read_filled: u64;
    static rust_riscv_read_spread: u32;
    static rust_riscv_read_literal: u64;
    static rust_riscv_read_load: u32;
}

/// The equal bytes of `rust_riscv_read_bytes`, and what it returns with them.
#[cfg(rust_riscv_text_hooks)]
pub(crate) const FILLED: [(u8, u64); 2] = if ALIGN == 2 {
    [(1, 0), (5, 4)]
} else {
    [(0xb7, 0), (0x37, 1)]
};

/// Returns the address of the equal bytes.
#[cfg(rust_riscv_text_hooks)]
pub(crate) fn read_filled() -> usize {
    core::ptr::addr_of!(rust_riscv_read_filled).addr()
}

/// The first instruction of `rust_riscv_read_word` if it returns 0, and if it returns 1.
pub(crate) const WORDS: [[u8; 4]; 2] = [LI_0.to_le_bytes(), LI_1.to_le_bytes()];

/// The number of spread functions, which are 256 bytes apart.
pub(crate) const SPREAD: usize = 8;

/// Returns the address of the `n`th spread function.
#[inline(always)]
pub(crate) fn read_spread(n: usize) -> usize {
    core::ptr::addr_of!(rust_riscv_read_spread).addr() + 256 * n
}

/// Returns the address of the literal.
pub(crate) fn read_literal() -> usize {
    core::ptr::addr_of!(rust_riscv_read_literal).addr()
}

/// Returns the address of the instruction that loads it.
pub(crate) fn read_load() -> usize {
    core::ptr::addr_of!(rust_riscv_read_load).addr()
}

/// A reader's thread, and what it shares with the test.
struct Reader {
    turn: NonNull<Turn>,
    task: *mut kernel::bindings::task_struct,
}

/// Readers on all CPUs except this one. They are stopped when this is dropped or the test has
/// ended.
pub(crate) struct Readers {
    readers: KVec<Reader>,
    /// The number of the turn that all readers are in.
    turn: u32,
}

// SAFETY: Any task may stop the threads. What they share is atomic, or is not changed.
unsafe impl Send for Readers {}

type Thread = unsafe extern "C" fn(*mut c_void) -> c_int;

impl Readers {
    fn start(target: Function, answers: [u64; 2], thread: Thread) -> Result<Held<Readers>> {
        let here = CpuId::current().as_u32();
        // On an error, dropping this stops the threads that run already.
        let mut readers = hold(Readers {
            readers: KVec::new(),
            turn: 0,
        })?;

        for cpu in online().filter(|&cpu| cpu != here) {
            readers.readers.reserve(1, GFP_KERNEL)?;
            let turn = KBox::into_raw(KBox::new(
                Turn {
                    target,
                    go: AtomicU32::new(0),
                    ready: AtomicU32::new(0),
                    done: AtomicU32::new(0),
                    stop: AtomicU32::new(0),
                    before: AtomicU64::new(0),
                    after: AtomicU64::new(0),
                    answers: answers.map(AtomicU64::new),
                    wrong: AtomicU64::new(0),
                    calls: AtomicU64::new(0),
                },
                GFP_KERNEL,
            )?);
            // SAFETY: The thread is stopped before `turn` is freed, both in `drop`.
            let task =
                unsafe { bindings::rust_riscv_test_thread_start(cpu, Some(thread), turn.cast()) };
            let reader = Reader {
                // SAFETY: A pointer from `KBox::into_raw` is not null.
                turn: unsafe { NonNull::new_unchecked(turn) },
                task,
            };

            // Room was reserved above.
            readers.readers.push(reader, GFP_KERNEL)?;
            if task.is_null() {
                return Err(ENOMEM);
            }
        }
        Ok(readers)
    }

    fn turns(&self) -> impl Iterator<Item = &Turn> {
        // SAFETY: A `turn` is freed in `drop` only. The threads that share it only change atomics.
        self.readers
            .iter()
            .map(|reader| unsafe { reader.turn.as_ref() })
    }

    /// Waits until `done` is `number` for all readers.
    fn wait(&self, number: u32, done: impl Fn(&Turn) -> &AtomicU32) {
        for turn in self.turns() {
            while done(turn).load(Ordering::Acquire) != number {
                relax();
            }
        }
    }

    /// Starts waiting readers, which run `target` twice in each turn.
    pub(crate) fn waiting(target: Function) -> Result<Held<Readers>> {
        Readers::start(target, [0; 2], take_turns)
    }

    /// Starts spinning readers, whose `target` may return either of `answers`.
    pub(crate) fn spinning(target: Function, answers: [u64; 2]) -> Result<Held<Readers>> {
        let readers = Readers::start(target, answers, spin)?;

        readers.wait_for_calls();
        Ok(readers)
    }

    /// Waits until all spinning readers have called their target after this function was called.
    fn wait_for_calls(&self) {
        for turn in self.turns() {
            let before = turn.calls.load(Ordering::Acquire);

            // The first call may have begun earlier.
            while turn.calls.load(Ordering::Acquire) < before + 2 {
                relax();
            }
        }
    }

    /// Calls `patch`, after which the target of spinning readers returns `after` instead of
    /// `before`. As soon as `patch` has returned, only `after` is valid.
    ///
    /// Returns whether all results were valid.
    pub(crate) fn follow(
        &self,
        before: u64,
        after: u64,
        patch: impl FnOnce() -> Result,
    ) -> Result<bool> {
        self.right([before, before]);
        self.wait_for_calls();
        self.right([before, after]);
        let patched = patch();

        self.right([after, after]);
        self.wait_for_calls();
        patched?;
        Ok(self.wrong().is_none())
    }

    fn right(&self, answers: [u64; 2]) {
        for turn in self.turns() {
            for (right, answer) in turn.answers.iter().zip(answers) {
                right.store(answer, Ordering::Release);
            }
        }
    }

    /// Calls `patch` when all waiting readers have run their target, then has them run it again.
    ///
    /// Returns whether all targets returned `before` and then `after`.
    pub(crate) fn see(
        &mut self,
        before: u64,
        after: u64,
        patch: impl FnOnce() -> Result,
    ) -> Result<bool> {
        self.turn += 1;
        let number = self.turn;

        self.wait(number, |turn| &turn.ready);
        // Read now, since readers begin the next turn as soon as they have run the target again.
        let began = self.answered(before, |turn| &turn.before);
        let patched = patch();

        for turn in self.turns() {
            turn.go.store(number, Ordering::Release);
        }
        self.wait(number, |turn| &turn.done);
        patched?;
        Ok(self.answered(after, |turn| &turn.after) && began)
    }

    fn answered(&self, expected: u64, answer: impl Fn(&Turn) -> &AtomicU64) -> bool {
        self.turns().all(|turn| {
            let answer = answer(turn).load(Ordering::Relaxed);

            if answer != expected {
                pr_info!("{answer} instead of {expected}\n");
            }
            answer == expected
        })
    }

    /// Returns the number of readers.
    pub(crate) fn count(&self) -> usize {
        self.readers.len()
    }

    /// Returns an invalid result that a spinning reader saw, if there was one.
    pub(crate) fn wrong(&self) -> Option<u64> {
        self.turns()
            .map(|turn| turn.wrong.load(Ordering::Relaxed))
            .find(|&wrong| wrong != 0)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for turn in self.turns() {
            turn.stop.store(1, Ordering::Relaxed);
        }
        while let Some(reader) = self.readers.pop() {
            // SAFETY: The thread was started by us, is stopped once, and is the only one that uses
            // `turn`, which comes from `KBox::into_raw`.
            unsafe {
                if !reader.task.is_null() {
                    bindings::rust_riscv_test_thread_stop(reader.task);
                }
                drop(KBox::from_raw(reader.turn.as_ptr()));
            }
        }
    }
}

fn relax() {
    // SAFETY: `cpu_relax()` may be called in any context.
    unsafe { kernel::bindings::cpu_relax() };
}

/// Patches `target` repeatedly, so that it returns `answers[1]` and then `answers[0]` again, which
/// it returns at first. `patch` is passed the index of the next result. Returns whether all waiting
/// readers saw each change.
pub(crate) fn seen_each_time(
    target: Function,
    answers: [u64; 2],
    patch: impl Fn(usize) -> Result,
) -> Result<bool> {
    let mut readers = Readers::waiting(target)?;
    let mut seen = true;

    for (from, to) in turns() {
        seen &= readers.see(answers[from], answers[to], || patch(to))?;
    }
    Ok(seen)
}

/// Like [`seen_each_time`], with spinning readers.
pub(crate) fn followed_each_time(
    target: Function,
    answers: [u64; 2],
    patch: impl Fn(usize) -> Result,
) -> Result<bool> {
    let readers = Readers::spinning(target, [answers[0]; 2])?;
    let mut seen = true;

    for (from, to) in turns() {
        seen &= readers.follow(answers[from], answers[to], || patch(to))?;
    }
    Ok(seen)
}

/// The indices of the results before and after each patch. Their number is even, so that targets
/// are restored.
pub(crate) fn turns() -> impl Iterator<Item = (usize, usize)> {
    (0..rounds().next_multiple_of(2) as usize).map(|n| (n % 2, (n + 1) % 2))
}

pub(crate) fn rounds() -> u32 {
    riscv::compat::parameter(module_parameters::flush_rounds.value())
}

/// Takes turns until it is stopped.
///
/// # Safety
///
/// The caller is a kernel thread. `data` points to a [`Turn`] that lives until this returns.
unsafe extern "C" fn take_turns(data: *mut c_void) -> c_int {
    let turn = data.cast::<Turn>();

    for number in 1.. {
        // SAFETY: By this function's requirements, `turn` is valid. The target takes no arguments.
        unsafe {
            if (*turn).stop.load(Ordering::Relaxed) != 0 {
                break;
            }
            rust_riscv_reader_turn(turn, number);
        }
    }
    0
}

/// Runs the target until it is stopped.
///
/// # Safety
///
/// Those of [`take_turns`].
unsafe extern "C" fn spin(data: *mut c_void) -> c_int {
    // SAFETY: By this function's requirements, `data` is valid. The target takes no arguments.
    unsafe { rust_riscv_reader_spin(data.cast()) };
    0
}
