// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_counts`: probes, tracers and a static key count every call.

use kernel::prelude::*;

use crate::{
    counted::*,
    module_parameters, //
};

#[kunit_tests(rust_riscv_counts)]
mod tests {
    use super::*;

    fn rounds() -> u32 {
        riscv::compat::parameter(module_parameters::count_rounds.value())
    }

    /// A probe and a tracer that stay registered count every call, while others on the same
    /// function are registered and unregistered, and all CPUs call it.
    fn stays(probe: Probe) -> Result {
        let before = calls();
        let kept = (Armed::probe(probe)?, Armed::tracer(Tracer::First)?);
        let hits = (kept.0.hits(), kept.1.hits());
        let callers = Callers::start()?;

        for round in 0..rounds() {
            let _others = (
                PROBES.map(|other| (other != probe).then(|| Armed::probe(other)).transpose()),
                Armed::tracer(Tracer::Second)?,
            );

            set_key(round % 2 == 0);
            call(10);
        }
        drop(callers);
        set_key(false);

        let called = calls() - before;
        assert!(called >= u64::from(rounds()) * 10);
        assert_eq!(kept.0.hits() - hits.0, called);
        assert_eq!(kept.1.hits() - hits.1, called);
        Ok(())
    }

    #[test]
    fn kprobe_on_a_word_counts_every_call() -> Result {
        stays(Probe::Word)
    }

    #[test]
    fn kprobe_on_a_halfword_counts_every_call() -> Result {
        stays(Probe::Half)
    }

    #[test]
    fn kprobe_across_words_counts_every_call() -> Result {
        stays(Probe::Unaligned)
    }

    /// Each probe is removed repeatedly while all other CPUs hit it. On a kernel with hooks, CPUs
    /// are delayed between the trap and the look-up, so that removing a probe without waiting for
    /// them causes a BUG.
    #[test]
    fn removing_a_kprobe_waits_for_cpus_in_its_trap() -> Result {
        let _slow = SlowTraps::start();
        let callers = Callers::start()?;
        let before = PROBES.map(Probe::hits);

        for _ in 0..rounds() {
            for probe in PROBES {
                let armed = Armed::probe(probe)?;

                call(1);
                drop(armed);
            }
        }
        drop(callers);
        for (probe, before) in PROBES.into_iter().zip(before) {
            assert!(probe.hits() - before >= u64::from(rounds()));
        }
        Ok(())
    }

    /// Calls the function on all CPUs, and returns the number of calls.
    fn round() -> u64 {
        let before = calls();

        call_everywhere(5);
        calls() - before
    }

    #[test]
    fn arming_and_disarming_apply_to_the_next_call() -> Result {
        for _ in 0..rounds() {
            for probe in PROBES {
                let armed = Armed::probe(probe)?;
                let before = armed.hits();
                let made = round();

                assert_eq!(armed.hits() - before, made);
                drop(armed);
                round();
                assert_eq!(probe.hits() - before, made);
            }

            let tracer = Armed::tracer(Tracer::First)?;
            let before = tracer.hits();
            let made = round();
            assert_eq!(tracer.hits() - before, made);
            drop(tracer);
            round();
            assert_eq!(Tracer::First.hits() - before, made);

            set_key(true);
            let before = key_hits();
            let made = round();
            assert_eq!(key_hits() - before, made);
            set_key(false);
            round();
            assert_eq!(key_hits() - before, made);
        }
        Ok(())
    }
}
