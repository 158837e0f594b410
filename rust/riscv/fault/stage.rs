// SPDX-License-Identifier: GPL-2.0

//! The stages of a page fault of user mode, as types: each is made from the one before, and uses it
//! up.
//!
//! ```text
//! Fault --lock--> Locked --judge--> Judged::Allowed   --keep------------------------> Outcome
//!   |                               Judged::Forbidden --unlock--> Unlocked --report-> Outcome
//!   |                                                                 |
//!   +--back--> Outcome                                                +--back--> Outcome
//! ```
//!
//! There is no other way to an [`Outcome`], which is what the fault path needs in the end, and one
//! trap is one [`Fault`], together with its address space and its address. So code that forgets to
//! unlock, or that locks another VMA than that of the fault, does not compile;
//! `rust/tests/compile_fail/` shows it. Nothing here sends a signal: that is done with the
//! [`Outcome`], when no lock is held.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.

use core::marker::PhantomData;

use crate::fault::access::{
    access_error,
    Cause,
    VmFlags, //
};

/// A VMA that is locked for as long as the value lives.
pub trait LockedVma {
    /// Its flags.
    fn flags(&self) -> VmFlags;
}

/// An address space whose VMAs can be locked one by one.
pub trait AddressSpace {
    /// One of its VMAs, locked.
    type Vma<'a>: LockedVma
    where
        Self: 'a;

    /// Locks the VMA at an address; `None` if there is none, or its lock cannot be had.
    fn lock_vma(&self, address: usize) -> Option<Self::Vma<'_>>;
}

/// What all that a fault becomes goes on with: one trap of one task, which it cannot leave.
#[derive(Debug)]
struct Trap<'a, A> {
    cause: Cause,
    _task: PhantomData<(&'a A, *mut ())>,
}

/// A fault. No lock is held.
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

/// A fault whose VMA is locked and allows it.
#[must_use]
pub struct Allowed<'a, A: AddressSpace + 'a> {
    vma: A::Vma<'a>,
}

/// A fault whose VMA is locked and forbids it.
#[must_use]
pub struct Forbidden<'a, A: AddressSpace> {
    trap: Trap<'a, A>,
    vma: A::Vma<'a>,
}

/// A fault that was forbidden, and whose VMA is no longer locked.
#[must_use]
#[derive(Debug)]
pub struct Unlocked<'a, A> {
    trap: Trap<'a, A>,
}

/// A [`Locked`] fault, judged.
#[must_use]
pub enum Judged<'a, A: AddressSpace> {
    /// The VMA allows the access.
    Allowed(Allowed<'a, A>),
    /// The VMA forbids the access.
    Forbidden(Forbidden<'a, A>),
}

/// What has become of a fault.
#[must_use]
pub struct Outcome<'a, A: AddressSpace + 'a>(End<A::Vma<'a>>, PhantomData<*mut ()>);

/// The content of an [`Outcome`].
#[derive(Debug, PartialEq, Eq)]
pub enum End<V> {
    /// The access is allowed; the VMA is still locked.
    CarryOn(V),
    /// The access was forbidden, and is to be reported. No lock is held.
    Report(Cause),
    /// Somebody else has to see to it. No lock is held.
    Back,
}

impl<'a, A: AddressSpace + 'a> Outcome<'a, A> {
    #[inline(always)]
    const fn new(end: End<A::Vma<'a>>) -> Outcome<'a, A> {
        Outcome(end, PhantomData)
    }

    /// Takes it apart.
    #[inline(always)]
    pub fn into_end(self) -> End<A::Vma<'a>> {
        self.0
    }
}

impl<'a, A: AddressSpace + 'a> Fault<'a, A> {
    /// A fault with this cause, at this address.
    ///
    /// # Safety
    ///
    /// The current task has trapped with it, `space` is that task's, and no other `Fault` is made
    /// of the trap: who gets a locked VMA provides a page at this address for an access of this
    /// kind.
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

    /// Its cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.trap.cause
    }

    /// Goes on under the lock of the VMA at its address.
    ///
    /// # Errors
    ///
    /// The fault itself: there is no VMA, or its lock cannot be had.
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

    /// Leaves it to somebody else.
    #[inline(always)]
    pub fn back(self) -> Outcome<'a, A> {
        Outcome::new(End::Back)
    }
}

impl<'a, A: AddressSpace + 'a> Locked<'a, A> {
    /// The fault's cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.trap.cause
    }

    /// Asks the VMA.
    #[inline(always)]
    pub fn judge(self) -> Judged<'a, A> {
        let Locked { trap, vma } = self;

        if access_error(trap.cause, vma.flags()) {
            Judged::Forbidden(Forbidden { trap, vma })
        } else {
            Judged::Allowed(Allowed { vma })
        }
    }
}

impl<'a, A: AddressSpace + 'a> Allowed<'a, A> {
    /// Hands the locked VMA on.
    #[inline(always)]
    pub fn keep(self) -> Outcome<'a, A> {
        Outcome::new(End::CarryOn(self.vma))
    }
}

impl<'a, A: AddressSpace + 'a> Forbidden<'a, A> {
    /// The fault's cause.
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
    /// Has the access reported, by whoever takes the [`Outcome`].
    #[inline(always)]
    pub fn report(self) -> Outcome<'a, A> {
        Outcome::new(End::Report(self.trap.cause))
    }

    /// Leaves it to somebody else, who will look the VMA up again.
    #[inline(always)]
    pub fn back(self) -> Outcome<'a, A> {
        Outcome::new(End::Back)
    }
}
