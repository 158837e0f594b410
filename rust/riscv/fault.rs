// SPDX-License-Identifier: GPL-2.0

//! What becomes of a page fault of user mode while its VMA is locked.
//!
//! Plain logic, no machine: this file is also compiled and tested on the host. The machine's side
//! is [`user_fault`](crate::user_fault).
//!
//! First comes what is decided, as values: [`Cause`], [`access_error`], [`Verdict`]. Then comes the
//! order in which a fault goes through its lock, as types, each of which is made from the one before
//! and uses it up:
//!
//! ```text
//! Fault --lock--> Locked --judge--> Judged::Allowed   --keep------------------------> Outcome
//!   |                               Judged::Forbidden --unlock--> Unlocked --report-> Outcome
//!   |                                                                 |
//!   +--back--> Outcome                                                +--back--> Outcome
//! ```
//!
//! There is no other way to an [`Outcome`], which is what the fault path wants in the end, and one
//! trap is one [`Fault`], which has its address space and its address with it. So code that forgets
//! to unlock, or that locks another VMA than the fault's, does not compile;
//! `rust/tests/compile_fail/` shows it. Nothing here reports: that is done with the [`Outcome`], when
//! no lock is held.

use core::marker::PhantomData;

/// Flags of a VMA, as `vm_flags` in `struct vm_area_struct` has them.
pub type VmFlags = usize;

/// The VMA may be read.
pub const VM_READ: VmFlags = 1 << 0;
/// The VMA may be written, which implies that it may be read.
pub const VM_WRITE: VmFlags = 1 << 1;
/// Instructions may be fetched from the VMA.
pub const VM_EXEC: VmFlags = 1 << 2;

/// The exceptions that are page faults, by their numbers in `scause`.
///
/// # Examples
///
/// ```
/// use riscv::fault::Cause;
///
/// assert_eq!(Cause::from_scause(15), Some(Cause::Store));
/// assert_eq!(Cause::from_scause(14), None); // reserved by the ISA
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// An instruction was fetched.
    Fetch = 12,
    /// Data was loaded.
    Load = 13,
    /// Data was stored, or an atomic operation made.
    Store = 15,
}

impl Cause {
    /// The number of causes.
    pub const COUNT: usize = 3;

    /// All of them, each at its [`Cause::index`].
    pub const ALL: [Cause; Self::COUNT] = [Cause::Load, Cause::Store, Cause::Fetch];

    /// The cause with this number in `scause`; `None` if that is not a page fault.
    #[inline(always)]
    pub const fn from_scause(scause: usize) -> Option<Cause> {
        match scause {
            12 => Some(Cause::Fetch),
            13 => Some(Cause::Load),
            15 => Some(Cause::Store),
            _ => None,
        }
    }

    /// Its number in `scause`.
    #[inline(always)]
    pub const fn scause(self) -> usize {
        self as usize
    }

    /// Its place in [`Cause::ALL`].
    #[inline(always)]
    pub const fn index(self) -> usize {
        match self {
            Cause::Load => 0,
            Cause::Store => 1,
            Cause::Fetch => 2,
        }
    }
}

/// Whether a VMA with these flags forbids an access that faulted with this cause.
///
/// An instruction fetch needs `VM_EXEC`, a load `VM_READ` or `VM_WRITE`, a store `VM_WRITE`. No
/// other flag changes that.
///
/// # Examples
///
/// ```
/// use riscv::fault::{access_error, Cause, VM_READ, VM_WRITE};
///
/// assert!(access_error(Cause::Store, VM_READ));
/// assert!(!access_error(Cause::Load, VM_WRITE));
/// ```
#[inline(always)]
pub const fn access_error(cause: Cause, flags: VmFlags) -> bool {
    let needed = match cause {
        Cause::Fetch => VM_EXEC,
        Cause::Load => VM_READ | VM_WRITE,
        Cause::Store => VM_WRITE,
    };

    flags & needed == 0
}

/// What a task is told about an access that its VMA forbids.
///
/// Always `SIGSEGV` with `SEGV_ACCERR`: there is a mapping, but not for this. (`SEGV_MAPERR` is for
/// addresses without one.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    address: usize,
    cause: Cause,
}

impl Report {
    /// `SIGSEGV`.
    #[inline(always)]
    pub const fn signal(&self) -> i32 {
        11
    }

    /// `SEGV_ACCERR`, for `si_code`.
    #[inline(always)]
    pub const fn code(&self) -> i32 {
        2
    }

    /// The address that was accessed, for `si_addr`.
    #[inline(always)]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// The hardware's cause, for `thread.bad_cause`.
    #[inline(always)]
    pub const fn bad_cause(&self) -> usize {
        self.cause.scause()
    }
}

/// What is to become of a fault.
///
/// # Examples
///
/// ```
/// use riscv::fault::{Verdict, VM_READ};
///
/// let Verdict::Report(report) = Verdict::of(15, VM_READ, 0x1000) else {
///     panic!();
/// };
/// assert_eq!((report.signal(), report.code()), (11, 2));
/// assert_eq!((report.address(), report.bad_cause()), (0x1000, 15));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The VMA allows the access: the page is to be provided.
    CarryOn,
    /// The VMA forbids the access.
    Report(Report),
    /// The cause is not that of a page fault.
    NotOurs,
}

impl Verdict {
    /// The verdict on a fault with this number in `scause`, at this address, in a VMA with these
    /// flags. Any context.
    #[inline(always)]
    pub const fn of(scause: usize, flags: VmFlags, address: usize) -> Verdict {
        match Cause::from_scause(scause) {
            None => Verdict::NotOurs,
            Some(cause) if access_error(cause, flags) => Verdict::Report(Report { address, cause }),
            Some(_) => Verdict::CarryOn,
        }
    }
}

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
