// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_engine`: every CPU sees a commit, and a refused batch changes nothing.

use kernel::{
    bindings::{
        EADDRNOTAVAIL,
        ECHRNG,
        EILSEQ,
        EMSGSIZE,
        ENODATA,
        EOPNOTSUPP, //
    },
    prelude::*, //
};

use riscv::{
    compat::errno,
    insn::ALIGN,
    text::{
        edit::Kind,
        plan::Strategy, //
    }, //
};
use riscv_patch::batch::{
    Batch,
    Options, //
};

use crate::{
    bindings,
    flip::*,
    hammer::online,
    support::skip,
    targets::*, //
};

#[kunit_tests(rust_riscv_engine)]
mod tests {
    use super::*;

    const ALL: [Flip; 4] = [WORD, HALF, UNALIGNED, ACROSS];

    /// The strategy to ask for so that all CPUs are stopped for [`ALL`]: where all instructions are
    /// aligned, none of them needs a stop.
    const STOPPED: Option<Strategy> = if ALIGN == 2 {
        None
    } else {
        Some(Strategy::Rendezvous)
    };

    fn forced(strategy: Strategy) -> Options {
        Options {
            strategy: Some(strategy),
            ..Options::default()
        }
    }

    /// Returns whether each of `flips` returns `answer` on every CPU.
    fn everywhere(flips: &[Flip], answer: u64) -> bool {
        flips.iter().all(|flip| {
            online().all(|cpu| {
                // SAFETY: A target may be called anywhere.
                answer
                    == unsafe { bindings::rust_riscv_test_call_on(cpu, Some(flip.function)) } as u64
            })
        })
    }

    #[test]
    fn live_edit_is_seen_by_every_cpu() -> Result {
        for _ in 0..100 {
            for answer in [true, false] {
                let report = flip(&[WORD, HALF], answer, None)?;

                assert_eq!(report.strategy, Strategy::Live);
                assert!(everywhere(&[WORD, HALF], answer.into()));
            }
        }
        Ok(())
    }

    #[test]
    fn rendezvous_edit_is_seen_by_every_cpu() -> Result {
        // A stop may be shorter than a tick of the clock. In Spike, the clock only ticks between
        // the harts' turns of thousands of instructions.
        let (mut rounds, mut stopped_ns) = (0, 0);

        while rounds < 20 || (stopped_ns == 0 && rounds < 2_000) {
            rounds += 1;
            for answer in [true, false] {
                let report = flip(&ALL, answer, STOPPED)?;

                assert_eq!(report.strategy, Strategy::Rendezvous);
                stopped_ns += report.stopped_ns;
                assert!(everywhere(&ALL, answer.into()));
            }
        }
        assert!(stopped_ns > 0);
        Ok(())
    }

    #[test]
    fn phased_edit_is_seen_by_every_cpu() -> Result {
        for _ in 0..100 {
            for on in [true, false] {
                let report = load_literal(on, Options::default())?;

                assert_eq!(report.strategy, Strategy::Phased);
                let answer = if on { ANSWER } else { 0 };
                assert!(online().all(|cpu| {
                    // SAFETY: A target may be called anywhere.
                    answer == unsafe { bindings::rust_riscv_test_call_on(cpu, Some(LOADER)) } as u64
                }));
            }
        }
        Ok(())
    }

    /// Without our hooks, the kernel's handler of misaligned accesses fails if the access has been
    /// replaced.
    #[test]
    fn accesses_are_live_edits_only_with_hooks() -> Result {
        let expected = if cfg!(rust_riscv_text_hooks) && breakpoints_are_live() {
            Strategy::Live
        } else {
            Strategy::Rendezvous
        };

        for (old, new) in [(LOAD_ZERO, NOP), (NOP, LOAD_ZERO)] {
            let mut batch = Batch::new();

            word(&mut batch, load(), old, new, 0)?;
            assert_eq!(batch.commit()?.strategy, expected);
            assert_eq!(word_at(load()), new);
        }
        Ok(())
    }

    #[test]
    fn mismatch_in_the_last_of_4096_edits_changes_nothing() -> Result {
        for strategy in [Strategy::Live, Strategy::Phased, Strategy::Rendezvous] {
            let batch = many_batch(MANY, true, Some(MANY_WRONG))?;

            assert_eq!(batch.commit_with(forced(strategy)), Err(errno(EILSEQ)));
            assert_eq!(count_many(NOP), MANY);
        }
        Ok(())
    }

    #[test]
    fn all_of_4096_edits_are_written() -> Result {
        for strategy in [Strategy::Live, Strategy::Phased, Strategy::Rendezvous] {
            many_batch(MANY, true, None)?.commit_with(forced(strategy))?;
            assert_eq!(count_many(MANY_NEW), MANY);
            many_batch(MANY, false, None)?.commit_with(forced(strategy))?;
            assert_eq!(count_many(NOP), MANY);
        }
        Ok(())
    }

    #[test]
    fn mismatch_after_verification_is_rolled_back() -> Result {
        let race_at = |index| Options {
            race_at: Some(index),
            ..Options::default()
        };

        assert_eq!(
            many_batch(MANY, true, None)?.commit_with(race_at(MANY - 1)),
            Err(errno(EILSEQ))
        );
        assert_eq!(count_many(NOP), MANY);

        // The literal is edit 0 and in phase 0; the instruction, which races, is in phase 1.
        assert_eq!(load_literal(true, race_at(1)), Err(errno(EILSEQ)));
        // This would fail if the literal had not been reverted.
        load_literal(true, Options::default())?;
        load_literal(false, Options::default())?;
        Ok(())
    }

    #[test]
    fn dropped_batch_changes_nothing() -> Result {
        drop(many_batch(MANY, true, None)?);
        assert_eq!(count_many(NOP), MANY);
        Ok(())
    }

    /// Adds and commits an edit in a batch of its own, and returns the error of either.
    fn refusal(addr: usize, old: &[u8], new: &[u8], phase: u8) -> Result {
        let mut batch = Batch::new();

        // SAFETY: Only used with edits that are refused, so nothing is written.
        unsafe { batch.edit(addr, old, new, phase, Kind::Code) }?;
        batch.commit().map(|_| ())
    }

    #[test]
    fn refused_edits_return_their_errno() {
        static DATA: u32 = NOP;

        let (nop, li) = (NOP.to_le_bytes(), LI_1.to_le_bytes());
        let text = many(0);
        let data = core::ptr::addr_of!(DATA).addr();

        assert_eq!(refusal(text, &[], &[], 0), Err(errno(ENODATA)));
        assert_eq!(refusal(text, &[0; 10], &[0; 10], 0), Err(errno(EMSGSIZE)));
        assert_eq!(refusal(text, &nop, &li[..2], 0), Err(EINVAL));
        for len in [3, ALIGN / 2] {
            assert_eq!(refusal(text, &nop[..len], &li[..len], 0), Err(EINVAL));
        }
        for at in [text + 1, text + ALIGN / 2] {
            assert_eq!(refusal(at, &nop, &li, 0), Err(errno(EADDRNOTAVAIL)));
        }
        assert_eq!(refusal(text, &nop, &li, 2), Err(errno(ECHRNG)));
        assert_eq!(refusal(data, &nop, &li, 0), Err(EFAULT));
        assert_eq!(refusal(0, &nop, &li, 0), Err(EFAULT));
        assert_eq!(refusal(0x1000, &nop, &li, 0), Err(EFAULT));
        assert_eq!(refusal(usize::MAX - 3, &nop, &li, 0), Err(EFAULT));
        assert_eq!(refusal(text, &li, &nop, 0), Err(errno(EILSEQ)));
        assert_eq!(Batch::new().commit(), Err(errno(ENODATA)));
        assert_eq!(count_many(NOP), MANY);
    }

    #[test]
    fn overlapping_edits_are_refused() -> Result {
        let mut batch = Batch::new();

        word(&mut batch, many(1), NOP, LI_1, 0)?;
        word(&mut batch, many(0), NOP, LI_1, 0)?;
        // The last instruction, of any length, in the second word.
        let (old, new) = ([0; ALIGN], [1; ALIGN]);
        // SAFETY: The batch is refused, so nothing is written.
        unsafe { batch.edit(many(2) - ALIGN, &old, &new, 0, Kind::Code) }?;
        assert_eq!(batch.commit(), Err(EEXIST));
        assert_eq!(count_many(NOP), MANY);
        Ok(())
    }

    #[test]
    fn unsafe_strategy_is_refused() -> Result {
        // Where all instructions are aligned, these are safe if they are fetched at once.
        if ALIGN == 2 || !fetch_is_atomic() {
            assert_eq!(
                flip(&[UNALIGNED], true, Some(Strategy::Live)),
                Err(errno(EOPNOTSUPP))
            );
            assert_eq!(
                flip(&[ACROSS], true, Some(Strategy::Phased)),
                Err(errno(EOPNOTSUPP))
            );
        }
        for strategy in [Strategy::Live, Strategy::Phased] {
            let mut batch = Batch::new();

            word(&mut batch, load(), LOAD_ZERO, LOAD_WORD, 0)?;
            assert_eq!(batch.commit_with(forced(strategy)), Err(errno(EOPNOTSUPP)));
        }
        assert_eq!(
            load_literal(true, forced(Strategy::Live)),
            Err(errno(EOPNOTSUPP))
        );
        assert!(everywhere(&ALL, 0));
        assert_eq!(word_at(load()), LOAD_ZERO);
        Ok(())
    }

    #[test]
    fn core_kernel_text_can_be_patched() -> Result {
        // The new bytes are equal to the old ones. All steps of a commit are done.
        let text = kernel::bindings::kfree as *const () as usize & !1;
        let now = word_at(text).to_le_bytes();

        for _ in 0..20 {
            let mut batch = Batch::new();
            // SAFETY: The new instructions are equal to the old ones.
            unsafe { batch.edit(text, &now[..ALIGN], &now[..ALIGN], 0, Kind::Code) }?;
            batch.commit_with(forced(Strategy::Rendezvous))?;
        }
        assert_eq!(word_at(text).to_le_bytes(), now);
        Ok(())
    }

    #[test]
    fn batch_pins_the_module_that_it_patches() -> Result {
        if cfg!(not(MODULE)) {
            return skip("built in: the text is not a module's");
        }
        // SAFETY: `module_refcount()` only reads an atomic, here of the helper's own module.
        let refs = || unsafe { bindings::rust_riscv_test_module_refs() };
        let before = refs();
        let batch = many_batch(16, true, None)?;

        assert_eq!(refs(), before + 1);
        drop(batch);
        assert_eq!(refs(), before);
        flip(&[WORD], true, None)?;
        flip(&[WORD], false, None)?;
        assert_eq!(refs(), before);
        Ok(())
    }
}
