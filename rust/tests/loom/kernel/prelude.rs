// SPDX-License-Identifier: GPL-2.0

//! `kernel::prelude`.

pub use crate::{
    alloc::{
        flags::GFP_KERNEL,
        KBox,
        KVVec, //
    },
    error::{
        Error,
        Result,
        EBUSY,
        EINVAL,
        ENODEV,
        ENOMEM, //
    },
    pr_notice, //
};

/// Nothing is logged.
#[macro_export]
macro_rules! pr_notice {
    ($($argument:tt)*) => {{
        let _ = format_args!($($argument)*);
    }};
}
