// SPDX-License-Identifier: GPL-2.0

//! Guards: breakpoints in front of instructions that are replaced together.
//!
//! A task that was preempted between two instructions resumes at the second one, even if the
//! machine was stopped meanwhile. So the first instruction is replaced with a breakpoint, whose
//! handler emulates all of the old instructions. Then the engine waits until no task is between
//! them, writes the rest, and replaces the breakpoint last.

use core::marker::PhantomData;

use riscv::text::{
    breakpoints::{
        self,
        Table, //
    },
    lock::TextLock,
    window::Closed, //
};

/// In-flight edits, published for the breakpoint handler.
///
/// It borrows the lock that excludes CPU hotplug, which [`breakpoints::withdraw`] requires.
pub(crate) struct Guard<'t>(PhantomData<(&'t Table<'t>, &'t TextLock)>);

impl<'t> Guard<'t> {
    /// Publishes `table`, so that the breakpoints of its edits are handled.
    ///
    /// # Safety
    ///
    /// The caller holds the engine's lock, so that there is only one. It drops the result after the
    /// last flush of the batch, when none of the breakpoints is left in the text.
    pub(crate) unsafe fn new(table: &'t Table<'t>, _lock: &'t TextLock) -> Guard<'t> {
        // SAFETY: `publish` requires that no other table is published, which the engine's lock
        // ensures, and that `table` stays valid until it is withdrawn. The caller guarantees that
        // the guard is dropped, which withdraws `table` while it is still borrowed.
        unsafe { breakpoints::publish(table) };
        Guard(PhantomData)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the requirement of `new`, no breakpoint is left in the text or in an
        // instruction cache. The `TextLock` that `new` was given is still borrowed, so that
        // `cpus_read_lock` is held.
        unsafe { breakpoints::withdraw() };
    }
}

/// Waits until no task is between two instructions that a batch replaces together.
///
/// The breakpoints in front of them keep tasks from getting there again.
///
/// Context: sleeps, for some tens of milliseconds; so the window is closed.
pub(crate) fn wait_for_tasks(_closed: &Closed) {
    // RCU-tasks waits until every task has switched voluntarily, which a task that is preempted has
    // not. It also waits for an RCU grace period, and so for interrupt handlers.
    breakpoints::synchronise_tasks();
}
