// SPDX-License-Identifier: GPL-2.0

//! The stages of a user page fault under the per-VMA lock, as types: each method consumes one stage
//! and returns the next.
//!
//! ```text
//! Fault --lock--> Locked --check_access--> CheckedAccess
//!   |                                        |
//!   |                                        +--Allowed: keep_locked------------> FaultOutcome
//!   |                                        |
//!   |                                        +--Forbidden: unlock--> Unlocked --> FaultOutcome
//!   |                                                                signal or fall_back
//!   +--fall_back----------------------------------------------------------------> FaultOutcome
//! ```
//!
//! A [`Handler`](super::user) must return a [`FaultOutcome`], which only these methods create. A
//! [`Fault`] represents one trap, and contains its address space and address. So a handler that
//! does not unlock the VMA, or that locks another one, does not compile: see
//! `rust/tests/compile_fail/`. No method sends a signal: C does so after the handler has returned,
//! when no lock is held.
//!
//! Plain logic without kernel or hardware access: this file is also compiled and tested on the
//! host.

use core::marker::PhantomData;

use crate::fault::access::{
    access_error,
    Cause,
    VmFlags, //
};

/// A locked VMA. Dropping it unlocks the VMA.
pub trait LockedVma {
    /// Returns the VMA's flags.
    fn flags(&self) -> VmFlags;
}

/// An address space with per-VMA locks.
pub trait AddressSpace {
    /// A locked VMA of this address space.
    type Vma<'a>: LockedVma
    where
        Self: 'a;

    /// Locks the VMA at `address`. Returns `None` if there is no VMA or it cannot be locked.
    fn lock_vma(&self, address: usize) -> Option<Self::Vma<'_>>;
}

/// The trap that a stage belongs to. Not `Send`: the task that took the trap handles the fault.
#[derive(Debug)]
struct Trap<'a, A> {
    cause: Cause,
    _task: PhantomData<(&'a A, *mut ())>,
}

/// A fault whose VMA is not locked.
#[must_use]
#[derive(Debug)]
pub struct Fault<'a, A> {
    trap: Trap<'a, A>,
    space: &'a A,
    address: usize,
}

/// A fault whose VMA is locked.
#[must_use]
pub struct Locked<'a, A: AddressSpace> {
    trap: Trap<'a, A>,
    vma: A::Vma<'a>,
}

/// A fault whose VMA is locked and allows the access.
#[must_use]
pub struct AllowedAccess<'a, A: AddressSpace + 'a> {
    vma: A::Vma<'a>,
}

/// A fault whose VMA is locked and forbids the access.
#[must_use]
pub struct ForbiddenAccess<'a, A: AddressSpace> {
    trap: Trap<'a, A>,
    vma: A::Vma<'a>,
}

/// A fault whose access is forbidden and whose VMA has been unlocked.
#[must_use]
#[derive(Debug)]
pub struct Unlocked<'a, A> {
    trap: Trap<'a, A>,
}

/// The result of [`Locked::check_access`].
#[must_use]
pub enum CheckedAccess<'a, A: AddressSpace> {
    /// The VMA allows the access.
    Allowed(AllowedAccess<'a, A>),
    /// The VMA forbids the access.
    Forbidden(ForbiddenAccess<'a, A>),
}

/// What a handler returns: the [`Action`] that the fault path takes next.
#[must_use]
pub struct FaultOutcome<'a, A: AddressSpace + 'a>(Action<A::Vma<'a>>, PhantomData<*mut ()>);

/// What the fault path does after a handler has returned.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<V> {
    /// Calls `handle_mm_fault()` with this VMA, which is still locked: the access is allowed.
    HandleMmFault(V),
    /// Sends `SIGSEGV` with `SEGV_ACCERR`: the access is forbidden. No lock is held.
    Signal(Cause),
    /// Falls back to C, which handles the fault under `mmap_lock`. No lock is held.
    FallBack,
}

impl<'a, A: AddressSpace + 'a> FaultOutcome<'a, A> {
    #[inline(always)]
    const fn new(action: Action<A::Vma<'a>>) -> FaultOutcome<'a, A> {
        FaultOutcome(action, PhantomData)
    }

    /// Returns the action.
    #[inline(always)]
    pub fn into_action(self) -> Action<A::Vma<'a>> {
        self.0
    }
}

impl<'a, A: AddressSpace + 'a> Fault<'a, A> {
    /// Creates the fault of a trap, with this cause and address.
    ///
    /// # Safety
    ///
    /// The current task has taken this trap, `space` is its address space, and this is called once
    /// for the trap: if a handler returns a locked VMA, the caller maps a page at `address` for an
    /// access of this kind.
    #[inline(always)]
    pub const unsafe fn new(space: &'a A, address: usize, cause: Cause) -> Fault<'a, A> {
        Fault {
            trap: Trap {
                cause,
                _task: PhantomData,
            },
            space,
            address,
        }
    }

    /// Returns the fault's cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.trap.cause
    }

    /// Locks the VMA at the fault's address.
    ///
    /// # Errors
    ///
    /// Returns the fault if there is no VMA or it cannot be locked.
    #[inline(always)]
    pub fn lock(self) -> Result<Locked<'a, A>, Fault<'a, A>> {
        match self.space.lock_vma(self.address) {
            Some(vma) => Ok(Locked {
                trap: self.trap,
                vma,
            }),
            None => Err(self),
        }
    }

    /// Falls back to C.
    #[inline(always)]
    pub fn fall_back(self) -> FaultOutcome<'a, A> {
        FaultOutcome::new(Action::FallBack)
    }
}

impl<'a, A: AddressSpace + 'a> Locked<'a, A> {
    /// Returns the fault's cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.trap.cause
    }

    /// Checks whether the VMA allows the access, with [`access_error`].
    #[inline(always)]
    pub fn check_access(self) -> CheckedAccess<'a, A> {
        let Locked { trap, vma } = self;

        if access_error(trap.cause, vma.flags()) {
            CheckedAccess::Forbidden(ForbiddenAccess { trap, vma })
        } else {
            CheckedAccess::Allowed(AllowedAccess { vma })
        }
    }
}

impl<'a, A: AddressSpace + 'a> AllowedAccess<'a, A> {
    /// Passes the VMA, still locked, to the fault path, which calls `handle_mm_fault()`.
    #[inline(always)]
    pub fn keep_locked(self) -> FaultOutcome<'a, A> {
        FaultOutcome::new(Action::HandleMmFault(self.vma))
    }
}

impl<'a, A: AddressSpace + 'a> ForbiddenAccess<'a, A> {
    /// Returns the fault's cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.trap.cause
    }

    /// Unlocks the VMA.
    #[inline(always)]
    pub fn unlock(self) -> Unlocked<'a, A> {
        drop(self.vma);
        Unlocked { trap: self.trap }
    }
}

impl<'a, A: AddressSpace + 'a> Unlocked<'a, A> {
    /// Lets the fault path send the signal.
    #[inline(always)]
    pub fn signal(self) -> FaultOutcome<'a, A> {
        FaultOutcome::new(Action::Signal(self.trap.cause))
    }

    /// Falls back to C, which looks the VMA up again.
    #[inline(always)]
    pub fn fall_back(self) -> FaultOutcome<'a, A> {
        FaultOutcome::new(Action::FallBack)
    }
}
