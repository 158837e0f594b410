// SPDX-License-Identifier: GPL-2.0

//! The kernel's fault path: where it calls a [`Handler`], and what it does with the [`Outcome`].
//!
//! C source: [`arch/riscv/mm/fault.c`](srctree/arch/riscv/mm/fault.c)

use kernel::mm::{
    MmWithUser,
    VmaReadGuard, //
};

use crate::fault::{
    access::{
        self,
        VmFlags, //
    },
    stage::{
        AddressSpace,
        LockedVma, //
    }, //
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

    assert!(access::VM_READ == flags::READ as VmFlags);
    assert!(access::VM_WRITE == flags::WRITE as VmFlags);
    assert!(access::VM_EXEC == flags::EXEC as VmFlags);
    assert!(SIGSEGV == 11 && SEGV_ACCERR == 2);
};

impl LockedVma for VmaReadGuard<'_> {
    #[inline(always)]
    fn flags(&self) -> VmFlags {
        // Of the guard's VMA, not of this trait.
        kernel::mm::virt::VmaRef::flags(self) as VmFlags
    }
}

impl AddressSpace for MmWithUser {
    type Vma<'a> = VmaReadGuard<'a>;

    /// Without `mmap_lock`. Process context; does not sleep.
    #[inline(always)]
    fn lock_vma(&self, address: usize) -> Option<VmaReadGuard<'_>> {
        self.lock_vma_under_rcu(address)
    }
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
            vm_area_struct, //
        },
        error::to_result,
        ffi::c_ulong,
        mm::MmWithUser,
        prelude::*, //
    };

    use crate::{
        bindings,
        fault::{
            access::Cause,
            stage::{
                End,
                Fault,
                Outcome, //
            }, //
        }, //
    };

    /// `RISCV_FAULT_FORBIDDEN`, a macro that bindgen cannot evaluate.
    const FORBIDDEN: *mut vm_area_struct = without_provenance_mut(1);

    /// Who handles page faults of user mode, up to where a page is to be provided.
    ///
    /// What it does not deal with, C does.
    ///
    /// # Safety
    ///
    /// The functions are called in an RCU read-side critical section, which is what their removal
    /// waits for. They must neither sleep in it nor end it: a task that sleeps can be taken for one
    /// that has left the section, and the module's text be freed under it. (Waiting for a spinlock
    /// is no such sleep, not even on `PREEMPT_RT`: RCU goes on waiting for that reader.)
    pub unsafe trait Handler {
        /// Handles a fault.
        ///
        /// # Context
        ///
        /// The task that has the fault, interrupts on, in an RCU read-side critical section, no
        /// lock held. Must not sleep.
        fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser>;

        /// Takes note of a trap that came here without being a page fault. Context as above.
        fn unknown_cause(scause: usize, address: usize);
    }

    /// Handles a fault of one cause, known where this is compiled in.
    ///
    /// # Safety
    ///
    /// As [`user_fault`] has it; called once for each trap.
    #[inline(always)]
    unsafe fn handle<H: Handler>(
        mm: &MmWithUser,
        address: usize,
        cause: Cause,
    ) -> *mut vm_area_struct {
        // SAFETY: By the function's requirements.
        let fault = unsafe { Fault::new(mm, address, cause) };

        match H::user_fault(fault).into_end() {
            End::CarryOn(guard) => {
                let vma = guard.as_ptr();

                // The lock is the caller's from here on.
                forget(guard);
                vma
            }
            End::Report(cause) => {
                // SAFETY: No requirements. In C, as `thread` is not where the kernel crate's
                // bindings have it.
                unsafe { bindings::rust_riscv_note_forbidden(cause.scause()) };
                FORBIDDEN
            }
            End::Back => null_mut(),
        }
    }

    /// The rarest, kept apart so that it is asked for last.
    ///
    /// # Safety
    ///
    /// That of [`handle`].
    #[cold]
    #[inline(never)]
    unsafe fn handle_fetch<H: Handler>(mm: &MmWithUser, address: usize) -> *mut vm_area_struct {
        // SAFETY: By the function's requirements.
        unsafe { handle::<H>(mm, address, Cause::Fetch) }
    }

    /// The C function for a [`Handler`], as `asm/fault_provider.h` has it.
    ///
    /// # Safety
    ///
    /// - The current task is handling a page fault of user mode, with interrupts on, at this address
    ///   and with this `scause`, and `mm` is its `mm`; or, for a test, it is a kernel thread, and
    ///   `mm` has users.
    /// - A VMA that is returned is locked: the caller unlocks it.
    pub unsafe extern "C" fn user_fault<H: Handler>(
        mm: *mut mm_struct,
        address: c_ulong,
        scause: c_ulong,
    ) -> *mut vm_area_struct {
        // SAFETY: A running task is a user of its `mm`.
        let mm = unsafe { MmWithUser::from_raw(mm) };

        // A copy for each cause, which then has not to be kept.
        match Cause::from_scause(scause) {
            // SAFETY: By the function's requirements; one of the three is called.
            Some(Cause::Load) => unsafe { handle::<H>(mm, address, Cause::Load) },
            // SAFETY: As above.
            Some(Cause::Store) => unsafe { handle::<H>(mm, address, Cause::Store) },
            // SAFETY: As above.
            Some(Cause::Fetch) => unsafe { handle_fetch::<H>(mm, address) },
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
        /// # Safety
        ///
        /// What it returns is dropped before the text of the module that `H` is in goes: it is not
        /// leaked, as by `mem::forget()`. Faults would go on being sent there.
        ///
        /// # Context
        ///
        /// Sleeps.
        pub unsafe fn new() -> Result<Self> {
            let provider = &Self::PROVIDER;

            // SAFETY: It is static. By the function's requirement it is unregistered before the
            // module that it is in is gone.
            to_result(unsafe { bindings::riscv_fault_provider_register(provider) })?;
            Ok(Registration {
                provider,
                _handler: PhantomData,
            })
        }
    }

    impl<H: Handler> Drop for Registration<H> {
        /// Gives back. When it returns, no task is in `H` any more: a grace period of RCU has ended,
        /// of which each is a reader. Sleeps.
        fn drop(&mut self) {
            // SAFETY: It was registered.
            unsafe { bindings::riscv_fault_provider_unregister(self.provider) };
        }
    }
}
