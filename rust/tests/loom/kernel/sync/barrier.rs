// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::barrier`, by loom's fences.

use loom_core::weaken::{
    fence,
    Fence, //
};

pub use super::atomic::Full;

pub struct Read;

pub struct Write;

/// The accesses that a barrier orders.
pub trait Ordering {
    const FENCE: Fence;
    const NAME: &'static str;
}

macro_rules! orderings {
    ($($name:ident)*) => {
        $(impl Ordering for $name {
            const FENCE: Fence = Fence::$name;
            const NAME: &'static str = stringify!($name);
        })*
    };
}

orderings!(Full Read Write);

#[track_caller]
pub fn smp_mb<T: Ordering>(_: T) {
    fence(&format!("smp_mb({})", T::NAME), T::FENCE);
}

#[track_caller]
pub fn mb<T: Ordering>(_: T) {
    fence(&format!("mb({})", T::NAME), T::FENCE);
}

#[track_caller]
pub fn dma_mb<T: Ordering>(_: T) {
    fence(&format!("dma_mb({})", T::NAME), T::FENCE);
}
