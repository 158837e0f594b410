// SPDX-License-Identifier: GPL-2.0
// expect: E0308: mismatched types

//! Returns nothing after the access was found forbidden, with the VMA still locked.

mod common;

use common::*;

pub fn handle(forbidden: ForbiddenAccess<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    {
        forbidden.unlock().signal()
    }
    #[cfg(misuse)]
    {
        let _ = forbidden;
    }
}
