// SPDX-License-Identifier: GPL-2.0

//! Edits that patch [targets](crate::targets) back and forth.

use kernel::{
    error::to_result,
    ffi::{
        c_ulong,
        c_void, //
    },
    prelude::*, //
};

use riscv::{
    insn::ALIGN,
    text::{
        edit::Kind,
        plan::Strategy, //
    }, //
};
use riscv_patch::batch::{
    Batch,
    Options,
    Probed,
    Report, //
};

use crate::{
    bindings,
    hammer::Called,
    module_parameters,
    support::{
        hold,
        Held, //
    },
    targets::*, //
};

/// A target that returns 0 or 1, depending on its first instruction.
#[derive(Clone, Copy)]
pub(crate) struct Flip {
    pub(crate) function: Function,
    len: usize,
    /// The instructions with which it returns 0 and 1.
    instructions: [u32; 2],
}

pub(crate) const WORD: Flip = Flip {
    function: rust_riscv_target_word,
    len: 4,
    instructions: [LI_0, LI_1],
};
/// The same, with an instruction that differs in both parcels.
pub(crate) const WORD_BOTH: Flip = Flip {
    function: rust_riscv_target_word,
    len: 4,
    instructions: [LI_0, SET_1],
};
pub(crate) const HALF: Flip = Flip {
    function: rust_riscv_target_half,
    len: ALIGN,
    instructions: SHORT_LI,
};
pub(crate) const UNALIGNED: Flip = Flip {
    function: rust_riscv_target_unaligned,
    len: 4,
    instructions: [LI_0, SET_1],
};
pub(crate) const ACROSS: Flip = Flip {
    function: rust_riscv_target_across,
    len: 4,
    instructions: [LI_0, SET_1],
};

impl Flip {
    /// Adds the edit with which the target returns `answer`.
    pub(crate) fn add(&self, batch: &mut Batch, answer: bool) -> Result {
        let [zero, one] = self.instructions.map(u32::to_le_bytes);
        let (old, new) = if answer { (zero, one) } else { (one, zero) };

        // SAFETY: One `li` becomes another.
        unsafe {
            batch.edit(
                addr(self.function),
                &old[..self.len],
                &new[..self.len],
                0,
                Kind::Code,
            )
        }
    }

    pub(crate) fn called(&self) -> Called {
        Called {
            function: self.function,
            answers: [0, 1],
        }
    }
}

/// Patches all of `flips` to return `answer`, in one batch.
pub(crate) fn flip(flips: &[Flip], answer: bool, strategy: Option<Strategy>) -> Result<Report> {
    let mut batch = Batch::new();

    for flip in flips {
        flip.add(&mut batch, answer)?;
    }
    batch.commit_with(Options {
        strategy,
        ..Options::default()
    })
}

/// Replaces one instruction of 4 bytes.
pub(crate) fn word(batch: &mut Batch, addr: usize, old: u32, new: u32, phase: u8) -> Result {
    let (old, new) = (old.to_le_bytes(), new.to_le_bytes());

    // SAFETY: Only used on targets, with instructions that are valid there.
    unsafe { batch.edit(addr, &old, &new, phase, Kind::Code) }
}

/// Whether an aligned instruction of 4 bytes is fetched at once.
pub(crate) fn fetch_is_atomic() -> bool {
    riscv::compat::parameter::<u8>(module_parameters::atomic_fetch.value()) != 0
}

/// Whether a breakpoint or a `nop` of 4 bytes can be written while other harts execute what is
/// there: at once, or in halves, of which each is a compressed instruction in between.
pub(crate) fn breakpoints_are_live() -> bool {
    ALIGN == 2 || fetch_is_atomic()
}

/// A registered, disabled kprobe at `rust_riscv_target_probed`, which handles breakpoints that the
/// test writes there. There is one at a time.
pub(crate) struct Probe(());

impl Probe {
    const EBREAK: u32 = 0x0010_0073;

    pub(crate) fn register() -> Result<Held<Probe>> {
        let place =
            core::ptr::with_exposed_provenance_mut::<c_void>(addr(rust_riscv_target_probed));

        // SAFETY: The place is a target. The probe is unregistered in `drop`.
        to_result(unsafe { bindings::rust_riscv_test_probe_register(place) })?;
        hold(Probe(()))
    }

    /// Writes or removes the breakpoint, without kprobes.
    pub(crate) fn arm(&self, on: bool) -> Result<Report> {
        let (old, new) = if on {
            (LI_0, Self::EBREAK)
        } else {
            (Self::EBREAK, LI_0)
        };
        let mut batch = Batch::new();

        word(&mut batch, addr(rust_riscv_target_probed), old, new, 0)?;
        batch.commit_with(Options {
            // SAFETY: The probe is this test's own, and stays disabled.
            probed: Some(unsafe { Probed::new() }),
            ..Options::default()
        })
    }

    /// Returns the strategy with which that is done.
    pub(crate) fn strategy() -> Strategy {
        if breakpoints_are_live() {
            Strategy::Live
        } else {
            Strategy::Rendezvous
        }
    }

    pub(crate) fn hits(&self) -> c_ulong {
        // SAFETY: The helper only reads an atomic.
        unsafe { bindings::rust_riscv_test_probe_hits() }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // The test may have failed while the breakpoint was set.
        if word_at(addr(rust_riscv_target_probed)) == Self::EBREAK && self.arm(false).is_err() {
            pr_err!("a breakpoint stays\n");
        }
        // SAFETY: The probe was registered in `register`.
        unsafe { bindings::rust_riscv_test_probe_unregister() };
    }
}

/// Patches the loader to load its literal, or to return 0 again.
pub(crate) fn load_literal(on: bool, options: Options) -> Result<Report> {
    let mut batch = Batch::new();
    let (old, new) = if on {
        (POISON, ANSWER)
    } else {
        (ANSWER, POISON)
    };

    // SAFETY: Only this instruction loads the literal, which is written before the instruction that
    // loads it, and made invalid after that was removed.
    unsafe {
        batch.edit(
            literal(),
            &old.to_le_bytes(),
            &new.to_le_bytes(),
            u8::from(!on),
            Kind::Literal,
        )
    }?;
    let (old, new) = if on {
        (LOAD_ZERO, LOAD_LITERAL)
    } else {
        (LOAD_LITERAL, LOAD_ZERO)
    };
    word(&mut batch, load(), old, new, u8::from(on))?;
    batch.commit_with(options)
}

/// Creates a batch that replaces the first `count` of the many `nop`s, or restores them. If `last`
/// is set, the batch expects it as the last of the old instructions.
pub(crate) fn many_batch(count: usize, on: bool, last: Option<u32>) -> Result<Batch> {
    let mut batch = Batch::new();
    let (old, new) = if on { (NOP, MANY_NEW) } else { (MANY_NEW, NOP) };

    batch.reserve(count)?;
    for n in 0..count {
        let old = last.filter(|_| n == count - 1).unwrap_or(old);
        word(&mut batch, many(n), old, new, 0)?;
    }
    Ok(batch)
}

/// Returns how many of the many instructions are `bits`.
pub(crate) fn count_many(bits: u32) -> usize {
    (0..MANY).filter(|&n| word_at(many(n)) == bits).count()
}
