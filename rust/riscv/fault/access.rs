// SPDX-License-Identifier: GPL-2.0

//! The check of an access against the flags of its VMA: [`access_error`], as in C.
//!
//! Plain logic without kernel or hardware access: this file is also compiled and tested on the
//! host.

/// The flags of a VMA: `vm_flags` in `struct vm_area_struct`.
pub type VmFlags = usize;

/// The VMA may be read.
pub const VM_READ: VmFlags = 1 << 0;
/// The VMA may be written, which implies that it may be read.
pub const VM_WRITE: VmFlags = 1 << 1;
/// Instructions may be fetched from the VMA.
pub const VM_EXEC: VmFlags = 1 << 2;

/// The cause of a page fault: one of the three page-fault exceptions of `scause`.
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
    /// An instruction fetch.
    Fetch = 12,
    /// A load.
    Load = 13,
    /// A store or an atomic operation.
    Store = 15,
}

impl Cause {
    /// The number of causes.
    pub const COUNT: usize = 3;

    /// All causes, each at its [`Cause::index`].
    pub const ALL: [Cause; Self::COUNT] = [Cause::Load, Cause::Store, Cause::Fetch];

    /// Returns the cause for a value of `scause`, or `None` if it is not a page fault.
    #[inline(always)]
    pub const fn from_scause(scause: usize) -> Option<Cause> {
        match scause {
            12 => Some(Cause::Fetch),
            13 => Some(Cause::Load),
            15 => Some(Cause::Store),
            _ => None,
        }
    }

    /// Returns the value of `scause` for this cause.
    #[inline(always)]
    pub const fn scause(self) -> usize {
        self as usize
    }

    /// Returns the index in [`Cause::ALL`].
    #[inline(always)]
    pub const fn index(self) -> usize {
        match self {
            Cause::Load => 0,
            Cause::Store => 1,
            Cause::Fetch => 2,
        }
    }
}

/// Returns whether a VMA with these flags forbids an access that faulted with this cause.
///
/// An instruction fetch needs `VM_EXEC`, a load `VM_READ` or `VM_WRITE`, a store `VM_WRITE`. No
/// other flag matters.
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
