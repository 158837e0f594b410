// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_kprobes`: an instruction that a kprobe owns is not patched, whether the kprobe
//! is armed or not.

use core::ptr::with_exposed_provenance_mut;

use kernel::{
    bindings::{
        EBUSY,
        EOPNOTSUPP, //
    },
    cpu::CpuId,
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use riscv::{
    compat::errno,
    insn::ALIGN,
    text::{
        edit::{
            Edit,
            Kind,
            Machine, //
        },
        kprobes,
        lock::TextLock, //
    }, //
};

use crate::{
    bindings,
    flip::*,
    hammer::online,
    support::{
        hold,
        is_alone,
        skip,
        Held, //
    },
    targets::*, //
};

/// A registered kprobe at the first instruction of a target, disabled at first. There is one at a
/// time.
struct Registered(());

impl Registered {
    fn new(target: Function) -> Result<Registered> {
        // SAFETY: The place is a target. The probe is unregistered in `drop`.
        to_result(unsafe { bindings::rust_riscv_test_probe_register(place(target)) })?;
        Ok(Registered(()))
    }

    /// Lets kprobes arm or disarm it.
    fn enable(&self, on: bool) -> Result {
        // SAFETY: It is registered.
        to_result(unsafe { bindings::rust_riscv_test_probe_enable(on) })
    }

    /// Runs `f` while the probe, which is disabled, is marked as one of a removed module.
    fn while_gone<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: It is registered and disabled, so kprobes does not look at the mark meanwhile.
        unsafe { bindings::rust_riscv_test_probe_set_gone(true) };
        let result = f();
        // SAFETY: As above.
        unsafe { bindings::rust_riscv_test_probe_set_gone(false) };
        result
    }

    fn hits(&self) -> usize {
        // SAFETY: The helper only reads an atomic.
        unsafe { bindings::rust_riscv_test_probe_hits() as usize }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: It was registered in `new`, or by `Registering`.
        unsafe { bindings::rust_riscv_test_probe_unregister() };
    }
}

/// Another registered kprobe at the first instruction of a target. There is one at a time.
struct Second(());

impl Second {
    fn new(target: Function, enabled: bool) -> Result<Second> {
        // SAFETY: The place is a target. The probe is unregistered in `drop`.
        to_result(unsafe {
            bindings::rust_riscv_test_second_probe_register(place(target), enabled)
        })?;
        Ok(Second(()))
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // SAFETY: It was registered in `new`.
        unsafe { bindings::rust_riscv_test_second_probe_unregister() };
    }
}

fn place(target: Function) -> *mut c_void {
    with_exposed_provenance_mut(addr(target))
}

/// A task that is registering a kprobe, and pauses when it has copied the instruction.
struct Registering {
    pauses: bool,
}

impl Registering {
    /// Returns when the task pauses.
    fn start(target: Function) -> Result<Held<Registering>> {
        // SAFETY: The place is a target. The task is waited for in `finish`, or when this is
        // dropped.
        to_result(unsafe { bindings::rust_riscv_test_probe_register_begin(place(target)) })?;
        hold(Registering { pauses: true })
    }

    /// Lets the task go on. Fails if it did not pause all the time.
    fn finish(&mut self) -> Result<Registered> {
        self.pauses = false;
        // SAFETY: `start` has begun it, and it is ended once.
        to_result(unsafe { bindings::rust_riscv_test_probe_register_end() })?;
        Ok(Registered(()))
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        if self.pauses {
            drop(self.finish());
        }
    }
}

/// How often [`Coming`] registers its kprobe.
const ROUNDS: u32 = 50;

/// What the thread of [`Coming`] has done.
struct Progress {
    rounds: Atomic<u32>,
    failed: Atomic<u32>,
}

/// A thread that registers, enables, disables and unregisters a kprobe, again and again.
struct Coming {
    thread: *mut kernel::bindings::task_struct,
    progress: KBox<Progress>,
}

// SAFETY: Any task may stop the thread. What it shares is atomic.
unsafe impl Send for Coming {}

impl Coming {
    fn start() -> Result<Held<Coming>> {
        let progress = KBox::new(
            Progress {
                rounds: Atomic::new(0),
                failed: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let here = CpuId::current().as_u32();
        let cpu = online().find(|&cpu| cpu != here).ok_or(EINVAL)?;
        let data: *const Progress = &*progress;

        // SAFETY: `progress` outlives the thread, which is stopped before it is freed.
        let thread = unsafe {
            bindings::rust_riscv_test_thread_start(cpu, Some(come_and_go), data.cast_mut().cast())
        };
        if thread.is_null() {
            return Err(ENOMEM);
        }
        hold(Coming { thread, progress })
    }

    fn runs(&self) -> bool {
        self.progress.rounds.load(Relaxed) < ROUNDS && !self.failed()
    }

    fn failed(&self) -> bool {
        self.progress.failed.load(Relaxed) > 0
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // SAFETY: The thread was started by `start`, and is stopped once.
        unsafe { bindings::rust_riscv_test_thread_stop(self.thread) };
    }
}

/// # Safety
///
/// The caller is a kernel thread. `data` points to a [`Progress`] that lives until this returns.
unsafe extern "C" fn come_and_go(data: *mut c_void) -> c_int {
    // SAFETY: `Coming::start` passes its `Progress`, which it frees only after it has stopped the
    // thread.
    let progress = unsafe { &*data.cast::<Progress>() };

    let once = || -> Result {
        let probe = Registered::new(rust_riscv_target_word)?;

        probe.enable(true)?;
        probe.enable(false)
    };
    // SAFETY: This is a kernel thread.
    while !unsafe { bindings::rust_riscv_test_thread_should_stop() } {
        if once().is_err() {
            progress.failed.fetch_add(1, Relaxed);
        }
        progress.rounds.fetch_add(1, Relaxed);
    }
    0
}

#[kunit_tests(rust_riscv_kprobes)]
mod tests {
    use super::*;

    /// Returns the results of the targets that [`patch`] patches.
    fn answers() -> [u64; 2] {
        // SAFETY: Targets may be called anywhere.
        unsafe { [rust_riscv_target_half(), rust_riscv_target_word()].map(|a| a as u64) }
    }

    /// Patches two targets in one batch. If this succeeds, patches them back.
    fn patch() -> Result {
        flip(&[HALF, WORD], true, None)?;
        flip(&[HALF, WORD], false, None).map(|_| ())
    }

    /// Returns whether an edit of `len` bytes at `at` is in text that a kprobe owns.
    fn is_owned(at: usize, len: usize) -> Result<bool> {
        let machine = Machine {
            atomic_fetch: true,
            reruns_accesses: true,
        };
        let bytes = [0; 8];
        let edit = Edit::new(machine, at, &bytes[..len], &bytes[..len], 0, Kind::Literal)
            .map_err(|_| EINVAL)?;

        Ok(TextLock::with(|lock| kprobes::owner(&edit, lock)).is_some())
    }

    #[test]
    fn kprobe_owns_all_bytes_of_its_instruction() -> Result {
        for (target, own) in [(WORD.function, 4), (HALF.function, ALIGN)] {
            let probe = hold(Registered::new(target)?)?;
            let start = addr(target);

            for at in start - 8..=start + 8 {
                for len in [2, 4, 6, 8] {
                    let overlaps = at < start + own && start < at + len;

                    if at % 2 == 0 {
                        assert_eq!(is_owned(at, len)?, overlaps);
                    }
                }
            }
            drop(probe);
            assert!(!is_owned(start, own)?);
        }
        Ok(())
    }

    #[test]
    fn text_with_a_kprobe_is_not_patched() -> Result {
        let probe = hold(Registered::new(rust_riscv_target_word)?)?;

        // Disabled: the old bytes are in the text.
        assert_eq!(patch(), Err(errno(EBUSY)));
        assert_eq!(word_at(addr(rust_riscv_target_word)), LI_0);
        assert_eq!((answers(), probe.hits()), ([0, 0], 0));

        // Armed: the breakpoint stays.
        probe.enable(true)?;
        assert_eq!(patch(), Err(errno(EBUSY)));
        assert_eq!((answers(), probe.hits()), ([0, 0], 1));

        // Disarmed: the probe has written back what it copied.
        probe.enable(false)?;
        assert_eq!(patch(), Err(errno(EBUSY)));
        assert_eq!(word_at(addr(rust_riscv_target_word)), LI_0);
        assert_eq!((answers(), probe.hits()), ([0, 0], 1));

        // A probe on the other one of the two.
        drop(probe);
        let probe = hold(Registered::new(rust_riscv_target_half)?)?;
        assert_eq!(patch(), Err(errno(EBUSY)));
        assert_eq!(answers(), [0, 0]);

        drop(probe);
        flip(&[HALF, WORD], true, None)?;
        assert_eq!(answers(), [1, 1]);
        flip(&[HALF, WORD], false, None)?;
        assert_eq!(answers(), [0, 0]);
        Ok(())
    }

    #[test]
    fn text_with_a_kprobe_that_was_never_disabled_is_not_patched() -> Result {
        let probe = hold(Second::new(rust_riscv_target_word, true)?)?;

        assert!(word_at(addr(rust_riscv_target_word)) != LI_0);
        assert_eq!(patch(), Err(errno(EBUSY)));
        assert_eq!(answers(), [0, 0]);

        drop(probe);
        assert_eq!(word_at(addr(rust_riscv_target_word)), LI_0);
        assert_eq!(patch(), Ok(()));
        Ok(())
    }

    /// The text of a module that was removed can be that of another module later.
    #[test]
    fn kprobe_of_a_removed_module_owns_no_text() -> Result {
        let probe = hold(Registered::new(rust_riscv_target_word)?)?;

        assert_eq!(probe.while_gone(patch), Ok(()));
        assert_eq!(patch(), Err(errno(EBUSY)));
        assert_eq!(answers(), [0, 0]);
        Ok(())
    }

    /// kprobes puts an aggregated kprobe into the place of the first one.
    #[test]
    fn text_with_the_second_of_two_kprobes_is_not_patched() -> Result {
        let text = addr(rust_riscv_target_word);

        for armed in [false, true] {
            let first = hold(Registered::new(rust_riscv_target_word)?)?;
            let second = hold(Second::new(rust_riscv_target_word, armed)?)?;

            assert_eq!(patch(), Err(errno(EBUSY)));
            assert_eq!((word_at(text) != LI_0, answers()), (armed, [0, 0]));

            drop(first);
            assert_eq!(patch(), Err(errno(EBUSY)));
            assert_eq!((word_at(text) != LI_0, answers()), (armed, [0, 0]));

            drop(second);
            assert_eq!(word_at(text), LI_0);
            assert_eq!(patch(), Ok(()));
        }
        Ok(())
    }

    /// A task that has copied the instruction, and has not armed its kprobe yet, is delayed.
    #[test]
    fn instruction_copied_by_a_kprobe_is_not_patched() -> Result {
        if is_alone() {
            return skip("one hart: nobody else registers a kprobe");
        }
        let mut registering = match Registering::start(rust_riscv_target_word) {
            Err(error) if error == errno(EOPNOTSUPP) => {
                return skip("needs dynamic ftrace and CPU hotplug")
            }
            started => started?,
        };
        let result = patch();
        let registered = registering.finish().map(drop);

        assert_eq!(result, Err(errno(EBUSY)));
        assert_eq!(registered, Ok(()));
        assert_eq!(answers(), [0, 0]);
        Ok(())
    }

    /// No edit is undone, and no instruction is half of another, while a kprobe comes and goes.
    #[test]
    fn edits_are_not_lost_while_kprobes_are_registered() -> Result {
        if is_alone() {
            return skip("one hart: nobody else registers a kprobe");
        }
        let coming = Coming::start()?;
        let (mut on, mut edits, mut refused) = (false, 0, 0);
        let mut result = Ok(());

        while coming.runs() && result.is_ok() {
            match flip(&[WORD], !on, None) {
                Ok(_) => {
                    on = !on;
                    edits += 1;
                }
                Err(error) if error == errno(EBUSY) => refused += 1,
                Err(error) => result = Err(error),
            }
        }
        let failed = coming.failed();

        drop(coming);
        if result.is_ok() && on {
            result = flip(&[WORD], false, None).map(|_| ());
        }
        pr_info!("{edits} edits, {refused} refused\n");
        assert_eq!(result, Ok(()));
        assert!(!failed);
        assert!(edits > 0 && refused > 0);
        assert_eq!(word_at(addr(rust_riscv_target_word)), LI_0);
        Ok(())
    }
}
