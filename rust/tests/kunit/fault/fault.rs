// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_fault`: the decision, on VMAs of an address space of the test's own.

use kernel::{
    bindings::VM_SHADOW_STACK,
    error::to_result,
    mm::MmWithUser,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use riscv::{
    current,
    fault::{
        access::{
            Cause,
            Verdict, //
        },
        stage::{
            End,
            Fault,
            Judged, //
        }, //
    },
    thread::pair, //
};

use crate::{
    bindings::{
        self,
        MAP_ANONYMOUS,
        MAP_FIXED,
        MAP_GROWSDOWN,
        PROT_EXEC,
        PROT_READ,
        PROT_WRITE, //
    },
    space::*, //
};

#[kunit_tests(rust_riscv_fault)]
mod tests {
    use super::*;

    const NONE: u32 = 0;
    const R: u32 = PROT_READ;
    const W: u32 = PROT_WRITE;
    const X: u32 = PROT_EXEC;

    /// What a mapping with these permissions allows: a fetch, a load, a store.
    ///
    /// From the privileged specification (exceptions 12, 13 and 15; a page that can be written and
    /// not read is reserved) and from `mmap(2)`.
    const ALLOWED: [(u32, bool, bool, bool); 8] = [
        (NONE, false, false, false),
        (R, false, true, false),
        (W, false, true, true),
        (R | W, false, true, true),
        (X, true, false, false),
        (R | X, true, true, false),
        (W | X, true, true, true),
        (R | W | X, true, true, true),
    ];

    /// How often a test that looks for races does what it does.
    const ROUNDS: usize = 2000;

    /// This kernel thread's own address space, from now on.
    fn address_space() -> Result<&'static MmWithUser> {
        // SAFETY: A kernel thread of KUnit's, which has no address space; it keeps this until it
        // ends, which is after the test.
        unsafe {
            to_result(bindings::rust_riscv_test_attach_mm())?;
            Ok(MmWithUser::from_raw(bindings::rust_riscv_test_mm()))
        }
    }

    fn map(addr: usize, pages: usize, prot: u32, flags: u32) -> Result {
        // SAFETY: Nothing but the test uses this address space.
        let at = unsafe {
            bindings::rust_riscv_test_mmap(
                addr,
                pages * PAGE,
                prot as usize,
                (flags | MAP_ANONYMOUS | MAP_FIXED) as usize,
            )
        };
        if at == addr {
            Ok(())
        } else {
            Err(ENOMEM)
        }
    }

    fn protect(addr: usize, pages: usize, prot: u32) -> Result {
        // SAFETY: As above.
        to_result(unsafe { bindings::rust_riscv_test_mprotect(addr, pages * PAGE, prot as usize) })
    }

    fn unmap(addr: usize, pages: usize) -> Result {
        // SAFETY: As above.
        to_result(unsafe { bindings::rust_riscv_test_munmap(addr, pages * PAGE) })
    }

    /// How many hold the VMA's lock; -1 without a VMA.
    fn readers(addr: usize) -> i32 {
        // SAFETY: This thread has an address space.
        unsafe { bindings::rust_riscv_test_vma_readers(addr) }
    }

    fn locks_held() -> i32 {
        // SAFETY: `lockdep_depth()` only reads a field of the current task.
        unsafe { bindings::rust_riscv_test_locks_held() }
    }

    /// What the VMA at an address says to an access: `None` without one, or if it cannot be locked.
    fn allows(mm: &MmWithUser, cause: usize, addr: usize) -> Option<bool> {
        // SAFETY: No page is provided for it.
        let fault = unsafe { Fault::new(mm, addr, Cause::from_scause(cause)?) };
        let locked = fault.lock().ok()?;

        Some(match locked.judge() {
            Judged::Allowed(allowed) => matches!(allowed.keep().into_end(), End::CarryOn(_)),
            Judged::Forbidden(forbidden) => {
                let _ = forbidden.unlock();
                false
            }
        })
    }

    /// What three accesses are told: a fetch, a load, a store.
    fn answers(mm: &MmWithUser, addr: usize) -> [Option<bool>; 3] {
        [FETCH, LOAD, STORE].map(|cause| allows(mm, cause, addr))
    }

    #[test]
    fn truth_table() {
        // Bits 0 to 2 of vm_flags are the permissions. Others do not count: VM_SHADOW_STACK where it
        // is configured, VM_SHARED, VM_GROWSDOWN, VM_LOCKED.
        for others in [
            0,
            VM_SHADOW_STACK as usize,
            0x8,
            0x100,
            0x2000,
            usize::MAX & !7,
        ] {
            for (prot, fetch, load, store) in ALLOWED {
                let flags = others | prot as usize;

                for (cause, allowed) in [(FETCH, fetch), (LOAD, load), (STORE, store)] {
                    let verdict = Verdict::of(cause, flags, AT);

                    assert_eq!(matches!(verdict, Verdict::CarryOn), allowed);
                    assert_eq!(matches!(verdict, Verdict::Report(_)), !allowed);
                }
                assert_eq!(Verdict::of(14, flags, AT), Verdict::NotOurs);
            }
        }
    }

    #[test]
    fn truth_table_for_c() {
        for (prot, fetch, load, store) in ALLOWED {
            for (cause, allowed) in [(FETCH, fetch), (LOAD, load), (STORE, store)] {
                let mut report = bindings::rust_riscv_test_trap::default();
                // SAFETY: A valid pointer.
                let verdict = unsafe {
                    bindings::rust_riscv_test_judge(cause, prot as usize, AT, &mut report)
                };

                if allowed {
                    assert_eq!(verdict, 0);
                    assert_eq!(report.signal, 0);
                } else {
                    assert_eq!(verdict, 1);
                    // SIGSEGV and SEGV_ACCERR.
                    assert_eq!((report.signal, report.code), (11, 2));
                    assert_eq!((report.addr, report.bad_cause), (AT, cause));
                }
            }
        }
        for cause in [0, 5, 14, 16, 18, usize::MAX] {
            let mut report = bindings::rust_riscv_test_trap::default();

            // SAFETY: A valid pointer.
            let verdict = unsafe { bindings::rust_riscv_test_judge(cause, 7, AT, &mut report) };

            assert_eq!(verdict, 2);
            assert_eq!((report.signal, report.bad_cause), (0, 0));
        }
    }

    #[test]
    fn mappings() -> Result {
        let mm = address_space()?;

        for flags in [MAP_PRIVATE, MAP_SHARED] {
            for (prot, fetch, load, store) in ALLOWED {
                map(AT, 2, prot, flags)?;
                assert_eq!(readers(AT), 0);
                for addr in [AT, AT + 1, AT + PAGE, AT + 2 * PAGE - 1] {
                    assert_eq!(answers(mm, addr), [Some(fetch), Some(load), Some(store)]);
                }
                assert_eq!(answers(mm, AT - 1), [None; 3]);
                assert_eq!(answers(mm, AT + 2 * PAGE), [None; 3]);
                assert_eq!(readers(AT), 0);
                unmap(AT, 2)?;
                assert_eq!(answers(mm, AT), [None; 3]);
            }
        }
        assert_eq!(locks_held(), 0);
        Ok(())
    }

    #[test]
    fn protections() -> Result {
        let mm = address_space()?;

        map(AT, 3, R | W, MAP_PRIVATE)?;
        for (prot, fetch, load, store) in ALLOWED {
            protect(AT + PAGE, 1, prot)?;
            assert_eq!(
                answers(mm, AT + PAGE),
                [Some(fetch), Some(load), Some(store)]
            );
            for beside in [AT + PAGE - 1, AT + 2 * PAGE] {
                assert_eq!(answers(mm, beside), [Some(false), Some(true), Some(true)]);
            }
            assert_eq!(readers(AT + PAGE), 0);
        }
        unmap(AT + PAGE, 1)?;
        assert_eq!(answers(mm, AT + PAGE), [None; 3]);
        assert_eq!(answers(mm, AT), [Some(false), Some(true), Some(true)]);
        unmap(AT, 3)?;
        assert_eq!(locks_held(), 0);
        Ok(())
    }

    #[test]
    fn stacks_grow() -> Result {
        let mm = address_space()?;
        let top = AT + 64 * PAGE;

        map(top - PAGE, 1, R | W, MAP_PRIVATE | MAP_GROWSDOWN)?;
        // Below it is nothing: for C to grow the stack.
        assert_eq!(answers(mm, top - 3 * PAGE), [None; 3]);
        // SAFETY: This thread has an address space.
        to_result(unsafe { bindings::rust_riscv_test_put_user(top - 3 * PAGE) })?;
        assert_eq!(
            answers(mm, top - 3 * PAGE),
            [Some(false), Some(true), Some(true)]
        );
        protect(top - 3 * PAGE, 3, R)?;
        assert_eq!(
            answers(mm, top - 2 * PAGE),
            [Some(false), Some(true), Some(false)]
        );
        assert_eq!(readers(top - PAGE), 0);
        unmap(top - 3 * PAGE, 3)
    }

    /// A VMA that comes, goes and changes is judged as it is at some moment, or is not there.
    #[test]
    fn races() -> Result {
        let mm = address_space()?;
        let over = Atomic::new(false);
        let (judged, wrong, failed) = (Atomic::new(0usize), Atomic::new(0usize), Atomic::new(0));
        // Not Send, as a reference to an `mm` in use: its raw pointer's number is.
        let raw = mm.as_raw() as usize;
        let cpus = [0, u32::from(kernel::cpu::CpuId::from_u32(1).is_some())];

        pair(
            cpus,
            || {
                // SAFETY: The test's `mm`, which it holds while the threads run.
                unsafe { bindings::rust_riscv_test_use_mm(raw as *mut _) };
                for round in 0..ROUNDS {
                    let prot = ALLOWED[round % ALLOWED.len()].0;
                    let done = map(AT, 2, R, MAP_PRIVATE)
                        .and_then(|()| protect(AT, 1, prot & !W))
                        .and_then(|()| unmap(AT, 2));

                    if done.is_err() {
                        failed.add(1, Relaxed);
                    }
                }
                over.store(true, Relaxed);
                // SAFETY: It was taken above.
                unsafe { bindings::rust_riscv_test_unuse_mm(raw as *mut _) };
            },
            || {
                // SAFETY: The test's `mm`, which it holds while the threads run.
                let mm = unsafe { MmWithUser::from_raw(raw as *const _) };

                while !over.load(Relaxed) {
                    // Nothing here may ever be written.
                    if allows(mm, STORE, AT) == Some(true) {
                        wrong.add(1, Relaxed);
                    }
                    if allows(mm, LOAD, AT).is_some() {
                        judged.add(1, Relaxed);
                    }
                    // SAFETY: `cond_resched()` may be called where one may sleep: this thread holds
                    // no lock here.
                    unsafe { bindings::rust_riscv_test_cond_resched() };
                }
            },
        )?;
        assert_eq!(wrong.load(Relaxed), 0);
        assert_eq!(failed.load(Relaxed), 0);
        map(AT, 1, R, MAP_PRIVATE)?;
        assert_eq!(readers(AT), 0);
        assert_eq!(allows(mm, STORE, AT), Some(false));
        Ok(())
    }

    #[test]
    fn current_task_and_cpu() {
        // SAFETY: Undone below.
        unsafe { bindings::rust_riscv_test_preempt_disable() };
        // SAFETY: The helpers only read the current task and CPU.
        let (task, cpu) = unsafe {
            (
                bindings::rust_riscv_test_current(),
                bindings::rust_riscv_test_cpu(),
            )
        };
        let (tp_task, tp_cpu) = (current::current(), current::cpu());
        // SAFETY: Undoes the above.
        unsafe { bindings::rust_riscv_test_preempt_enable() };

        assert_eq!(tp_task.addr(), task);
        assert_eq!(tp_cpu, cpu as usize);
    }
}
