// SPDX-License-Identifier: GPL-2.0

//! Running into a breakpoint that patching has set.
//!
//! In any context, and maybe at the first instruction of a function that one would like to call:
//! all of it is inlined into a caller in `.kprobes.text`.

use kernel::bindings::pt_regs;

use riscv::{
    edit::{
        Edit,
        Way, //
    },
    emulate::{
        self,
        Registers, //
    },
    guards,
    insn::Reg, //
};

/// The registers of a context that ran into a breakpoint.
struct Trapped<'r>(&'r mut pt_regs);

impl Trapped<'_> {
    /// `struct pt_regs` begins with `epc`, followed by `x1` to `x31`.
    #[inline(always)]
    fn place(&mut self, reg: Reg) -> *mut u64 {
        // SAFETY: There are 32 words, and a register's number is less than that.
        unsafe {
            core::ptr::from_mut(self.0)
                .cast::<u64>()
                .add(usize::from(reg.number()))
        }
    }
}

impl Registers for Trapped<'_> {
    #[inline(always)]
    fn get(&self, reg: Reg) -> u64 {
        if reg == Reg::ZERO {
            return 0;
        }
        // SAFETY: As in `place`; `self.0` is ours to read.
        unsafe {
            core::ptr::from_ref(&*self.0)
                .cast::<u64>()
                .add(usize::from(reg.number()))
                .read()
        }
    }

    #[inline(always)]
    fn set(&mut self, reg: Reg, value: u64) {
        if reg != Reg::ZERO {
            // SAFETY: `place` is within `self.0`, which is ours to write.
            unsafe { self.place(reg).write(value) };
        }
    }
}

/// Runs the old instructions of an edit on `regs`, if that is the breakpoint of one.
///
/// # Safety
///
/// The caller is the handler of the breakpoint exception, with interrupts off since the trap.
#[inline(always)]
pub(crate) unsafe fn handle(regs: &mut pt_regs) -> bool {
    let at = regs.epc;

    // SAFETY: By the function's requirement; interrupts stay off until it returns.
    let published = unsafe { guards::published() };

    match find(published, at) {
        Some(edit) if edit.way() != Way::Store => {
            match emulate::run(edit.old(), edit.len(), at as u64, &mut Trapped(regs)) {
                Some(next) => {
                    regs.epc = next as usize;
                    true
                }
                None => false,
            }
        }
        _ => false,
    }
}

/// The edit at `addr`; they are in the order of their addresses. The library's search is a call.
#[inline(always)]
fn find(mut edits: &[Edit], addr: usize) -> Option<&Edit> {
    while let Some(edit) = edits.get(edits.len() / 2) {
        let middle = edits.len() / 2;

        if edit.addr() == addr {
            return Some(edit);
        }
        edits = if edit.addr() < addr {
            edits.get(middle + 1..)?
        } else {
            edits.get(..middle)?
        };
    }
    None
}
