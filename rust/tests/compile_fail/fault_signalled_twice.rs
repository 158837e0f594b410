// SPDX-License-Identifier: GPL-2.0
// expect: E0382: use of moved value: `unlocked`

//! Signals the task twice.

mod common;

use common::*;

pub fn handle(forbidden: ForbiddenAccess<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    {
        forbidden.unlock().signal()
    }
    #[cfg(misuse)]
    {
        let unlocked = forbidden.unlock();
        let _ = unlocked.signal();
        unlocked.signal()
    }
}
