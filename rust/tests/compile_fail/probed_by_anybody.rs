// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `Probed::new` is unsafe

//! Patching an instruction that a kprobe owns takes a promise.

use kernel::prelude::*;
use riscv::text::plan::Strategy;
use riscv_patch::batch::{
    Batch,
    Options,
    Probed,
    Report, //
};

pub fn misuse(batch: Batch) -> Result<Report> {
    batch.commit_with(Options {
        strategy: Some(Strategy::Live),
        #[cfg(misuse)]
        probed: Some(Probed::new()),
        // SAFETY: Does not run.
        #[cfg(not(misuse))]
        probed: Some(unsafe { Probed::new() }),
        ..Options::default()
    })
}
