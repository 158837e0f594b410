// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_guard`: pairs of instructions that are replaced without tearing.

use kernel::prelude::*;

use riscv::{
    compat::errno,
    text::{
        edit::Kind,
        plan::Strategy, //
    }, //
};
use riscv_patch::{
    batch::{
        Batch,
        Options,
        Torn, //
    },
    stats::fallbacks, //
};

use crate::{
    bindings::rust_riscv_test_call,
    flip::{
        breakpoints_are_live,
        Probe, //
    },
    hammer::{
        online,
        Called,
        Hammer, //
    },
    support::{
        is_alone,
        skip,
        Held, //
    },
    targets::*,
    writes::write, //
};

#[kunit_tests(rust_riscv_guard)]
mod tests {
    use super::*;

    const ADD_1: u32 = 0x0015_0513;
    const SUB_1: u32 = 0xfff5_0513;

    /// The old pair, `nop; nop`, or the new pair, which adds 1 and subtracts it again.
    fn bytes(patched: bool) -> [u8; 8] {
        let (first, second) = if patched { (ADD_1, SUB_1) } else { (NOP, NOP) };

        (u64::from(first) | u64::from(second) << 32).to_le_bytes()
    }

    /// Replaces every `step`th pair.
    fn flip(patched: bool, step: usize, strategy: Option<Strategy>) -> Result<Strategy> {
        let mut batch = Batch::new();

        for n in (0..PAIRS).step_by(step) {
            // SAFETY: Either pair is valid code, and so is any mixture of pairs.
            unsafe { batch.edit(pair(n), &bytes(!patched), &bytes(patched), 0, Kind::Code)? };
        }
        let report = batch.commit_with(Options {
            strategy,
            // Without a strategy, the engine guards the pairs.
            //
            // SAFETY: A torn pair only changes the result of a target.
            torn: (strategy == Some(Strategy::Rendezvous)).then(|| unsafe { Torn::new() }),
            ..Options::default()
        })?;
        Ok(report.strategy)
    }

    /// Why no pair can be guarded: the breakpoint in front of it has to be written live.
    const UNGUARDED: &str = "a breakpoint is only written while all harts are stopped";

    const CALLED: Called = Called {
        function: rust_riscv_target_pairs,
        answers: [0, 0],
    };

    /// Stopping the machine is not sufficient: a task that was preempted between two instructions
    /// continues in the middle of the new ones. This is the control for the tests of guards.
    #[test]
    fn rendezvous_tears_pairs_under_a_preempted_task() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let mut torn = 0;

        // Many rounds, so that the task is preempted within the pairs.
        set_rounds(100);
        for _ in 0..40 {
            let hammer = Hammer::start(&[CALLED])?;
            for n in 0..50 {
                flip(n % 2 == 0, 1, Some(Strategy::Rendezvous))?;
            }
            torn += hammer.stop().wrong;
            if torn > 0 {
                break;
            }
        }
        set_rounds(1);
        assert!(torn > 0);
        Ok(())
    }

    #[test]
    fn pairs_are_guarded_by_default() -> Result {
        if !breakpoints_are_live() {
            assert_eq!(
                flip(true, 1, None),
                Err(errno(kernel::bindings::EOPNOTSUPP))
            );
            assert_eq!(word_at(pair(0)), NOP);
            return skip(UNGUARDED);
        }
        for step in [1, 17, PAIRS] {
            for patched in [true, false] {
                assert_eq!(flip(patched, step, None)?, Strategy::Guarded);
                assert_eq!(word_at(pair(0)), if patched { ADD_1 } else { NOP });
            }
        }
        Ok(())
    }

    /// Two threads run on each CPU, so that one of them is always preempted.
    #[test]
    fn guarded_pairs_are_not_torn() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        if !breakpoints_are_live() {
            return skip(UNGUARDED);
        }
        // Each round can hit a breakpoint for each pair, which is slow with KASAN, and if harts
        // share the CPUs of a host.
        set_rounds(if online().count() == 2 && !cfg!(CONFIG_KASAN) {
            100
        } else {
            1
        });
        for step in [1, 17, PAIRS] {
            let hammers = [Hammer::start(&[CALLED])?, Hammer::start(&[CALLED])?];

            for n in 0..8 {
                assert_eq!(flip(n % 2 == 0, step, None)?, Strategy::Guarded);
            }
            for hammer in hammers {
                let seen = hammer.stop();
                assert_eq!(seen.wrong, 0);
                assert!(seen.calls > 0);
            }
        }
        set_rounds(1);
        Ok(())
    }

    /// For every breakpoint in the kernel, the handler searches the guarded edits. Other
    /// breakpoints work while these are published and withdrawn, and while their number changes.
    #[test]
    fn other_breakpoints_work_during_guarded_edits() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        if !breakpoints_are_live() {
            return skip(UNGUARDED);
        }
        let probe = Probe::register()?;

        probe.arm(true)?;
        let hammer = Hammer::start(&[Called {
            function: rust_riscv_target_probed,
            answers: [0, 0],
        }]);
        let mut result = Ok(());
        for n in 0..24 {
            let step = [1, PAIRS][n / 2 % 2];

            result = flip(n % 2 == 0, step, None).map(|_| ());
            if result.is_err() {
                break;
            }
        }
        let seen = hammer.map(Held::<Hammer>::stop);
        let disarmed = probe.arm(false);
        let hits = probe.hits();

        result?;
        disarmed?;
        let seen = seen?;
        pr_info!("{hits} other breakpoints hit\n");
        assert_eq!(seen.wrong, 0);
        assert!(hits > 0);
        Ok(())
    }

    /// `patch_text()` of a pair, as used by BPF.
    #[test]
    fn patch_text_of_a_pair_does_not_fall_back() -> Result {
        if !breakpoints_are_live() {
            return skip(UNGUARDED);
        }
        let before = fallbacks();

        for n in 0..10 {
            write(
                rust_riscv_test_call::RUST_RISCV_TEST_PATCH,
                pair(255),
                &bytes(n % 2 == 0),
            )?;
        }
        assert_eq!(fallbacks(), before);
        Ok(())
    }

    /// As above, while other CPUs execute the pairs.
    #[test]
    fn patch_text_of_a_pair_is_not_torn() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        if !breakpoints_are_live() {
            return skip(UNGUARDED);
        }
        let hammer = Hammer::start(&[CALLED])?;
        let before = fallbacks();

        for n in 0..10 {
            write(
                rust_riscv_test_call::RUST_RISCV_TEST_PATCH,
                pair(255),
                &bytes(n % 2 == 0),
            )?;
        }
        let seen = hammer.stop();
        assert_eq!(seen.wrong, 0);
        assert!(seen.calls > 0);
        assert_eq!(fallbacks(), before);
        Ok(())
    }

    /// Instructions that the handler cannot emulate are refused instead of being torn.
    #[test]
    fn pairs_that_cannot_be_emulated_are_refused() -> Result {
        // `ld a0, 0(t0)` is followed by `ret`.
        let both = u64::from(word_at(load())) | u64::from(word_at(load() + 4)) << 32;
        let mut batch = Batch::new();

        // SAFETY: The batch is refused, so nothing is written.
        unsafe {
            batch.edit(
                load(),
                &both.to_le_bytes(),
                &(u64::from(NOP) | both & !0xffff_ffff).to_le_bytes(),
                0,
                Kind::Code,
            )?
        };
        assert_eq!(
            batch.commit().err(),
            Some(errno(kernel::bindings::EOPNOTSUPP))
        );
        assert_eq!(word_at(load()), both as u32);
        Ok(())
    }
}
