// SPDX-License-Identifier: GPL-2.0

//! The edits whose breakpoints are dealt with, as the handler of breakpoints sees them.

use core::marker::PhantomData;

use crate::{
    adversary::{
        self,
        Point, //
    },
    bindings,
    edit::Edit, //
};

/// A table of edits that the handler can look at.
///
/// # Invariants
///
/// `table` is the place and the number of edits that live for `'e`.
pub struct Table<'e> {
    table: bindings::rr_guarded,
    _edits: PhantomData<&'e [Edit]>,
}

impl<'e> Table<'e> {
    /// The table of `edits`, which are in the order of their addresses.
    pub fn new(edits: &'e [Edit]) -> Table<'e> {
        // INVARIANT: The parts of a slice that lives for `'e`.
        Table {
            table: bindings::rr_guarded {
                edits: edits.as_ptr().cast(),
                count: edits.len(),
            },
            _edits: PhantomData,
        }
    }
}

/// Lets the handler see the edits of `table`, before any of their breakpoints is written.
///
/// # Safety
///
/// No other table is published. `table` stays in its place, and its edits stay, until
/// [`withdraw`] has returned.
pub unsafe fn publish(table: &Table<'_>) {
    // SAFETY: `table` is valid; by the function's requirement it stays until it is withdrawn.
    unsafe { bindings::rr_guard_publish(&table.table) };
    adversary::at(Point::Published);
}

/// Ends what [`publish`] began: afterwards no CPU looks at the table any more.
///
/// Waits twice for every CPU to have interrupts on. First for those that have run into a breakpoint
/// of the table and have yet to look for it; then, once the handler finds no table, for those that
/// have run into any other breakpoint and were looking.
///
/// # Safety
///
/// No breakpoint of the edits is in the text, and all CPUs have flushed their instruction caches
/// since. The caller holds `cpus_read_lock`.
///
/// # Context
///
/// Interrupts on; waits for IPIs.
pub unsafe fn withdraw() {
    adversary::at(Point::Unguarded);
    // SAFETY: By the function's requirements.
    unsafe { bindings::rr_guard_withdraw() };
}

/// The edits that are published now; none where there is no table.
///
/// # Safety
///
/// Interrupts are off, and have been since this CPU ran into a breakpoint. They stay off for `'a`.
#[inline(always)]
pub unsafe fn published<'a>() -> &'a [Edit] {
    // SAFETY: It may be called in any context.
    let table = unsafe { bindings::rr_guard_published() };

    if table.is_null() {
        return &[];
    }
    // SAFETY: By the requirements of `publish`, the table and its edits are there until `withdraw`
    // returns. That waits, after no CPU can find the table any more, until this CPU has had
    // interrupts on, which by the function's requirement is after `'a`.
    unsafe { core::slice::from_raw_parts((*table).edits.cast(), (*table).count) }
}

/// Waits until every task has switched voluntarily, or was idle or in user space.
///
/// Context: sleeps, for some tens of milliseconds. The caller is in no read-side section of any
/// RCU.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub fn synchronise_tasks() {
    // SAFETY: It may be called wherever one may sleep, which is this function's context.
    unsafe { bindings::rr_synchronize_rcu_tasks() };
}
