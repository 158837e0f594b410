// SPDX-License-Identifier: GPL-2.0

//! Kprobes that own instructions of kernel text.
//!
//! When a kprobe is registered, kprobes copies the instruction. When it is disarmed, kprobes
//! writes the copy back, without looking at the text. So whoever writes to the instruction in
//! between loses what was written. The text shows a kprobe only while it is armed: it may be
//! registered and disabled, like an event that is defined and not enabled.

use crate::{
    bindings,
    text::{
        edit::Edit,
        lock::TextLock, //
    }, //
};

/// Returns the address of a kprobe that owns at least a part of the text of `edit`, if there is
/// one, whether it is armed or not.
///
/// While the lock is held, no kprobe is registered that would own the text. In a kernel without our
/// hooks, which has no way to ask, returns `None`.
///
/// # Examples
///
/// ```
/// use riscv::{insn::ALIGN, text::{edit::{Edit, Kind, Machine}, kprobes, lock::TextLock}};
///
/// let machine = Machine { atomic_fetch: true, reruns_accesses: true };
/// // The first instruction of this function; nobody has a kprobe there.
/// let addr = kernel::bindings::kfree as *const () as usize & !1;
/// let (old, new) = ([0; ALIGN], [1; ALIGN]);
/// let edit = Edit::new(machine, addr, &old, &new, 0, Kind::Code).map_err(|_| EINVAL)?;
///
/// assert_eq!(TextLock::with(|lock| kprobes::owner(&edit, lock)), None);
/// # Ok::<(), Error>(())
/// ```
///
/// # Context
///
/// Any in which the lock can be held.
pub fn owner(edit: &Edit, _lock: &TextLock) -> Option<usize> {
    // SAFETY: `patch_text_kprobe()` accepts any range. It requires `text_mutex`, which this task
    // holds, by the invariants of `TextLock`.
    match unsafe { bindings::rust_riscv_text_kprobe(edit.addr(), edit.len()) } {
        0 => None,
        addr => Some(addr),
    }
}
