// SPDX-License-Identifier: GPL-2.0

//! Breakpoints in front of instructions that are replaced together.
//!
//! A task that was preempted between two instructions resumes at the second, whatever stopped in
//! the meantime. So the first becomes a breakpoint, whose handler runs all the old instructions at
//! once; then every task gets the time to leave the others; only then these are replaced, and the
//! breakpoint last.

use core::marker::PhantomData;

use riscv::{
    guards::{
        self,
        Table, //
    },
    text_lock::TextLock,
    window::Closed, //
};

/// Edits whose breakpoints are dealt with.
///
/// Holding the lock keeps CPUs from coming and going, which [`guards::withdraw`] asks for.
pub(crate) struct Guard<'t>(PhantomData<(&'t Table<'t>, &'t TextLock)>);

impl<'t> Guard<'t> {
    /// Has the breakpoints of the edits of `table` dealt with.
    ///
    /// # Safety
    ///
    /// One at a time: the caller holds the engine's lock. The result is dropped, after the last
    /// flush of the batch, when none of the breakpoints is left.
    pub(crate) unsafe fn new(table: &'t Table<'t>, _lock: &'t TextLock) -> Guard<'t> {
        // SAFETY: By the function's requirement no other table is published, and `drop`, which
        // withdraws this one, is called while `table` is borrowed.
        unsafe { guards::publish(table) };
        Guard(PhantomData)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the requirement of `new` no breakpoint is left, nor in an instruction cache.
        // The lock that `new` was given is held until now: it has `cpus_read_lock`.
        unsafe { guards::withdraw() };
    }
}

/// Waits until every task that was between two instructions which a batch replaces has left them.
///
/// Breakpoints are in front of them, so that none gets there again.
///
/// Context: sleeps, for some tens of milliseconds; so the window is closed.
pub(crate) fn wait_for_tasks(_closed: &Closed) {
    // A task that is preempted has not switched voluntarily, which is what RCU-tasks waits for.
    // Interrupt handlers are readers of RCU proper, which it waits for, too.
    guards::synchronise_tasks();
}
