// SPDX-License-Identifier: GPL-2.0

//! Guards: breakpoints in front of instructions that are replaced together, and the table of
//! in-flight edits that their handler reads.

use crate::{
    adversary::{
        self,
        Point, //
    },
    bindings,
    text::{
        edit::Edit,
        lock::TextLock,
        window::Closed, //
    }, //
};

/// Calls `write`, which writes `edits`, with the breakpoints of their stand-ins handled meanwhile.
///
/// 1. Publish the table of the edits, before the first of their breakpoints is written.
/// 2. Write.
/// 3. Withdraw the table. That waits twice until every CPU has had interrupts on: first for CPUs
///    that have hit a breakpoint of the table and have not looked it up yet; then, with the table
///    withdrawn, for CPUs that have hit another breakpoint and are still searching the table.
///
/// # Safety
///
/// - No other table is published: calls of this function exclude each other.
/// - `edits` are sorted by address.
/// - When `write` returns, no breakpoint of the edits is in the text, and all CPUs have flushed
///   their instruction caches since.
///
/// # Context
///
/// Interrupts on; waits for IPIs. `lock` shows that CPU hotplug is excluded, since a CPU that is
/// not online gets no IPI.
pub unsafe fn guard<R>(edits: &[Edit], _lock: &TextLock, write: impl FnOnce() -> R) -> R {
    let table = bindings::rust_riscv_guarded {
        edits: edits.as_ptr().cast(),
        count: edits.len(),
    };

    // SAFETY: `rust_riscv_guard_publish()` requires that no other table is published, which the
    // caller guarantees, and that `table` and its edits are valid until
    // `rust_riscv_guard_withdraw()` has returned, which is called below.
    unsafe { bindings::rust_riscv_guard_publish(&table) };
    adversary::at(Point::Published);

    let result = write();

    adversary::at(Point::Unguarded);
    // SAFETY: `rust_riscv_guard_withdraw()` requires that no CPU fetches a breakpoint of the edits
    // any more, which the caller guarantees, and that `cpus_read_lock` is held, which `_lock`
    // shows.
    unsafe { bindings::rust_riscv_guard_withdraw() };
    result
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
    // SAFETY: `guard` keeps the table and its edits until `rust_riscv_guard_withdraw()` has
    // returned. That waits, after no CPU can find the table any more, until this CPU has had
    // interrupts on, which the caller guarantees not to be before the end of `'a`.
    unsafe { core::slice::from_raw_parts((*table).edits.cast(), (*table).count) }
}

/// Waits until no task is between two instructions that a batch replaces together.
///
/// The breakpoints in front of them keep tasks from getting there again. RCU-tasks waits until
/// every task has switched voluntarily, which a task that is preempted has not, or was idle or in
/// user space. It also waits for an RCU grace period, and so for interrupt handlers.
///
/// Context: sleeps, for some tens of milliseconds, so the window is closed. The caller is in no
/// read-side critical section of any flavour of RCU.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub(crate) fn wait_for_tasks(_closed: &Closed) {
    // SAFETY: `synchronize_rcu_tasks()` may be called wherever one may sleep, which is this
    // function's context.
    unsafe { bindings::rust_riscv_synchronize_rcu_tasks() };
}
