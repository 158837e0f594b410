// SPDX-License-Identifier: GPL-2.0
// expect: E0423: cannot initialize a tuple struct which contains private fields

//! Creates an outcome by hand, with the VMA still locked.

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
        FaultOutcome(Action::FallBack, core::marker::PhantomData)
    }
}
