// SPDX-License-Identifier: GPL-2.0

//! Page faults of user mode: the machine's side of [`fault`].
//!
//! C source: [`arch/riscv/mm/fault.c`](srctree/arch/riscv/mm/fault.c)

use kernel::mm::{
    MmWithUser,
    VmaReadGuard, //
};

use crate::fault::{
    self,
    Fault,
    Locked,
    LockedVma,
    VmFlags, //
};

#[cfg(rust_riscv_fault_hook)]
pub use hooked::*;

// What the plain logic takes the kernel's constants to be.
const _: () = {
    use kernel::{
        bindings::{
            SEGV_ACCERR,
            SIGSEGV, //
        },
        mm::virt::flags, //
    };

    assert!(fault::VM_READ == flags::READ as VmFlags);
    assert!(fault::VM_WRITE == flags::WRITE as VmFlags);
    assert!(fault::VM_EXEC == flags::EXEC as VmFlags);
    assert!(SIGSEGV == 11 && SEGV_ACCERR == 2);
};

impl LockedVma for VmaReadGuard<'_> {
    #[inline(always)]
    fn flags(&self) -> VmFlags {
        // Of the guard's VMA, not of this trait.
        kernel::mm::virt::VmaRef::flags(self) as VmFlags
    }
}

/// Locks the VMA at a fault's address, without `mmap_lock`.
///
/// # Errors
///
/// The fault itself: there is no VMA, or it is locked for writing or about to be changed.
///
/// # Context
///
/// Process context; does not sleep.
#[inline(always)]
pub fn lock(
    mm: &MmWithUser,
    address: usize,
    fault: Fault,
) -> Result<Locked<VmaReadGuard<'_>>, Fault> {
    fault.lock(|| mm.lock_vma_under_rcu(address))
}

/// What needs our hooks in the kernel.
#[cfg(rust_riscv_fault_hook)]
mod hooked {
    use core::{
        marker::PhantomData,
        mem::forget,
        ptr::{
            null_mut,
            without_provenance_mut, //
        },
    };

    use kernel::{
        bindings::{
            mm_struct,
            pt_regs,
            vm_area_struct, //
        },
        error::to_result,
        ffi::{
            c_int,
            c_ulong, //
        },
        mm::{
            MmWithUser,
            VmaReadGuard, //
        },
        prelude::*, //
    };

    use crate::{
        bindings,
        fault::{
            Cause,
            End,
            Fault,
            Outcome,
            Report,
            Reporter, //
        },
        tp, //
    };

    /// `RISCV_FAULT_REPORTED`, a macro that bindgen cannot evaluate.
    const REPORTED: *mut vm_area_struct = without_provenance_mut(1);

    /// The current task's trap from user mode.
    ///
    /// # Invariants
    ///
    /// The current task is handling one, with interrupts on.
    pub struct UserTrap(());

    impl UserTrap {
        /// Its registers: where each trap from user mode saves them.
        #[inline(always)]
        fn regs(&self) -> *mut pt_regs {
            // SAFETY: `tp` points to the current task.
            let stack = unsafe { (*tp::current()).stack };

            // As `task_pt_regs()` has it.
            stack.wrapping_byte_add(bindings::RR_USER_REGS).cast()
        }
    }

    impl Reporter for UserTrap {
        #[inline(always)]
        fn address(&self) -> usize {
            // SAFETY: By the type invariant, they are those of the trap.
            unsafe { (*self.regs()).badaddr }
        }

        #[inline(always)]
        fn note(&self, cause: usize) {
            // SAFETY: No requirements. In C, as `thread` is not where the kernel crate's bindings
            // have it.
            unsafe { bindings::rr_note_forbidden(cause) };
        }

        #[inline(always)]
        fn signal(&self, report: &Report) {
            // SAFETY: By the type invariant.
            unsafe {
                bindings::do_trap(
                    self.regs(),
                    report.signal() as c_int,
                    report.code() as c_int,
                    report.address(),
                )
            };
        }
    }

    /// Who handles page faults of user mode, up to where a page is to be provided.
    ///
    /// What it does not deal with, C does.
    pub trait Handler {
        /// Handles a fault at an address.
        ///
        /// # Context
        ///
        /// The task that has the fault, interrupts on, no lock held. Must not sleep.
        fn user_fault<'a>(
            trap: &UserTrap,
            mm: &'a MmWithUser,
            address: usize,
            fault: Fault,
        ) -> Outcome<VmaReadGuard<'a>>;

        /// Takes note of a trap that came here without being a page fault. Context as above.
        fn unknown_cause(scause: usize, address: usize);
    }

    /// Handles a fault of one cause, known where this is compiled in.
    #[inline(always)]
    fn handle<H: Handler>(mm: &MmWithUser, address: usize, cause: Cause) -> *mut vm_area_struct {
        // INVARIANT: By the requirements of `user_fault`.
        let trap = UserTrap(());

        match H::user_fault(&trap, mm, address, Fault::new(cause)).into_end() {
            End::CarryOn(guard) => {
                let vma = guard.as_ptr();

                // The lock is the caller's from here on.
                forget(guard);
                vma
            }
            End::Reported => REPORTED,
            End::Back => null_mut(),
        }
    }

    /// The rarest, kept apart so that it is asked for last.
    #[cold]
    #[inline(never)]
    fn handle_fetch<H: Handler>(mm: &MmWithUser, address: usize) -> *mut vm_area_struct {
        handle::<H>(mm, address, Cause::Fetch)
    }

    /// The C function for a [`Handler`], as `asm/fault_provider.h` has it.
    ///
    /// # Safety
    ///
    /// - The current task is handling a trap from user mode, with interrupts on, and `mm` is its
    ///   `mm`; or, for a test, it is a kernel thread, `do_trap()` does nothing, and `mm` has users.
    pub unsafe extern "C" fn user_fault<H: Handler>(
        mm: *mut mm_struct,
        address: c_ulong,
        scause: c_ulong,
    ) -> *mut vm_area_struct {
        // SAFETY: A running task is a user of its `mm`.
        let mm = unsafe { MmWithUser::from_raw(mm) };

        // A copy for each cause, which then has not to be kept.
        match Cause::from_scause(scause) {
            Some(Cause::Load) => handle::<H>(mm, address, Cause::Load),
            Some(Cause::Store) => handle::<H>(mm, address, Cause::Store),
            Some(Cause::Fetch) => handle_fetch::<H>(mm, address),
            None => {
                H::unknown_cause(scause, address);
                null_mut()
            }
        }
    }

    /// From when it is made until it is dropped, faults of user mode go to `H`.
    pub struct Registration<H: Handler> {
        provider: &'static bindings::riscv_fault_provider,
        _handler: PhantomData<fn() -> H>,
    }

    impl<H: Handler + 'static> Registration<H> {
        const PROVIDER: bindings::riscv_fault_provider = bindings::riscv_fault_provider {
            user_fault: Some(user_fault::<H>),
        };

        /// Takes over.
        ///
        /// # Errors
        ///
        /// `-EBUSY` if somebody else has.
        ///
        /// # Context
        ///
        /// Sleeps.
        pub fn new() -> Result<Self> {
            let provider = &Self::PROVIDER;

            // SAFETY: It is static, and unregistered before the module that it is in is gone.
            to_result(unsafe { bindings::riscv_fault_provider_register(provider) })?;
            Ok(Registration {
                provider,
                _handler: PhantomData,
            })
        }
    }

    impl<H: Handler> Drop for Registration<H> {
        /// Gives back. When it returns, no task is in `H` any more. Sleeps.
        fn drop(&mut self) {
            // SAFETY: It was registered.
            unsafe { bindings::riscv_fault_provider_unregister(self.provider) };
        }
    }
}
