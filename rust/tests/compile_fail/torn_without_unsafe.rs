// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `riscv_patch::batch::Torn::new` is unsafe

//! Replaces several instructions without the promise that no task is between them.

use kernel::prelude::*;
use riscv::text::plan::Strategy;
use riscv_patch::batch::{
    Batch,
    Options,
    Report,
    Torn, //
};

pub fn misuse(batch: Batch) -> Result<Report> {
    batch.commit_with(Options {
        strategy: Some(Strategy::Rendezvous),
        #[cfg(misuse)]
        torn: Some(Torn::new()),
        // SAFETY: Does not run.
        #[cfg(not(misuse))]
        torn: Some(unsafe { Torn::new() }),
        ..Options::default()
    })
}
