// SPDX-License-Identifier: GPL-2.0

//! `kernel::error`.

use crate::ffi::c_int;

/// An error's number, negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(c_int);

pub type Result<T = (), E = Error> = std::result::Result<T, E>;

impl Error {
    pub const fn from_errno(errno: c_int) -> Error {
        Error(errno)
    }

    pub const fn to_errno(self) -> c_int {
        self.0
    }
}

pub fn to_result(errno: c_int) -> Result {
    if errno < 0 {
        Err(Error(errno))
    } else {
        Ok(())
    }
}

macro_rules! errors {
    ($($name:ident: $number:literal;)*) => {
        $(pub const $name: Error = Error(-$number);)*
    };
}

errors! {
    ENOMEM: 12;
    EBUSY: 16;
    ENODEV: 19;
    EINVAL: 22;
}
