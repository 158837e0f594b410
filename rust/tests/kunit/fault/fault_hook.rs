// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_fault_hook`: what is done about a fault, where the kernel has our hooks.

use kernel::{
    bindings::vm_area_struct,
    error::to_result,
    mm::MmWithUser,
    prelude::*, //
};

use riscv::fault::{
    access::Cause,
    stage::{
        Fault,
        Outcome, //
    },
    user::{
        self,
        Handler,
        Registration, //
    }, //
};
use riscv_fault::{
    handler::Judge,
    stats::{
        Event,
        EVENTS, //
    }, //
};

use crate::{
    bindings::{
        self,
        MAP_ANONYMOUS,
        MAP_FIXED,
        PROT_READ,
        PROT_WRITE, //
    },
    space::*, //
};

#[kunit_tests(rust_riscv_fault_hook)]
mod tests {
    use super::*;

    /// An address space with a page at `AT`, which may be accessed as `prot` says.
    fn page(prot: u32) -> Result {
        // SAFETY: A kernel thread of KUnit's, whose address space nothing else uses.
        unsafe {
            to_result(bindings::rust_riscv_test_attach_mm())?;
            let at = bindings::rust_riscv_test_mmap(
                AT,
                PAGE,
                prot as usize,
                (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) as usize,
            );
            if at == AT {
                Ok(())
            } else {
                Err(ENOMEM)
            }
        }
    }

    /// A fault, as the kernel's fault path passes it on, and what came of it.
    fn fault(cause: usize, addr: usize) -> *mut vm_area_struct {
        // SAFETY: This kernel thread has an address space.
        unsafe { user::user_fault::<Judge>(bindings::rust_riscv_test_mm(), addr, cause) }
    }

    /// Whether it was found forbidden.
    fn forbidden(vma: *mut vm_area_struct) -> bool {
        vma.addr() == 1
    }

    /// What `do_trap()` was told during `f`, which must not assert: that would leave it watched.
    fn watch(f: impl FnOnce()) -> Result<bindings::rust_riscv_test_trap> {
        // SAFETY: This thread has an address space; one test at a time.
        to_result(unsafe { bindings::rust_riscv_test_watch() })?;
        f();
        // SAFETY: It is watched.
        Ok(unsafe { bindings::rust_riscv_test_unwatch() })
    }

    fn readers() -> i32 {
        // SAFETY: This thread has an address space.
        unsafe { bindings::rust_riscv_test_vma_readers(AT) }
    }

    #[test]
    fn forbidden_is_reported() -> Result {
        page(PROT_READ)?;
        for (cause, what) in [(FETCH, Cause::Fetch), (STORE, Cause::Store)] {
            let before = EVENTS.sum(Event::Report(what));
            let mut vma = core::ptr::null_mut();

            let trap = watch(|| vma = fault(cause, AT + 0x123))?;
            assert!(forbidden(vma));
            // C sends the signal, when nobody is in this module any more.
            assert_eq!(trap.calls, 0);
            // The cause of the hardware.
            assert_eq!(trap.bad_cause, cause);
            assert_eq!(EVENTS.sum(Event::Report(what)), before + 1);
        }
        Ok(())
    }

    #[test]
    fn nothing_is_held_when_it_is_to_be_reported() -> Result {
        page(0)?;
        for cause in [FETCH, LOAD, STORE] {
            assert!(forbidden(fault(cause, AT)));
            // SAFETY: `lockdep_depth()` only reads a field of the current task.
            assert_eq!(unsafe { bindings::rust_riscv_test_locks_held() }, 0);
            assert_eq!(readers(), 0);
        }
        Ok(())
    }

    #[test]
    fn allowed_is_handed_on_locked() -> Result {
        page(PROT_READ | PROT_WRITE)?;
        for cause in [LOAD, STORE] {
            let mut vma = core::ptr::null_mut();
            let trap = watch(|| vma = fault(cause, AT))?;

            assert_eq!(trap.calls, 0);
            assert!(!vma.is_null() && !forbidden(vma));
            assert_eq!(readers(), 1);
            // SAFETY: It was handed on to us, locked.
            unsafe { bindings::rust_riscv_test_vma_end_read(vma) };
            assert_eq!(readers(), 0);
            // SAFETY: `lockdep_depth()` only reads a field of the current task.
            assert_eq!(unsafe { bindings::rust_riscv_test_locks_held() }, 0);
        }
        Ok(())
    }

    #[test]
    fn holes_are_left_to_c() -> Result {
        page(PROT_READ)?;
        let before = EVENTS.sum(Event::NoVma(Cause::Load));
        let mut vma = core::ptr::null_mut();
        let trap = watch(|| vma = fault(LOAD, AT + PAGE))?;

        assert!(vma.is_null());
        assert_eq!(trap.calls, 0);
        assert!(EVENTS.sum(Event::NoVma(Cause::Load)) > before);
        assert_eq!(readers(), 0);
        Ok(())
    }

    #[test]
    fn unknown_causes_are_left_to_c() -> Result {
        page(0)?;
        let before = EVENTS.sum(Event::Unknown);
        let mut all_left = false;
        let trap = watch(|| {
            let causes = [0, 5, 14, 18, usize::MAX];
            all_left = causes.iter().all(|&cause| fault(cause, AT).is_null());
        })?;

        assert!(all_left);
        assert_eq!(trap.calls, 0);
        assert_eq!(EVENTS.sum(Event::Unknown), before + 5);
        assert_eq!(readers(), 0);
        Ok(())
    }

    #[test]
    fn each_report_counts_once() -> Result {
        page(0)?;
        // SAFETY: `all_vm_events()` may be called where one may sleep, as here. The static buffer of
        // the helper is used by this test only.
        let counted = || unsafe { bindings::rust_riscv_test_vma_lock_success() };
        let before = counted();

        for n in 0..1000 {
            assert!(forbidden(fault([FETCH, LOAD, STORE][n % 3], AT)));
            assert!(fault(LOAD, AT + PAGE).is_null());
        }
        assert_eq!(counted() - before, 1000);
        Ok(())
    }

    #[test]
    fn nothing_sleeps_or_allocates() -> Result {
        page(PROT_READ)?;
        let (mut reports, mut failures) = (0, 0);
        let trap = watch(|| {
            for cause in [FETCH, LOAD, STORE, 14] {
                // SAFETY: Undone below.
                unsafe {
                    bindings::rust_riscv_test_preempt_disable();
                    bindings::rust_riscv_test_fail_next();
                }
                let vma = fault(cause, AT);
                // SAFETY: Undoes the above.
                let failed = unsafe { bindings::rust_riscv_test_failed() };
                reports += usize::from(forbidden(vma));
                if !vma.is_null() && !forbidden(vma) {
                    // SAFETY: It was handed on to us, locked.
                    unsafe { bindings::rust_riscv_test_vma_end_read(vma) };
                }
                // SAFETY: Undoes the above.
                unsafe { bindings::rust_riscv_test_preempt_enable() };
                failures += usize::from(failed);
            }
        })?;

        assert_eq!((reports, failures, trap.calls), (2, 0, 0));
        Ok(())
    }

    #[test]
    fn there_is_one_provider() {
        struct Another;

        // SAFETY: It does nothing.
        unsafe impl Handler for Another {
            fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
                fault.back()
            }

            fn unknown_cause(_scause: usize, _address: usize) {}
        }

        // `rust_riscv_fault.ko` is loaded: this module needs it.
        // SAFETY: If there is one, it is dropped right here.
        let error = unsafe { Registration::<Another>::new() }.err();
        assert_eq!(error, Some(EBUSY));
    }
}
