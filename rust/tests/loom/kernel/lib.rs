// SPDX-License-Identifier: GPL-2.0

//! The parts of the `kernel` crate that our sources use, for loom.

// The documentation is that of the real crate.
#![allow(clippy::new_without_default, clippy::missing_safety_doc)]

pub mod alloc;
pub mod bindings;
pub mod error;
pub mod mm;
pub mod prelude;
pub mod sync {
    //! Memory that threads share.

    pub mod atomic;
    pub mod barrier;
}
pub mod transmute;
pub mod types;

pub mod ffi {
    //! `kernel::ffi`.

    pub use std::ffi::{
        c_int,
        c_uint,
        c_void, //
    };

    #[allow(non_camel_case_types)]
    pub type c_ulong = usize;
}

pub use std::fmt;
