// SPDX-License-Identifier: GPL-2.0

//! Sample: a function whose return value is changed by patching its text.
//!
//! In debugfs, `echo 1 > rust_text_toggle/on` patches it, `cat rust_text_toggle/value` calls it.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex,
    uaccess::UserSliceReader, //
};

use riscv::{
    debugfs::{
        Scope,
        ScopedDir, //
    },
    insn::Insn, //
};
use riscv_patch::batch::Batch;

module! {
    type: RustTextToggle,
    name: "rust_text_toggle",
    authors: ["rust-riscv contributors"],
    description: "A function whose text is patched",
    license: "GPL",
}

core::arch::global_asm!(
    ".balign 4",
    "rust_text_toggle_answer:",
    ".4byte 0x00000513", // `li a0, 0`, the patched instruction: 4 bytes, naturally aligned.
    "ret",
);

extern "C" {
    fn rust_text_toggle_answer() -> u64;
}

/// `li a0, 0` and `li a0, 1`.
const ANSWERS: [Option<Insn>; 2] = [Insn::word(0x0000_0513), Insn::word(0x0010_0513)];

fn toggle(state: &Mutex<usize>, input: &mut UserSliceReader) -> Result {
    let new = usize::from(input.read::<u8>()? == b'1');
    let mut now = state.lock();
    let (old, new_insn) = (ANSWERS[*now].ok_or(EINVAL)?, ANSWERS[new].ok_or(EINVAL)?);

    let mut batch = Batch::new();
    // SAFETY: `instruction()` requires valid code after the edit: one `li a0` replaces another.
    unsafe { batch.instruction(rust_text_toggle_answer as *const () as usize, old, new_insn)? };
    batch.commit()?;
    *now = new;
    Ok(())
}

fn make_files<'data, 'dir>(state: &'data Mutex<usize>, dir: &'dir ScopedDir<'data, 'dir>) {
    dir.write_only_callback_file(c"on", state, &toggle);
    dir.read_callback_file(c"value", state, &|_, f| {
        // SAFETY: The function is `li a0` and `ret`: it takes no arguments and returns a `u64`.
        writeln!(f, "{}", unsafe { rust_text_toggle_answer() })
    });
}

struct RustTextToggle(#[expect(dead_code)] Pin<KBox<Scope<Mutex<usize>>>>);

impl kernel::Module for RustTextToggle {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: `dir()` requires that no later step of `init` fails, and none does; and that the
        // scope is dropped before the module is unloaded: the module's data contains it.
        let files = unsafe { Scope::dir(new_mutex!(0), c"rust_text_toggle", make_files) };

        Ok(RustTextToggle(KBox::pin_init(files, GFP_KERNEL)?))
    }
}
