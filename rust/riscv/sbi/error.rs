// SPDX-License-Identifier: GPL-2.0

//! Errors of SBI calls.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.

/// The error of an SBI call, from "Binary Encoding" of the SBI specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum SbiError {
    /// Failed for an unspecified reason.
    Failed = -1,
    /// The extension or the function is not supported.
    NotSupported = -2,
    /// A parameter is invalid, such as a hart that does not exist.
    InvalidParam = -3,
    /// Denied, or not allowed.
    Denied = -4,
    /// An address is invalid.
    InvalidAddress = -5,
    /// Already available.
    AlreadyAvailable = -6,
    /// Already started.
    AlreadyStarted = -7,
    /// Already stopped.
    AlreadyStopped = -8,
    /// Shared memory is not available.
    NoSharedMemory = -9,
    /// Not possible in the current state.
    InvalidState = -10,
    /// A range is invalid.
    BadRange = -11,
    /// Timed out.
    Timeout = -12,
    /// An input or output error.
    Io = -13,
    /// Denied, because the resource is locked.
    DeniedLocked = -14,
    /// An error code that is not in this list.
    Unknown = -128,
}

impl SbiError {
    const ALL: [SbiError; 14] = [
        SbiError::Failed,
        SbiError::NotSupported,
        SbiError::InvalidParam,
        SbiError::Denied,
        SbiError::InvalidAddress,
        SbiError::AlreadyAvailable,
        SbiError::AlreadyStarted,
        SbiError::AlreadyStopped,
        SbiError::NoSharedMemory,
        SbiError::InvalidState,
        SbiError::BadRange,
        SbiError::Timeout,
        SbiError::Io,
        SbiError::DeniedLocked,
    ];

    /// Converts the error code that a call returned in `a0`; 0 is success.
    pub fn check(code: isize) -> Result<(), SbiError> {
        if code == 0 {
            return Ok(());
        }
        Err(Self::ALL
            .into_iter()
            .find(|&error| error as isize == code)
            .unwrap_or(SbiError::Unknown))
    }
}
