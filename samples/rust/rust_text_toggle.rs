// SPDX-License-Identifier: GPL-2.0

//! A function whose return value is changed through debugfs, by patching its text:
//! `echo 1 > rust_text_toggle/on`, then `cat rust_text_toggle/value`.

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
    description: "A function switched over by patching its text",
    license: "GPL",
}

core::arch::global_asm!(
    ".balign 4",
    "rust_text_toggle_answer:",
    ".4byte 0x00000513", // `li a0, 0`, what is patched: one aligned instruction of 4 bytes.
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
    // SAFETY: The edit replaces one `li a0` with another, so the function remains valid code.
    unsafe { batch.instruction(rust_text_toggle_answer as *const () as usize, old, new_insn)? };
    batch.commit()?;
    *now = new;
    Ok(())
}

fn make_files<'data, 'dir>(state: &'data Mutex<usize>, dir: &'dir ScopedDir<'data, 'dir>) {
    dir.write_only_callback_file(c"on", state, &toggle);
    dir.read_callback_file(c"value", state, &|_, f| {
        // SAFETY: The function takes no arguments, and only returns a number.
        writeln!(f, "{}", unsafe { rust_text_toggle_answer() })
    });
}

struct RustTextToggle(#[expect(dead_code)] Pin<KBox<Scope<Mutex<usize>>>>);

impl kernel::Module for RustTextToggle {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // SAFETY: No later step can fail. Dropped with the module's data, before its text is freed.
        let files = unsafe { Scope::dir(new_mutex!(0), c"rust_text_toggle", make_files) };

        Ok(RustTextToggle(KBox::pin_init(files, GFP_KERNEL)?))
    }
}
