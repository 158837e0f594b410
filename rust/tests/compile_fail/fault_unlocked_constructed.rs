// SPDX-License-Identifier: GPL-2.0
// expect: E0451: field `trap` of struct `stage::Unlocked` is private
// expect: type `Trap<'_, common::Mm>` is private
// expect: type `Trap<'_, common::Mm>` is private

//! Creates an `Unlocked` by hand, with the VMA still locked.

mod common;

use common::*;

pub fn handle(forbidden: ForbiddenAccess<'_, Mm>) -> FaultOutcome<'_, Mm> {
    #[cfg(not(misuse))]
    {
        forbidden.unlock().signal()
    }
    #[cfg(misuse)]
    {
        core::mem::forget(forbidden);
        let trap = unreachable!();
        Unlocked { trap }.signal()
    }
}
