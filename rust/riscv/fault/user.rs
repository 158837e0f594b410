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
    /// The functions are called in an RCU read-side critical section, for whose end unregistering
    /// the handler waits. They must not sleep in it and must not end it: RCU may not wait for a task
    /// that sleeps, and the module's text could be freed while the task is in it. (Waiting for a
    /// spinlock is allowed, also where it sleeps, on `PREEMPT_RT`: RCU waits for such a reader.)
    pub unsafe trait Handler {
        /// Handles a fault.
        ///
        /// # Context
        ///
        /// The task that has the fault, interrupts on, in an RCU read-side critical section, no
        /// lock held. Must not sleep.
        fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser>;

        /// Records a trap whose cause is not a page fault; the fault path then falls back to C. Same
        /// context as [`Handler::handle`].
        fn unknown_cause(scause: usize, address: usize);
    }

    /// Handles a fault whose cause is a constant at the call.
    ///
    /// # Safety
    ///
    /// That of [`handle_user_fault`], with `mm` in place of the pointer; called once for each trap.
    #[inline(always)]
    unsafe fn handle_cause<H: Handler>(
        mm: &MmWithUser,
        address: usize,
        cause: Cause,
    ) -> *mut vm_area_struct {
        // SAFETY: The caller guarantees that the current task has taken this trap, that `mm` is its
        // address space, and that this is called once for the trap. It provides the page.
        let fault = unsafe { Fault::new(mm, address, cause) };

        match H::handle(fault).into_action() {
            Action::HandleMmFault(guard) => {
                let vma = guard.as_ptr();

                // The caller unlocks the VMA.
                forget(guard);
                vma
            }
            Action::Signal(cause) => {
                // In C since `task_struct.thread` has a wrong offset in the kernel crate's bindings.
                // SAFETY: The helper increments a per-CPU counter and writes a field of the current
                // task, which any task may do: this is process context.
                unsafe { bindings::rust_riscv_note_forbidden(cause.scause()) };
                FORBIDDEN
            }
            Action::FallBack => null_mut(),
        }
    }

    /// Handles an instruction fetch, the rarest cause: out of line, so that it is tested for last.
    ///
    /// # Safety
    ///
    /// That of [`handle_cause`].
    #[cold]
    #[inline(never)]
    unsafe fn handle_fetch<H: Handler>(mm: &MmWithUser, address: usize) -> *mut vm_area_struct {
        // SAFETY: The caller upholds the same contract.
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
        // SAFETY: The caller passes the `mm` of the current task, which is a user of it until after
        // this returns; or a test's, which has users.
        let mm = unsafe { MmWithUser::from_raw(mm) };

        // One copy of the code for each cause, so that the cause takes up no register.
        match Cause::from_scause(scause) {
            // SAFETY: The caller upholds the same contract, and one of the three is called.
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
        /// The result is dropped before the module with the code of `H` is unloaded: it must not be
        /// leaked, as by `mem::forget()`, or the kernel would call code that was freed.
        ///
        /// # Context
        ///
        /// Sleeps.
        pub unsafe fn new() -> Result<Self> {
            let provider = &Self::PROVIDER;

            // SAFETY: The provider is static, and the caller guarantees that it is unregistered
            // before the module that contains it is unloaded.
            to_result(unsafe { bindings::riscv_fault_provider_register(provider) })?;
            Ok(HandlerRegistration {
                provider,
                _handler: PhantomData,
            })
        }
    }

    impl<H: Handler> Drop for HandlerRegistration<H> {
        /// Unregisters `H`. When it returns, no task is in `H`: each call is an RCU read-side
        /// critical section, and an RCU grace period has ended. Sleeps.
        fn drop(&mut self) {
            // SAFETY: `new()` registered this provider.
            unsafe { bindings::riscv_fault_provider_unregister(self.provider) };
        }
    }
}
