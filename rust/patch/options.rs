// SPDX-License-Identifier: GPL-2.0

//! Options of a commit, for tests and measurements.

use riscv::text::plan::Strategy;

/// Options for tests and measurements; users leave them at their defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The strategy to use instead of the cheapest one.
    pub strategy: Option<Strategy>,
    /// The index, in the order of addresses, of an edit to treat as if somebody else wrote to it
    /// after the batch was verified. Only in a kernel with KUnit; has no effect on a rendezvous,
    /// during which nobody else can write.
    pub race_at: Option<usize>,
    /// Permits [`Strategy::Rendezvous`] for instructions that are replaced together. Only in a
    /// kernel with KUnit.
    pub torn: Option<Torn>,
}

/// The permission to tear instructions that are replaced together: a task that is between them
/// resumes in the middle of the new ones.
#[derive(Clone, Copy, Debug)]
pub struct Torn(());

impl Torn {
    /// Creates the permission, for a test of that.
    ///
    /// # Safety
    ///
    /// For every edit of the batch, the code that a task executes then is harmless.
    pub const unsafe fn new() -> Torn {
        Torn(())
    }
}
