// SPDX-License-Identifier: GPL-2.0
// expect: E0599: no method named `fall_back`

//! Falls back to C while the VMA is locked.

mod common;

use common::*;

pub fn handle(forbidden: ForbiddenAccess<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    {
        forbidden.unlock().signal()
    }
    #[cfg(misuse)]
    {
        forbidden.fall_back()
    }
}
