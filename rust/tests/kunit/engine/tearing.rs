// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_tearing`: text is patched while all other CPUs run it.

use kernel::prelude::*;

use riscv::text::plan::Strategy;
use riscv_patch::batch::{
    Batch,
    Options, //
};

use crate::{
    bindings,
    flip::*,
    hammer::*,
    hotplug::cycle_last_cpu,
    module_parameters,
    support::{
        is_alone,
        skip, //
    },
    targets::*, //
};

#[kunit_tests(rust_riscv_tearing)]
mod tests {
    use super::*;

    fn live_commits() -> u32 {
        riscv::compat::parameter(module_parameters::tearing_live.value())
    }

    /// Flips `flips` `times` times while all other CPUs call them.
    fn tear(flips: &[Flip], times: u32, strategy: Option<Strategy>) -> Result<Seen> {
        let mut called = KVec::new();
        for flip in flips {
            called.push(flip.called(), GFP_KERNEL)?;
        }

        let hammer = Hammer::start(&called)?;
        // An even number of times, so that the targets are restored.
        for n in 0..times.next_multiple_of(2) {
            flip(flips, n % 2 == 0, strategy)?;
        }
        Ok(hammer.stop())
    }

    fn is_clean(seen: Seen) -> bool {
        pr_info!(
            "{} calls, {} wrong answers, such as {}\n",
            seen.calls,
            seen.wrong,
            seen.last_wrong
        );
        seen.wrong == 0 && seen.calls > 0
    }

    #[test]
    fn live_word() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let word = if fetch_is_atomic() { WORD_BOTH } else { WORD };

        assert!(is_clean(tear(&[word], live_commits(), None)?));
        Ok(())
    }

    /// Parcels of these two instructions can be combined to a third one.
    #[test]
    fn live_nop() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        if !breakpoints_are_live() {
            return skip("a nop of 4 bytes is only written while all harts are stopped");
        }
        let hammer = Hammer::start(&[Called {
            function: rust_riscv_target_nothing,
            answers: [0, 1],
        }])?;

        for n in 0..live_commits().next_multiple_of(2) {
            let (old, new) = if n % 2 == 0 { (NOP, OR_1) } else { (OR_1, NOP) };
            let mut batch = Batch::new();

            word(&mut batch, nothing(), old, new, 0)?;
            batch.commit()?;
        }
        assert!(is_clean(hammer.stop()));
        Ok(())
    }

    #[test]
    fn live_half() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        assert!(is_clean(tear(&[HALF], live_commits(), None)?));
        Ok(())
    }

    #[test]
    fn phased() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let hammer = Hammer::start(&[Called {
            function: LOADER,
            answers: [0, ANSWER],
        }])?;

        for n in 0..live_commits().next_multiple_of(2) {
            load_literal(n % 2 == 0, Options::default())?;
        }
        assert!(is_clean(hammer.stop()));
        Ok(())
    }

    #[test]
    fn rendezvous() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let times: u32 = riscv::compat::parameter(module_parameters::tearing_rendezvous.value());
        let all = [WORD, HALF, UNALIGNED, ACROSS];

        assert!(is_clean(tear(&all, times, Some(Strategy::Rendezvous))?));
        Ok(())
    }

    /// The breakpoint has 4 bytes, across two words if there are such instructions. Without them it
    /// is written live only by harts that fetch it at once.
    #[test]
    fn breakpoint_is_a_live_edit() -> Result {
        let probe = Probe::register()?;

        for (on, hits) in [(true, 1), (false, 1)] {
            assert_eq!(probe.arm(on)?.strategy, Probe::strategy());
            // SAFETY: A target may be called anywhere. The probe handles its breakpoint.
            assert_eq!(unsafe { rust_riscv_target_probed() }, 0);
            assert_eq!(probe.hits(), hits);
        }
        assert_eq!(word_at(addr(rust_riscv_target_probed)), LI_0);
        Ok(())
    }

    /// A breakpoint is written and removed while other CPUs hit it.
    #[test]
    fn breakpoint() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let probe = Probe::register()?;
        let hammer = Hammer::start(&[Called {
            function: rust_riscv_target_probed,
            answers: [0, 0],
        }])?;

        for n in 0..(live_commits() / 20).next_multiple_of(2) {
            assert_eq!(probe.arm(n % 2 == 0)?.strategy, Probe::strategy());
        }
        let seen = hammer.stop();
        let hits = probe.hits();

        pr_info!("{hits} breakpoints hit\n");
        assert!(is_clean(seen));
        assert!(hits > 0);
        assert_eq!(word_at(addr(rust_riscv_target_probed)), LI_0);
        Ok(())
    }

    /// A CPU that was offline during a commit executes the new text when it is online again.
    #[test]
    fn commits_reach_a_cpu_that_was_offline() -> Result {
        cycle_last_cpu(
            |round| {
                flip(&[WORD, UNALIGNED], round % 2 == 0, None)?;
                Ok(())
            },
            |round, cpu| {
                let answer = u64::from(round % 2 == 0);
                // SAFETY: A target may be called anywhere.
                let seen = unsafe {
                    bindings::rust_riscv_test_call_on(cpu, Some(rust_riscv_target_unaligned))
                };
                assert_eq!(seen as u64, answer);
                Ok(())
            },
        )
    }
}
