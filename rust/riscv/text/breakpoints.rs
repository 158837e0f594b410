// SPDX-License-Identifier: GPL-2.0

//! Guards: breakpoints in front of instructions that are replaced together. The breakpoint handler
//! finds the in-flight edits in a table.

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

/// Calls `write`, which writes `edits`, and has the breakpoints of their stand-ins handled during
/// the call.
///
/// 1. Publish the table of the edits, before the first of their breakpoints is written.
/// 2. Write.
/// 3. Withdraw the table. This waits twice until every CPU has had interrupts on: before, for CPUs
///    that have hit a breakpoint of the table and have not looked it up yet; and afterwards, for
///    CPUs that have hit any other breakpoint and are still searching the table.
///
/// # Safety
///
/// - No other table is published: calls of this function exclude each other.
/// - `edits` are sorted by address.
/// - When `write` returns, no breakpoint of the edits is left in the text, and all CPUs have
///   flushed their instruction caches since then.
///
/// # Context
///
/// Interrupts on; waits for IPIs. `lock` shows that CPU hotplug is excluded: a CPU that is not
/// online does not receive IPIs, so it would not be waited for.
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
    // SAFETY: `rust_riscv_guard_published()` reads a pointer, which is allowed in any context.
    let table = unsafe { bindings::rust_riscv_guard_published() };

    if table.is_null() {
        return &[];
    }
    // SAFETY: `guard` keeps the table and its edits until `rust_riscv_guard_withdraw()` has
    // returned. That makes the table unreachable, then waits until this CPU has had interrupts on,
    // which the caller guarantees not to happen before the end of `'a`.
    unsafe { core::slice::from_raw_parts((*table).edits.cast(), (*table).count) }
}

/// Waits until no task is between two instructions that a batch replaces together.
///
/// The breakpoints in front of the instructions keep tasks from getting there again. RCU-tasks
/// waits until every task has been idle, in user space, or has switched voluntarily; being
/// preempted does not count. It also waits for an RCU grace period, and so for interrupt handlers.
///
/// Context: sleeps for some tens of milliseconds, so the window has to be closed. The caller is not
/// in a read-side critical section of any RCU flavour.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub(crate) fn wait_for_tasks(_closed: &Closed) {
    // SAFETY: `synchronize_rcu_tasks()` may be called where sleeping is allowed and outside RCU
    // read-side critical sections, as this function's context requires.
    unsafe { bindings::rust_riscv_synchronize_rcu_tasks() };
}
