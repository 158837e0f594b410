// SPDX-License-Identifier: GPL-2.0
// expect: E0599: no method named `signal`

//! Signals the task while the VMA is locked.

mod common;

use common::*;

pub fn handle(forbidden: ForbiddenAccess<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    {
        forbidden.unlock().signal()
    }
    #[cfg(misuse)]
    {
        forbidden.signal()
    }
}
