// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_fault_hook`: the handler, on a kernel with our hooks.

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
        FaultOutcome, //
    },
    user::{
        self,
        Handler,
        HandlerRegistration, //
    }, //
};
use riscv_fault::{
    handler::SignalForbidden,
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

    /// Attaches an address space with a page at `AT`, with permissions `prot`.
    fn page(prot: u32) -> Result {
        // SAFETY: This is a kernel thread of KUnit's, and only the test uses its address space.
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

    /// Calls the handler as the kernel's fault path does, and returns its result.
    fn fault(cause: usize, addr: usize) -> *mut vm_area_struct {
        // SAFETY: This kernel thread has an address space.
        unsafe {
            user::handle_user_fault::<SignalForbidden>(bindings::rust_riscv_test_mm(), addr, cause)
        }
    }

    /// Whether the result is `RISCV_FAULT_FORBIDDEN`.
    fn forbidden(vma: *mut vm_area_struct) -> bool {
        vma.addr() == 1
    }

    /// Counts calls of `do_trap()` during `f`, which must not assert: the tracer would stay registered.
    fn watch(f: impl FnOnce()) -> Result<bindings::rust_riscv_test_trap> {
        // SAFETY: KUnit runs one test at a time, so nothing is being watched.
        to_result(unsafe { bindings::rust_riscv_test_watch() })?;
        f();
        // SAFETY: `rust_riscv_test_watch()` has succeeded.
        Ok(unsafe { bindings::rust_riscv_test_unwatch() })
    }

    fn readers() -> i32 {
        // SAFETY: This thread has an address space.
        unsafe { bindings::rust_riscv_test_vma_readers(AT) }
    }

    #[test]
    fn forbidden_access_is_signalled() -> Result {
        page(PROT_READ)?;
        for (cause, what) in [(FETCH, Cause::Fetch), (STORE, Cause::Store)] {
            let before = EVENTS.sum(Event::Signalled(what));
            let mut vma = core::ptr::null_mut();

            let trap = watch(|| vma = fault(cause, AT + 0x123))?;
            assert!(forbidden(vma));
            // C sends the signal, after the handler has returned.
            assert_eq!(trap.calls, 0);
            // The hardware's cause.
            assert_eq!(trap.bad_cause, cause);
            assert_eq!(EVENTS.sum(Event::Signalled(what)), before + 1);
        }
        Ok(())
    }

    #[test]
    fn forbidden_access_leaves_no_lock_held() -> Result {
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
    fn allowed_access_stays_locked() -> Result {
        page(PROT_READ | PROT_WRITE)?;
        for cause in [LOAD, STORE] {
            let mut vma = core::ptr::null_mut();
            let trap = watch(|| vma = fault(cause, AT))?;

            assert_eq!(trap.calls, 0);
            assert!(!vma.is_null() && !forbidden(vma));
            assert_eq!(readers(), 1);
            // SAFETY: The handler has returned the VMA locked.
            unsafe { bindings::rust_riscv_test_vma_end_read(vma) };
            assert_eq!(readers(), 0);
            // SAFETY: `lockdep_depth()` only reads a field of the current task.
            assert_eq!(unsafe { bindings::rust_riscv_test_locks_held() }, 0);
        }
        Ok(())
    }

    #[test]
    fn unmapped_addresses_fall_back_to_c() -> Result {
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
    fn unknown_causes_fall_back_to_c() -> Result {
        page(0)?;
        let before = EVENTS.sum(Event::UnknownCause);
        let mut all_fell_back = false;
        let trap = watch(|| {
            let causes = [0, 5, 14, 18, usize::MAX];
            all_fell_back = causes.iter().all(|&cause| fault(cause, AT).is_null());
        })?;

        assert!(all_fell_back);
        assert_eq!(trap.calls, 0);
        assert_eq!(EVENTS.sum(Event::UnknownCause), before + 5);
        assert_eq!(readers(), 0);
        Ok(())
    }

    #[test]
    fn each_signal_counts_vma_lock_success_once() -> Result {
        page(0)?;
        // SAFETY: This thread may sleep, as `all_vm_events()` does, and only this test uses the
        // helper's static buffer.
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
    fn handler_does_not_sleep_or_allocate() -> Result {
        page(PROT_READ)?;
        let (mut signals, mut failures) = (0, 0);
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
                signals += usize::from(forbidden(vma));
                if !vma.is_null() && !forbidden(vma) {
                    // SAFETY: The handler has returned the VMA locked.
                    unsafe { bindings::rust_riscv_test_vma_end_read(vma) };
                }
                // SAFETY: Undoes the above.
                unsafe { bindings::rust_riscv_test_preempt_enable() };
                failures += usize::from(failed);
            }
        })?;

        assert_eq!((signals, failures, trap.calls), (2, 0, 0));
        Ok(())
    }

    #[test]
    fn second_handler_is_refused() {
        struct Another;

        // SAFETY: No function sleeps or ends the RCU read-side critical section.
        unsafe impl Handler for Another {
            fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
                fault.fall_back()
            }

            fn unknown_cause(_scause: usize, _address: usize) {}
        }

        // `rust_riscv_fault.ko` is loaded, since this module depends on it.
        // SAFETY: A registration would be dropped in this statement.
        let error = unsafe { HandlerRegistration::<Another>::new() }.err();
        assert_eq!(error, Some(EBUSY));
    }
}
