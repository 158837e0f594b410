// SPDX-License-Identifier: GPL-2.0

//! Whether a VMA allows an access, and what the task is told about one that it forbids.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.

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
/// use riscv::fault::access::Cause;
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
/// use riscv::fault::access::{access_error, Cause, VM_READ, VM_WRITE};
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
/// use riscv::fault::access::{VM_READ, Verdict};
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
