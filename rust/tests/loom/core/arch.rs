// SPDX-License-Identifier: GPL-2.0

//! Replacements for the inline assembly of the sources.

use crate::weaken::{
    self,
    Fence, //
};

#[doc(hidden)]
#[track_caller]
pub const unsafe fn nothing() {}

/// A compiler barrier: a fence, as observed by an interrupt handler of the thread.
#[doc(hidden)]
#[track_caller]
pub unsafe fn compiler_barrier() {
    weaken::fence("barrier", Fence::Both);
}

/// The instructions that the sources use, each with a pattern of its own.
#[macro_export]
macro_rules! loom_asm {
    ("", options($($option:ident),*)) => {
        $crate::arch::compiler_barrier()
    };
    // Models do not fetch instructions: a read stands for a fetch.
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
