// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_guard`: pairs of instructions, whose patching no task sees half done.

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
    flip::Probe,
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

    /// `nop; nop`, or what adds 1 and takes it away again.
    fn bytes(patched: bool) -> [u8; 8] {
        let (first, second) = if patched { (ADD_1, SUB_1) } else { (NOP, NOP) };

        (u64::from(first) | u64::from(second) << 32).to_le_bytes()
    }

    /// Makes every `step`th pair a pair of the other kind.
    fn flip(patched: bool, step: usize, strategy: Option<Strategy>) -> Result<Strategy> {
        let mut batch = Batch::new();

        for n in (0..PAIRS).step_by(step) {
            // SAFETY: Either pair is valid code, and so is any mixture of pairs.
            unsafe { batch.edit(pair(n), &bytes(!patched), &bytes(patched), 0, Kind::Code)? };
        }
        let report = batch.commit_with(Options {
            strategy,
            // What the next test is about. Asked for nothing, the engine guards.
            //
            // SAFETY: Both pairs only add to the result of a target, which is then a wrong one.
            torn: (strategy == Some(Strategy::Rendezvous)).then(|| unsafe { Torn::new() }),
            ..Options::default()
        })?;
        Ok(report.strategy)
    }

    const CALLED: Called = Called {
        function: rust_riscv_target_pairs,
        answers: [0, 0],
    };

    /// The hole that stopping the machine leaves: a task that was preempted between two
    /// instructions goes on in the middle of the new ones. If this does not see it, the next test
    /// proves nothing.
    #[test]
    fn a_rendezvous_tears_pairs_under_a_preempted_task() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let mut torn = 0;

        // Hardly ever anywhere else.
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
    fn asked_for_nothing_pairs_are_guarded() -> Result {
        for step in [1, 17, PAIRS] {
            for patched in [true, false] {
                assert_eq!(flip(patched, step, None)?, Strategy::Guarded);
                assert_eq!(word_at(pair(0)), if patched { ADD_1 } else { NOP });
            }
        }
        Ok(())
    }

    /// Two threads on each CPU, one of which is always preempted somewhere.
    #[test]
    fn a_guard_tears_nothing() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        // Each round can take a breakpoint for each pair: slow under KASAN, and where harts share
        // the CPUs of a host.
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

    /// Every breakpoint in the kernel has its place looked for among the guarded edits, also while
    /// these come and go, and their number changes.
    #[test]
    fn other_breakpoints_are_hit_meanwhile() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
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

    /// As BPF does it: `patch_text()` of a pair.
    #[test]
    fn the_kernels_pairs_are_written_by_us() -> Result {
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

    /// The same while they are being run.
    #[test]
    fn the_kernels_pairs_are_guarded() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
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

    /// What the handler cannot stand in for is refused rather than torn.
    #[test]
    fn what_cannot_be_guarded_is_refused() -> Result {
        // `ld a0, 0(t0)` is followed by `ret`.
        let both = u64::from(word_at(load())) | u64::from(word_at(load() + 4)) << 32;
        let mut batch = Batch::new();

        // SAFETY: Refused.
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
