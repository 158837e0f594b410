// SPDX-License-Identifier: GPL-2.0

//! The files in debugfs: `rust_riscv_patch/stats` and `rust_riscv_patch/strategy`.

use kernel::{
    fmt,
    prelude::*, //
};

use riscv::debugfs::{
    Scope,
    Writer, //
};

use crate::{
    engine,
    stats::STATS,
    strategy, //
};

/// What the file `stats` shows.
pub(crate) struct View;

impl Writer for View {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "atomic_fetch: {}",
            u8::from(engine::machine().atomic_fetch)
        )?;
        fmt::Display::fmt(&STATS, f)
    }
}

/// Creates `rust_riscv_patch/stats` and `rust_riscv_patch/strategy`. Dropping the result removes them.
///
/// # Safety
///
/// That of [`Scope::dir`].
pub(crate) unsafe fn files() -> Result<Pin<KBox<Scope<View>>>> {
    // SAFETY: The caller guarantees what `Scope::dir` requires of its result.
    let files = unsafe {
        Scope::dir(View, c"rust_riscv_patch", |view, dir| {
            dir.read_only_file(c"stats", view);
            dir.read_write_callback_file(
                c"strategy",
                view,
                &|_, f| writeln!(f, "{}", strategy::name()),
                &|_, input| strategy::choose(input),
            );
        })
    };

    KBox::pin_init(files, GFP_KERNEL)
}
