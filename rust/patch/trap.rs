// SPDX-License-Identifier: GPL-2.0

//! The handler of breakpoints that text patching has written.
//!
//! It runs in any context, and the breakpoint may be at the first instruction of any function. So
//! it calls no functions: all of it is inlined into a caller in `.kprobes.text`.

use kernel::bindings::pt_regs;

use riscv::{
    insn::{
        emulate::{
            self,
            Registers, //
        },
        Reg, //
    },
    text::{
        breakpoints,
        edit::{
            Edit,
            Way, //
        }, //
    }, //
};

/// The registers of a context that hit a breakpoint.
struct Trapped<'r>(&'r mut pt_regs);

impl Trapped<'_> {
    /// Returns a pointer to `reg`: `struct pt_regs` begins with `epc`, followed by `x1` to `x31`.
    #[inline(always)]
    fn pointer_to(&mut self, reg: Reg) -> *mut u64 {
        // SAFETY: `struct pt_regs` begins with 32 words, and a register's number is less than 32.
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
        // SAFETY: `struct pt_regs` begins with 32 words, and a register's number is less than 32.
        // `self.0` is a valid reference.
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
            // SAFETY: `pointer_to()` returns a pointer into `self.0`, which is borrowed mutably.
            unsafe { self.pointer_to(reg).write(value) };
        }
    }
}

/// Emulates the old instructions of the edit whose breakpoint was hit with `regs`. Returns whether
/// there is such an edit.
///
/// # Safety
///
/// The caller is the handler of the breakpoint exception, with interrupts off since the trap.
#[inline(always)]
pub(crate) unsafe fn handle(regs: &mut pt_regs) -> bool {
    let at = regs.epc;

    // SAFETY: The caller guarantees that interrupts have been off since the trap. They stay off
    // until this function returns, after which the edits are not used.
    let published = unsafe { breakpoints::published() };

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

/// Finds the edit at `addr` by binary search. That of `core` would be a function call.
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
