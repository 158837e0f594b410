// SPDX-License-Identifier: GPL-2.0
// expect: E0599: no method named `keep_locked`

//! Provides a page for an access that the VMA forbids.

mod common;

use common::*;

pub fn handle(forbidden: ForbiddenAccess<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    {
        forbidden.unlock().signal()
    }
    #[cfg(misuse)]
    {
        forbidden.keep_locked()
    }
}
