// SPDX-License-Identifier: GPL-2.0

//! The files in debugfs: `rust_riscv_patch/stats` and `rust_riscv_patch/strategy`.

use kernel::{
    fmt,
    prelude::*, //
};

use riscv::debugfs::{
    Scope,
    ScopedDir,
    Writer, //
};

use crate::{
    engine,
    stats::STATS,
    strategy, //
};

struct View;

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

fn make_files<'data, 'dir>(view: &'data View, dir: &'dir ScopedDir<'data, 'dir>) {
    dir.read_only_file(c"stats", view);
    dir.read_write_callback_file(
        c"strategy",
        view,
        &|_, f| writeln!(f, "{}", strategy::name()),
        &|_, input| strategy::choose(input),
    );
}

/// The files in debugfs. Dropping it removes the files.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    scope: Scope<View>,
}

impl Files {
    /// Creates `rust_riscv_patch/stats` and `rust_riscv_patch/strategy`.
    ///
    /// # Safety
    ///
    /// Those of [`Scope::dir`].
    pub(crate) unsafe fn new() -> Result<Pin<KBox<Files>>> {
        KBox::pin_init(
            try_pin_init!(Files {
                // SAFETY: The caller guarantees what `Scope::dir` requires of its result.
                scope <- unsafe { Scope::dir(View, c"rust_riscv_patch", make_files) },
            }? Error),
            GFP_KERNEL,
        )
    }
}
