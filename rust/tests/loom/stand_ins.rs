// SPDX-License-Identifier: GPL-2.0

//! Minimal replacements for our own code that the sources need and that cannot run here.

/// `riscv::online_cpus()`.
pub fn online_cpus() -> u32 {
    // SAFETY: `num_online_cpus()` may be called in any context.
    unsafe { crate::bindings::rust_riscv_num_online_cpus() }
}

/// Replacements for files of `riscv::text`.
pub mod in_text {
    #[cfg(rust_riscv_text_hooks)]
    pub use crate::engine::read;

    pub mod window {
        /// A token that shows that the window is closed. Here there is no window.
        pub struct Closed;
    }

    #[cfg(rust_riscv_text_hooks)]
    pub mod commit {
        #[derive(Clone, Copy, Debug)]
        pub struct Failure {
            pub errno: kernel::ffi::c_int,
            pub addr: usize,
        }

        impl kernel::fmt::Display for Failure {
            fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
                write!(f, "error {} at {:#x}", self.errno, self.addr)
            }
        }

        impl From<kernel::error::Error> for Failure {
            fn from(error: kernel::error::Error) -> Failure {
                Failure {
                    errno: error.to_errno(),
                    addr: 0,
                }
            }
        }
    }
}

#[cfg(rust_riscv_text_hooks)]
pub use hooked::*;

#[cfg(rust_riscv_text_hooks)]
mod hooked {
    /// `riscv::may_log()`.
    pub fn may_log() -> bool {
        false
    }

    /// `crate::stats`: nothing is counted.
    pub mod stats {
        #[derive(Clone, Copy, Debug)]
        pub enum Call {
            Write,
            Set,
            Patch,
            Queue,
        }

        impl Call {
            pub fn name(self) -> &'static str {
                ""
            }
        }

        pub struct Stats;

        pub static STATS: Stats = Stats;

        impl Stats {
            pub fn count_calls(&self, _call: Call, _edits: usize) {}

            pub fn count_fallback(&self) {}

            pub fn count_error(&self, _errno: kernel::ffi::c_int) {}
        }
    }
}
