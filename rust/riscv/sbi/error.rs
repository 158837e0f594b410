// SPDX-License-Identifier: GPL-2.0

//! Errors of SBI calls.
//!
//! Plain logic, no machine: this file is also compiled and tested on the host.

/// Why the SBI implementation refused, from "Binary Encoding" of the SBI specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum SbiError {
    /// It failed, and says no more than that.
    Failed = -1,
    /// There is no such extension or function.
    NotSupported = -2,
    /// A parameter is wrong, such as a hart that does not exist.
    InvalidParam = -3,
    /// It is not allowed.
    Denied = -4,
    /// An address is wrong.
    InvalidAddress = -5,
    /// It is there already.
    AlreadyAvailable = -6,
    /// It was started already.
    AlreadyStarted = -7,
    /// It was stopped already.
    AlreadyStopped = -8,
    /// Shared memory was not given.
    NoSharedMemory = -9,
    /// Not in this state.
    InvalidState = -10,
    /// A range is wrong.
    BadRange = -11,
    /// It took too long.
    Timeout = -12,
    /// Input or output failed.
    Io = -13,
    /// It was locked, and so is not allowed.
    DeniedLocked = -14,
    /// An error that the specification did not have when this was written.
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

    /// What a call returned in `a0`: 0 is no error.
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
