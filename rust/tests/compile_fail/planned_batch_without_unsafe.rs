// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0133: call to unsafe function `PlannedBatch::<'e>::new` is unsafe

//! Writes edits that were not planned, to addresses that were not checked, without `unsafe`.

use riscv::text::{
    commit::{
        LiveOptions,
        PlannedBatch, //
    },
    edit::Edit,
    plan::Strategy,
    window::Window,
    Origin, //
};

#[cfg(misuse)]
pub fn misuse(edits: &[Edit], window: &mut Window) {
    // Two instructions at once, without a guard.
    let batch = PlannedBatch::new(edits, Origin::Kernel, Strategy::Live);

    let _ = batch.write(window, None, LiveOptions::default());
}

/// Writes one edit.
///
/// # Safety
///
/// The edit is one store, and its memory may be written.
#[cfg(not(misuse))]
pub unsafe fn right(edit: Edit, window: &mut Window) {
    let edits = [edit];
    // SAFETY: The caller guarantees that the memory may be written. A plan of one edit that is one
    // store is `Strategy::Live`.
    let batch = unsafe { PlannedBatch::new(&edits, Origin::Kernel, Strategy::Live) };

    let _ = batch.write(window, None, LiveOptions::default());
}
