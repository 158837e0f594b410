// SPDX-License-Identifier: GPL-2.0

//! Breakpoints in front of instructions that are replaced together.
//!
//! A task that was preempted between two instructions resumes at the second, whatever stopped in
//! the meantime. So the first becomes a breakpoint, whose handler runs all the old instructions at
//! once; then every task gets the time to leave the others; only then these are replaced, and the
//! breakpoint last.

use core::marker::PhantomData;

use riscv::{
    batch::Ready,
    edit::Edit,
    guards, //
};

/// Edits whose breakpoints are dealt with.
///
/// To be dropped after the last flush of the batch: then no CPU runs into a breakpoint any more, and
/// only those on their way to its handler are waited for.
pub(crate) struct Guard<'e>(PhantomData<&'e [Edit]>);

impl Guard<'_> {
    /// Has the breakpoints of `edits` dealt with. One at a time: the caller holds the engine's lock.
    pub(crate) fn new(edits: &[Edit]) -> Guard<'_> {
        guards::publish(edits);
        Guard(PhantomData)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        guards::withdraw();
    }
}

/// Waits until every task that was between two instructions which `ready` replaces has left them.
///
/// Breakpoints are in front of them, so that none gets there again.
///
/// Context: sleeps, for some tens of milliseconds.
pub(crate) fn wait_for_tasks(ready: &Ready<'_, '_>) {
    // A task that is preempted has not switched voluntarily, which is what RCU-tasks waits for.
    // Interrupt handlers are readers of RCU proper, which it waits for, too.
    if ready.is_splittable() {
        guards::synchronise_tasks();
    }
}
