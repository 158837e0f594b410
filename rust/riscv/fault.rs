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
//! There is no other way to an [`Outcome`], which is what the fault path wants in the end. So code
//! that forgets to unlock, or that reports while it holds the lock, does not compile;
//! `rust/tests/compile_fail/` shows it.

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

/// How a report reaches the task and the statistics. [`Unlocked::report`] is the only caller.
pub trait Reporter {
    /// The address that was accessed: asked for again, as keeping it for the few faults that are
    /// forbidden would cost those that are not.
    fn address(&self) -> usize;
    /// Counts a fault that was dealt with under its VMA's lock: `VMA_LOCK_SUCCESS`. Notes why the
    /// task gets a signal.
    fn note(&self, cause: usize);
    /// Sends the signal.
    fn signal(&self, report: &Report);
}

/// A fault. No lock is held.
#[must_use]
#[derive(Debug)]
pub struct Fault {
    cause: Cause,
}

/// A fault whose VMA is locked.
#[must_use]
pub struct Locked<V> {
    cause: Cause,
    vma: V,
}

/// A fault whose VMA is locked and allows it.
#[must_use]
pub struct Allowed<V> {
    vma: V,
}

/// A fault whose VMA is locked and forbids it.
#[must_use]
pub struct Forbidden<V> {
    cause: Cause,
    vma: V,
}

/// A fault that was forbidden, and whose VMA is no longer locked.
#[must_use]
#[derive(Debug)]
pub struct Unlocked {
    cause: Cause,
}

/// A [`Locked`] fault, judged.
#[must_use]
pub enum Judged<V> {
    /// The VMA allows the access.
    Allowed(Allowed<V>),
    /// The VMA forbids the access.
    Forbidden(Forbidden<V>),
}

/// What has become of a fault.
#[must_use]
pub struct Outcome<V>(End<V>);

/// The content of an [`Outcome`].
#[derive(Debug, PartialEq, Eq)]
pub enum End<V> {
    /// The access is allowed; the VMA is still locked.
    CarryOn(V),
    /// The access was forbidden, and that was reported. No lock is held.
    Reported,
    /// Somebody else has to see to it. No lock is held.
    Back,
}

impl<V> Outcome<V> {
    /// Takes it apart.
    #[inline(always)]
    pub fn into_end(self) -> End<V> {
        self.0
    }
}

impl Fault {
    /// A fault with this cause. One trap is one fault: it is made once.
    #[inline(always)]
    pub const fn new(cause: Cause) -> Fault {
        Fault { cause }
    }

    /// Its cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Goes on under the lock of its VMA, if `lock` gets it.
    #[inline(always)]
    pub fn lock<V>(self, lock: impl FnOnce() -> Option<V>) -> Result<Locked<V>, Fault> {
        match lock() {
            Some(vma) => Ok(Locked {
                cause: self.cause,
                vma,
            }),
            None => Err(self),
        }
    }

    /// Leaves it to somebody else.
    #[inline(always)]
    pub fn back<V>(self) -> Outcome<V> {
        Outcome(End::Back)
    }
}

impl<V: LockedVma> Locked<V> {
    /// The fault's cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Asks the VMA.
    #[inline(always)]
    pub fn judge(self) -> Judged<V> {
        let Locked { cause, vma } = self;

        if access_error(cause, vma.flags()) {
            Judged::Forbidden(Forbidden { cause, vma })
        } else {
            Judged::Allowed(Allowed { vma })
        }
    }
}

impl<V> Allowed<V> {
    /// Hands the locked VMA on.
    #[inline(always)]
    pub fn keep(self) -> Outcome<V> {
        Outcome(End::CarryOn(self.vma))
    }
}

impl<V> Forbidden<V> {
    /// The fault's cause.
    #[inline(always)]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Unlocks the VMA.
    #[inline(always)]
    pub fn unlock(self) -> Unlocked {
        drop(self.vma);
        Unlocked { cause: self.cause }
    }
}

impl Unlocked {
    /// Reports the access. The only place that acts.
    #[inline(always)]
    pub fn report<V>(self, reporter: &impl Reporter) -> Outcome<V> {
        let report = Report {
            address: reporter.address(),
            cause: self.cause,
        };

        reporter.note(report.bad_cause());
        reporter.signal(&report);
        Outcome(End::Reported)
    }

    /// Leaves it to somebody else, who will look the VMA up again.
    #[inline(always)]
    pub fn back<V>(self) -> Outcome<V> {
        Outcome(End::Back)
    }
}
