// SPDX-License-Identifier: GPL-2.0

//! Options of a commit, for tests and measurements.

use riscv::text::plan::Strategy;

/// Options for tests and measurements; users leave them at their defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The strategy to use instead of the cheapest one.
    pub strategy: Option<Strategy>,
    /// The index, in the order of addresses, of an edit that is handled as if somebody else had
    /// written to it after the batch was verified. Has no effect in a kernel without KUnit, nor on
    /// a rendezvous, during which nobody else can write.
    pub race_at: Option<usize>,
    /// Permits [`Strategy::Rendezvous`] for instructions that are replaced together. Has no effect
    /// in a kernel without KUnit.
    pub torn: Option<Torn>,
    /// Permits to write instructions that a kprobe owns. Has no effect in a kernel without KUnit.
    pub probed: Option<Probed>,
}

/// Permission to tear instructions that are replaced together: a task that is between them resumes
/// in the middle of the new ones.
#[derive(Clone, Copy, Debug)]
pub struct Torn(());

impl Torn {
    /// Creates the permission.
    ///
    /// # Safety
    ///
    /// For each edit of the batch, the code that such a task executes is harmless.
    pub const unsafe fn new() -> Torn {
        Torn(())
    }
}

/// Permission to write instructions that a kprobe owns: if it is armed or disarmed meanwhile, what
/// was written is lost, and of several instructions that are replaced together only some may be.
#[derive(Clone, Copy, Debug)]
pub struct Probed(());

impl Probed {
    /// Creates the permission.
    ///
    /// # Safety
    ///
    /// Until the batch has been undone, nobody arms, disarms or registers a kprobe on one of its
    /// instructions.
    pub const unsafe fn new() -> Probed {
        Probed(())
    }
}
