// SPDX-License-Identifier: GPL-2.0

//! The edits whose breakpoints are dealt with, as the handler of breakpoints sees them.

use crate::{
    bindings,
    edit::Edit, //
};

/// Lets the handler see `edits`.
///
/// One caller at a time, which calls [`withdraw`] before they go away.
pub fn publish(edits: &[Edit]) {
    // SAFETY: No requirements; who looks has those of `published`.
    unsafe { bindings::rr_guard_publish(edits.as_ptr().cast(), edits.len()) };
}

/// Ends what [`publish`] began, once no CPU is in the handler any more.
///
/// No breakpoint of the edits is left in the text, nor in an instruction cache.
///
/// Context: sleeps.
pub fn withdraw() {
    // The handler runs with interrupts off: a read-side section.
    // litmus: fault+unregister
    //
    // SAFETY: This may sleep. (The `kernel` crate of Linux 7.2 has no function for it.)
    unsafe { kernel::bindings::synchronize_rcu() };
    // SAFETY: No requirements.
    unsafe { bindings::rr_guard_withdraw() };
}

/// The edits that are published now.
///
/// For the handler of breakpoints only: the edits stay until it is left. Any context.
#[inline(always)]
pub fn published<'a>() -> &'a [Edit] {
    let mut count = 0;
    // SAFETY: `count` is a place for the result.
    let edits = unsafe { bindings::rr_guard_edits(&mut count) };

    if edits.is_null() {
        return &[];
    }
    // SAFETY: `publish` has put them there before the breakpoint that led here was written, and
    // `withdraw` waits until nobody is here any more.
    unsafe { core::slice::from_raw_parts(edits.cast(), count) }
}

/// Waits until every task has switched voluntarily, or was idle or in user space.
///
/// Context: sleeps, for some tens of milliseconds. The caller is in no read-side section of any
/// RCU.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub fn synchronise_tasks() {
    // SAFETY: No requirements.
    unsafe { bindings::rr_synchronize_rcu_tasks() };
}
