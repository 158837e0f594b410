// SPDX-License-Identifier: GPL-2.0

//! Barriers that the `kernel` crate does not have, and the patterns that barriers are for.
//!
//! A barrier alone is never right or wrong: it has to meet another one on the other side. So what
//! is here, beside [`barrier`], [`smp_store_mb`] and the `kernel` crate's own ([`smp_mb`], [`mb`],
//! [`dma_mb`]), is both sides of a pattern in one type:
//!
//! - [`wake_up`]: a sleeper says so, then looks; a waker sets the condition, then looks;
//! - [`cancel`]: a worker says so, then looks; a canceller sets the flag, then looks;
//! - [`message`]: data, then a flag;
//! - [`doorbell`]: descriptors for a device, then its register; and back;
//! - [`same_cpu`]: a task and an interrupt handler of its own CPU.
//!
//! `Documentation/choosing-a-barrier.rst` says which to choose; what goes wrong without the
//! barriers is in `Documentation/litmus-tests/`, one test for each ordering here.

use kernel::sync::atomic::{
    Atomic,
    AtomicType,
    Relaxed, //
};

#[cfg(rust_riscv_barriers)]
pub use kernel::sync::barrier::{
    dma_mb,
    mb,
    smp_mb,
    Full,
    Read,
    Write, //
};

#[cfg(not(rust_riscv_barriers))]
pub use fences::{
    dma_mb,
    mb,
    smp_mb,
    Full,
    Read,
    Write, //
};

pub mod cancel;
pub mod doorbell;
#[cfg(not(rust_riscv_barriers))]
mod fences;
pub mod message;
pub mod same_cpu;
pub mod wake_up;

/// Keeps the compiler from moving memory accesses across.
///
/// Becomes no instruction: other CPUs and devices may see the accesses in another order. It is
/// enough between a task and an interrupt handler of the same CPU.
///
/// Like every barrier, it says nothing about memory that is reached through a `&mut`: nobody else
/// has one, so nobody else could tell. What is shared is an [`Atomic`] or an `UnsafeCell`.
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use riscv::barrier::barrier;
///
/// let (data, ready) = (Atomic::new(0), Atomic::new(0));
///
/// data.store(1, Relaxed);
/// barrier();
/// ready.store(1, Relaxed); // An interrupt handler of this CPU that sees it sees the data.
/// # assert_eq!((data.load(Relaxed), ready.load(Relaxed)), (1, 1));
/// ```
#[inline(always)]
pub fn barrier() {
    // SAFETY: No instruction. Without `nomem` it stands for any access to memory.
    unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
}

/// Types that [`smp_store_mb`] stores. (What [`Atomic::store`] wants of them has no public name.)
pub trait Store: AtomicType {
    /// Stores `value` without ordering.
    fn store_relaxed(atomic: &Atomic<Self>, value: Self);
}

macro_rules! impl_store {
    ($($ty:ty),*) => {
        $(impl Store for $ty {
            #[inline(always)]
            fn store_relaxed(atomic: &Atomic<$ty>, value: $ty) {
                atomic.store(value, Relaxed);
            }
        })*
    };
}

impl_store!(bool, i8, i16, i32, i64, isize, u32, u64, usize);

/// Stores, then orders the store before whatever follows: loads, too.
///
/// No other ordering does that: a release store may still be on its way when a later load is done.
///
/// C header: [`include/asm-generic/barrier.h`](srctree/include/asm-generic/barrier.h)
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use riscv::barrier::smp_store_mb;
///
/// let (asleep, condition) = (Atomic::new(false), Atomic::new(true));
///
/// smp_store_mb(&asleep, true);
/// assert!(condition.load(Relaxed)); // Looked at only after `asleep` was set.
/// ```
#[inline(always)]
pub fn smp_store_mb<T: Store>(atomic: &Atomic<T>, value: T) {
    T::store_relaxed(atomic, value);
    // litmus: wake-up, cancel
    smp_mb(Full);
}
