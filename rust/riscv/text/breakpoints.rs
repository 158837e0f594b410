// SPDX-License-Identifier: GPL-2.0

//! The table of in-flight edits, for the breakpoint handler.

use core::marker::PhantomData;

use crate::{
    adversary::{
        self,
        Point, //
    },
    bindings,
    text::edit::Edit, //
};

/// A table of in-flight edits, for the breakpoint handler to look up.
///
/// # Invariants
///
/// `table` holds the address and the number of edits that live for `'e`.
pub struct Table<'e> {
    table: bindings::rust_riscv_guarded,
    _edits: PhantomData<&'e [Edit]>,
}

impl<'e> Table<'e> {
    /// Creates a table of `edits`, which are sorted by address.
    pub fn new(edits: &'e [Edit]) -> Table<'e> {
        // INVARIANT: The pointer and the length of a slice that lives for `'e`.
        Table {
            table: bindings::rust_riscv_guarded {
                edits: edits.as_ptr().cast(),
                count: edits.len(),
            },
            _edits: PhantomData,
        }
    }
}

/// Makes the edits of `table` visible to the breakpoint handler. To be called before any of their
/// breakpoints is written.
///
/// # Safety
///
/// No other table is published. `table` is not moved, and its edits stay valid, until [`withdraw`]
/// has returned.
pub unsafe fn publish(table: &Table<'_>) {
    // SAFETY: `rust_riscv_guard_publish()` requires that no other table is published, and that `table` is
    // valid until `rust_riscv_guard_withdraw()` has returned. The caller guarantees both.
    unsafe { bindings::rust_riscv_guard_publish(&table.table) };
    adversary::at(Point::Published);
}

/// Withdraws the table that [`publish`] published. When this returns, no CPU reads it any more.
///
/// Waits twice until every CPU has had interrupts on: first for CPUs that have hit a breakpoint of
/// the table and have not looked it up yet; then, with the table withdrawn, for CPUs that have hit
/// another breakpoint and are still searching the table.
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
    // SAFETY: `rust_riscv_guard_withdraw()` requires that no CPU fetches a breakpoint of the edits any
    // more, and that `cpus_read_lock` is held. The caller guarantees both.
    unsafe { bindings::rust_riscv_guard_withdraw() };
}

/// The edits of the published table; empty if no table is published.
///
/// # Safety
///
/// Interrupts are off, and have been since this CPU hit a breakpoint. They stay off for `'a`.
#[inline(always)]
pub unsafe fn published<'a>() -> &'a [Edit] {
    // SAFETY: It may be called in any context.
    let table = unsafe { bindings::rust_riscv_guard_published() };

    if table.is_null() {
        return &[];
    }
    // SAFETY: By the requirements of `publish`, the table and its edits are there until `withdraw`
    // returns. That waits, after no CPU can find the table any more, until this CPU has had
    // interrupts on, which the caller guarantees not to be before the end of `'a`.
    unsafe { core::slice::from_raw_parts((*table).edits.cast(), (*table).count) }
}

/// `synchronize_rcu_tasks()`: waits until every task has switched voluntarily, or was idle or in
/// user space.
///
/// Context: sleeps, for some tens of milliseconds. The caller is in no read-side critical section
/// of any flavour of RCU.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub fn synchronise_tasks() {
    // SAFETY: It may be called wherever one may sleep, which is this function's context.
    unsafe { bindings::rust_riscv_synchronize_rcu_tasks() };
}
