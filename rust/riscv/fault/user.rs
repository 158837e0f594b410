// SPDX-License-Identifier: GPL-2.0

//! The hook in the kernel's fault path: calls a [`Handler`] for each user page fault.
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

// The constants in `access` have the values of the kernel's.
const _: () = {
    use kernel::mm::virt::flags;

    assert!(access::VM_READ == flags::READ as VmFlags);
    assert!(access::VM_WRITE == flags::WRITE as VmFlags);
    assert!(access::VM_EXEC == flags::EXEC as VmFlags);
};

impl LockedVma for VmaReadGuard<'_> {
    #[inline(always)]
    fn flags(&self) -> VmFlags {
        // The kernel crate's method of the VMA, not this one of the trait.
        kernel::mm::virt::VmaRef::flags(self) as VmFlags
    }
}

impl AddressSpace for MmWithUser {
    type Vma<'a> = VmaReadGuard<'a>;

    /// Locks the VMA without taking `mmap_lock`. Process context; does not sleep.
    #[inline(always)]
    fn lock_vma(&self, address: usize) -> Option<VmaReadGuard<'_>> {
        self.lock_vma_under_rcu(address)
    }
}

/// The part that needs a kernel with our hooks.
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
                Action,
                Fault,
                FaultOutcome, //
            }, //
        }, //
    };

    /// `RISCV_FAULT_FORBIDDEN`: a macro with a cast, which bindgen cannot evaluate.
    const FORBIDDEN: *mut vm_area_struct = without_provenance_mut(1);

    /// A handler of user page faults, up to the call of `handle_mm_fault()`, which C makes.
    ///
    /// # Safety
    ///
    /// The functions are called in an RCU read-side critical section, and unregistering the handler
    /// waits for an RCU grace period. The functions must neither sleep nor end the critical
    /// section: RCU might not wait for them, and the module's text could be freed while a task
    /// executes it. (They may wait for a spinlock, even on `PREEMPT_RT`, where that sleeps: RCU
    /// waits for such a reader.)
    pub unsafe trait Handler {
        /// Handles a fault.
        ///
        /// # Context
        ///
        /// The task that took the fault, with interrupts on and no lock held, in an RCU read-side
        /// critical section. Must not sleep.
        fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser>;

        /// Records a trap whose cause is not a page fault. The fault path then falls back to C.
        ///
        /// Context: that of [`Handler::handle`].
        fn unknown_cause(scause: usize, address: usize);
    }

    /// Handles a fault with this cause, which is a constant in each caller.
    ///
    /// # Safety
    ///
    /// Those of [`handle_user_fault`], for `mm` and the pointer to it. Called once for each trap.
    #[inline(always)]
    unsafe fn handle_cause<H: Handler>(
        mm: &MmWithUser,
        address: usize,
        cause: Cause,
    ) -> *mut vm_area_struct {
        // SAFETY: The caller guarantees that the current task has taken this trap, that `mm` is its
        // address space, and that this is called once for the trap. If a VMA is returned, the C
        // fault path calls `handle_mm_fault()`, which maps the page.
        let fault = unsafe { Fault::new(mm, address, cause) };

        match H::handle(fault).into_action() {
            Action::HandleMmFault(guard) => {
                let vma = guard.as_ptr();

                // The caller unlocks the VMA.
                forget(guard);
                vma
            }
            Action::Signal(cause) => {
                // In C since `task_struct.thread` has a wrong offset in the kernel crate's
                // bindings.
                //
                // SAFETY: The helper increments a per-CPU counter and writes a field of the current
                // task, which is allowed in process context, where this is called.
                unsafe { bindings::rust_riscv_note_forbidden(cause.scause()) };
                FORBIDDEN
            }
            Action::FallBack => null_mut(),
        }
    }

    /// Handles an instruction fetch, the rarest cause. Out of line and cold, so that the generated
    /// code tests for it last.
    ///
    /// # Safety
    ///
    /// Those of [`handle_cause`].
    #[cold]
    #[inline(never)]
    unsafe fn handle_fetch<H: Handler>(mm: &MmWithUser, address: usize) -> *mut vm_area_struct {
        // SAFETY: The caller guarantees what `handle_cause()` requires.
        unsafe { handle_cause::<H>(mm, address, Cause::Fetch) }
    }

    /// The C entry point of a [`Handler`]: `user_fault` in `struct riscv_fault_provider`.
    ///
    /// # Safety
    ///
    /// - The current task is handling a user page fault, with interrupts on, at this address and
    ///   with this `scause`, and `mm` is its `mm`; or, in a test, it is a kernel thread, and `mm`
    ///   has users.
    /// - If a VMA is returned, it is locked, and the caller unlocks it.
    pub unsafe extern "C" fn handle_user_fault<H: Handler>(
        mm: *mut mm_struct,
        address: c_ulong,
        scause: c_ulong,
    ) -> *mut vm_area_struct {
        // SAFETY: `MmWithUser::from_raw()` requires that `mm_users` is not zero during the call.
        // The caller guarantees that `mm` is that of the current task, which is a user of it, or
        // one that has users.
        let mm = unsafe { MmWithUser::from_raw(mm) };

        // The code is instantiated for each cause, so that the cause needs no register.
        match Cause::from_scause(scause) {
            // SAFETY: The caller guarantees what `handle_cause()` requires of `mm` and the trap.
            // Only one of the three calls is made.
            Some(Cause::Load) => unsafe { handle_cause::<H>(mm, address, Cause::Load) },
            // SAFETY: As above.
            Some(Cause::Store) => unsafe { handle_cause::<H>(mm, address, Cause::Store) },
            // SAFETY: As above.
            Some(Cause::Fetch) => unsafe { handle_fetch::<H>(mm, address) },
            None => {
                H::unknown_cause(scause, address);
                null_mut()
            }
        }
    }

    /// The registration of `H` as the kernel's fault provider. Dropping it unregisters `H`.
    pub struct HandlerRegistration<H: Handler> {
        provider: &'static bindings::riscv_fault_provider,
        _handler: PhantomData<fn() -> H>,
    }

    impl<H: Handler + 'static> HandlerRegistration<H> {
        const PROVIDER: bindings::riscv_fault_provider = bindings::riscv_fault_provider {
            user_fault: Some(handle_user_fault::<H>),
        };

        /// Registers `H` with the kernel.
        ///
        /// # Errors
        ///
        /// `-EBUSY` if a provider is registered already.
        ///
        /// # Safety
        ///
        /// The result is dropped before the module with the code of `H` is unloaded. If it were
        /// leaked, as by `mem::forget()`, the kernel would call code that was freed.
        ///
        /// # Context
        ///
        /// Sleeps.
        pub unsafe fn new() -> Result<Self> {
            let provider = &Self::PROVIDER;

            // SAFETY: `riscv_fault_provider_register()` requires that the provider and its
            // functions are valid until it is unregistered. The provider is static, and the caller
            // guarantees that it is unregistered before the module that contains it is unloaded.
            to_result(unsafe { bindings::riscv_fault_provider_register(provider) })?;
            Ok(HandlerRegistration {
                provider,
                _handler: PhantomData,
            })
        }
    }

    impl<H: Handler> Drop for HandlerRegistration<H> {
        /// Unregisters `H`, and waits for an RCU grace period, so that no task executes `H` any
        /// more. Sleeps.
        fn drop(&mut self) {
            // SAFETY: `riscv_fault_provider_unregister()` requires a registered provider: `new()`
            // registered this one.
            unsafe { bindings::riscv_fault_provider_unregister(self.provider) };
        }
    }
}
