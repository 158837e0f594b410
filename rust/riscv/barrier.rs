// SPDX-License-Identifier: GPL-2.0

//! Memory barriers that the `kernel` crate does not have, and the patterns that use them.
//!
//! A barrier has to be paired with another one on the other side. Besides [`barrier`],
//! [`smp_store_mb`] and the `kernel` crate's own ([`smp_mb`], [`mb`], [`dma_mb`]), this module has
//! types that contain both sides of a pattern:
//!
//! - [`wake_up`]: store buffering between a sleeper and a waker;
//! - [`cancel`]: store buffering between a worker and a canceller;
//! - [`message`]: message passing, data and then a flag;
//! - [`doorbell`]: DMA descriptors and a device's register, in both directions;
//! - [`same_cpu`]: a task and an interrupt handler on the same CPU.
//!
//! `Documentation/choosing-a-barrier.rst` says which to choose. `Documentation/litmus-tests/` has a
//! test for each ordering here, which shows what goes wrong without it.

use kernel::sync::atomic::{
    Atomic,
    AtomicType,
    Relaxed, //
};

#[cfg(rust_riscv_barriers)]
use kernel::sync::barrier as fences;

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

/// A compiler barrier: the compiler moves no memory access across it.
///
/// It emits no instruction: other CPUs and devices may see the accesses in another order. It is
/// sufficient between a task and an interrupt handler on the same CPU.
///
/// Like every barrier, it does not order accesses through a `&mut`, which the compiler may assume
/// have no other observer. Shared memory has to be an [`Atomic`] or an `UnsafeCell`.
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
    // SAFETY: The `asm!` contains no instruction. Without `nomem`, the compiler must assume that it
    // accesses any memory.
    unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
}

/// The types that [`smp_store_mb`] can store. (The trait that [`Atomic::store`] requires of them is
/// private.)
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

/// Stores `value`, followed by a full barrier: the store is ordered before all later accesses,
/// including loads.
///
/// A release store is not enough for that: it may become visible after a later load was performed.
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
/// assert!(condition.load(Relaxed)); // Read only after `asleep` was set.
/// ```
#[inline(always)]
pub fn smp_store_mb<T: Store>(atomic: &Atomic<T>, value: T) {
    T::store_relaxed(atomic, value);
    // litmus: wake-up, cancel
    smp_mb(Full);
}
