// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_fault`: the access check, on VMAs of the test's own address space.

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
        access::Cause,
        stage::{
            Action,
            CheckedAccess,
            Fault, //
        }, //
    },
    thread::pair, //
};
use riscv_fault::ffi::Access;

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

    /// Permissions of a mapping, and whether it allows a fetch, a load and a store.
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

    /// The rounds of a test for races.
    const ROUNDS: usize = 2000;

    /// Attaches an address space to this kernel thread, and returns it.
    fn address_space() -> Result<&'static MmWithUser> {
        // SAFETY: This is a kernel thread of KUnit without an address space. It keeps this one
        // until it exits, after the test.
        unsafe {
            to_result(bindings::rust_riscv_test_attach_mm())?;
            Ok(MmWithUser::from_raw(bindings::rust_riscv_test_mm()))
        }
    }

    fn map(addr: usize, pages: usize, prot: u32, flags: u32) -> Result {
        // SAFETY: Only the test uses this address space.
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

    /// The number of readers that hold the VMA's lock; -1 without a VMA.
    fn readers(addr: usize) -> i32 {
        // SAFETY: This thread has an address space.
        unsafe { bindings::rust_riscv_test_vma_readers(addr) }
    }

    fn locks_held() -> i32 {
        // SAFETY: `lockdep_depth()` only reads a field of the current task.
        unsafe { bindings::rust_riscv_test_locks_held() }
    }

    /// Whether the VMA at `addr` allows the access; `None` without a VMA, or if it cannot be
    /// locked.
    fn allows(mm: &MmWithUser, cause: usize, addr: usize) -> Option<bool> {
        // SAFETY: The VMA is only used for the check: no page is provided.
        let fault = unsafe { Fault::new(mm, addr, Cause::from_scause(cause)?) };
        let locked = fault.lock().ok()?;

        Some(match locked.check_access() {
            CheckedAccess::Allowed(allowed) => matches!(
                allowed.keep_locked().into_action(),
                Action::HandleMmFault(_)
            ),
            CheckedAccess::Forbidden(forbidden) => {
                let _ = forbidden.unlock();
                false
            }
        })
    }

    /// Returns whether a fetch, a load and a store are allowed.
    fn answers(mm: &MmWithUser, addr: usize) -> [Option<bool>; 3] {
        [FETCH, LOAD, STORE].map(|cause| allows(mm, cause, addr))
    }

    #[test]
    fn truth_table() {
        // Bits 0 to 2 of `vm_flags` are the permissions. Others have no effect: `VM_SHADOW_STACK`
        // if it is configured, `VM_SHARED`, `VM_GROWSDOWN`, `VM_LOCKED`.
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
                    let access = Access::check(cause, flags, AT);

                    assert_eq!(matches!(access, Access::Allowed), allowed);
                    assert_eq!(matches!(access, Access::Forbidden(_)), !allowed);
                }
                assert_eq!(Access::check(14, flags, AT), Access::UnknownCause);
            }
        }
    }

    #[test]
    fn truth_table_for_c() {
        for (prot, fetch, load, store) in ALLOWED {
            for (cause, allowed) in [(FETCH, fetch), (LOAD, load), (STORE, store)] {
                let mut trap = bindings::rust_riscv_test_trap::default();
                // SAFETY: The pointer is to a local variable.
                let access = unsafe {
                    bindings::rust_riscv_test_check_access(cause, prot as usize, AT, &mut trap)
                };

                if allowed {
                    assert_eq!(access, 0);
                    assert_eq!(trap.signal, 0);
                } else {
                    assert_eq!(access, 1);
                    // SIGSEGV and SEGV_ACCERR.
                    assert_eq!((trap.signal, trap.code), (11, 2));
                    assert_eq!((trap.addr, trap.bad_cause), (AT, cause));
                }
            }
        }
        for cause in [0, 5, 14, 16, 18, usize::MAX] {
            let mut trap = bindings::rust_riscv_test_trap::default();

            // SAFETY: The pointer is to a local variable.
            let access = unsafe { bindings::rust_riscv_test_check_access(cause, 7, AT, &mut trap) };

            assert_eq!(access, 2);
            assert_eq!((trap.signal, trap.bad_cause), (0, 0));
        }
    }

    #[test]
    fn checks_match_mmap() -> Result {
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
    fn checks_match_mprotect() -> Result {
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
    fn checks_of_a_growing_stack() -> Result {
        let mm = address_space()?;
        let top = AT + 64 * PAGE;

        map(top - PAGE, 1, R | W, MAP_PRIVATE | MAP_GROWSDOWN)?;
        // There is no VMA below it: C grows the stack.
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

    /// While a VMA is mapped, changed and unmapped, a check sees one of its states, or no VMA.
    #[test]
    fn checks_during_mmap_and_munmap() -> Result {
        let mm = address_space()?;
        let over = Atomic::new(false);
        let (checked, wrong, failed) = (Atomic::new(0usize), Atomic::new(0usize), Atomic::new(0));
        // A number, since a reference to an `mm` in use is not `Send`.
        let raw = mm.as_raw() as usize;
        let cpus = [0, u32::from(kernel::cpu::CpuId::from_u32(1).is_some())];

        pair(
            cpus,
            || {
                // SAFETY: The test holds its `mm` while the threads run.
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
                // SAFETY: This thread uses the `mm` since the call above.
                unsafe { bindings::rust_riscv_test_unuse_mm(raw as *mut _) };
            },
            || {
                // SAFETY: The test holds its `mm` while the threads run.
                let mm = unsafe { MmWithUser::from_raw(raw as *const _) };

                while !over.load(Relaxed) {
                    // The mapping is never writable.
                    if allows(mm, STORE, AT) == Some(true) {
                        wrong.add(1, Relaxed);
                    }
                    if allows(mm, LOAD, AT).is_some() {
                        checked.add(1, Relaxed);
                    }
                    // SAFETY: This thread may sleep: it holds no lock here.
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
