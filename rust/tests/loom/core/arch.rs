// SPDX-License-Identifier: GPL-2.0

//! The inline assembly of the sources.

use crate::weaken::{
    self,
    Fence, //
};

#[doc(hidden)]
#[track_caller]
pub const unsafe fn nothing() {}

/// A compiler barrier: a fence for whoever can interrupt the thread.
#[doc(hidden)]
#[track_caller]
pub unsafe fn compiler_barrier() {
    weaken::fence("barrier", Fence::Both);
}

/// The instructions that there are, each by its own pattern.
#[macro_export]
macro_rules! loom_asm {
    ("", options($($option:ident),*)) => {
        $crate::arch::compiler_barrier()
    };
    // Instructions are fetched from nowhere here: a read stands for a fetch.
    ("fence.i", options($($option:ident),*)) => {
        $crate::arch::nothing()
    };
    // No time passes.
    ("rdtime {}", out(reg) $ticks:ident, options($($option:ident),*)) => {{
        $crate::arch::nothing();
        $ticks = 0
    }};
}

pub use loom_asm as asm;
