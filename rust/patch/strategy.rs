// SPDX-License-Identifier: GPL-2.0

//! The strategy that was chosen in `rust_riscv_patch/strategy` in debugfs, for measurements.

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    uaccess::UserSliceReader, //
};

use riscv::text::plan::Strategy;

/// The names that can be written to the file, and the strategies that they stand for.
const CHOICES: [(&str, Option<Strategy>); 5] = [
    ("cheapest", None),
    ("live", Some(Strategy::Live)),
    ("phased", Some(Strategy::Phased)),
    ("rendezvous", Some(Strategy::Rendezvous)),
    ("guarded", Some(Strategy::Guarded)),
];

/// The index of the current choice. Accessed relaxed: no other access depends on it.
static CHOSEN: Atomic<usize> = Atomic::new(0);

/// Returns the strategy for batches that do not request one themselves; `None` is the cheapest.
pub(crate) fn chosen() -> Option<Strategy> {
    CHOICES.get(CHOSEN.load(Relaxed))?.1
}

/// Returns the name of that strategy, as the file shows it.
pub(crate) fn name() -> &'static str {
    CHOICES
        .get(CHOSEN.load(Relaxed))
        .map_or("", |choice| choice.0)
}

/// Sets the strategy by its name.
///
/// # Errors
///
/// `-EINVAL` for an unknown name, `-EFAULT` if the name cannot be read.
pub(crate) fn choose(input: &mut UserSliceReader) -> Result {
    let mut name = [0; 16];
    let name = name.get_mut(..input.len()).ok_or(EINVAL)?;

    input.read_slice(name)?;
    let chosen = CHOICES
        .iter()
        .position(|(known, _)| known.as_bytes() == name.trim_ascii())
        .ok_or(EINVAL)?;
    CHOSEN.store(chosen, Relaxed);
    Ok(())
}
