// SPDX-License-Identifier: GPL-2.0

//! The barriers of the `kernel` crate, for Linux 7.2, whose barriers are for CPUs only, and
//! untyped.
//!
//! The names and meanings are those of `kernel::sync::barrier` of Linux 7.3; the instructions those
//! of [`arch/riscv/include/asm/barrier.h`](srctree/arch/riscv/include/asm/barrier.h).

pub use kernel::sync::atomic::Full;

/// Orders earlier loads before later loads.
pub struct Read;

/// Orders earlier stores before later stores.
pub struct Write;

/// The accesses that a barrier orders: [`Full`], [`Read`] or [`Write`].
pub trait Ordering: sealed::Sealed {
    /// The barrier for memory, between CPUs.
    fn memory();

    /// The barrier for memory and devices.
    fn devices();
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! impl_ordering {
    ($($ty:ty: $memory:literal, $devices:literal;)*) => {
        $(
            impl sealed::Sealed for $ty {}

            impl Ordering for $ty {
                #[inline(always)]
                fn memory() {
                    // SAFETY: A fence only orders. Without `nomem` it is a compiler barrier, too.
                    unsafe { core::arch::asm!($memory, options(nostack, preserves_flags)) };
                }

                #[inline(always)]
                fn devices() {
                    // SAFETY: A fence only orders. Without `nomem` it is a compiler barrier, too.
                    unsafe { core::arch::asm!($devices, options(nostack, preserves_flags)) };
                }
            }
        )*
    };
}

impl_ordering! {
    // litmus: wake-up, message, doorbell, completion
    Full: "fence rw,rw", "fence iorw,iorw";
    Read: "fence r,r", "fence ir,ir";
    Write: "fence w,w", "fence ow,ow";
}

/// Memory barrier between CPUs. Any context.
#[inline(always)]
pub fn smp_mb<T: Ordering>(_: T) {
    T::memory();
}

/// Memory barrier for CPUs and devices. Any context.
#[inline(always)]
pub fn mb<T: Ordering>(_: T) {
    T::devices();
}

/// Memory barrier between this CPU and devices that share coherent memory with it. Any context.
#[inline(always)]
pub fn dma_mb<T: Ordering>(_: T) {
    T::devices();
}
