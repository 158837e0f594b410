// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of patching for the kernel's own users, with our hooks in the kernel.

use kernel::{
    ffi::c_void,
    prelude::*, //
};

use riscv::{
    edit::Kind,
    errno,
    insn::ALIGN,
    plan::Strategy, //
};
use riscv_patch::{
    batch::{
        Batch,
        Options,
        Torn, //
    },
    fail_next,
    stats::{
        calls,
        fallbacks,
        Call, //
    }, //
};

use crate::{
    bindings::{
        self,
        rr_test_call,
        rr_test_write, //
    },
    flip::{
        fetch_is_atomic,
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
    targets::*, //
};

/// `addi zero, zero, 1`, which does nothing, too.
const NOP_1: u32 = 0x0010_0013;

/// Writes `bytes` at `addr` as a user in the kernel does.
fn write(call: rr_test_call, addr: usize, bytes: &[u8]) -> Result {
    let addr = core::ptr::with_exposed_provenance_mut::<c_void>(addr);

    // SAFETY: `addr` is in one of the targets, and the bytes are valid code there.
    kernel::error::to_result(unsafe {
        bindings::rr_test_kernel_writes(call, addr, bytes.as_ptr().cast(), bytes.len())
    })
}

/// One of many writes.
fn queued(addr: usize, bytes: &[u8], first: bool) -> rr_test_write {
    rr_test_write {
        addr: core::ptr::with_exposed_provenance_mut(addr),
        insns: bytes.as_ptr().cast(),
        len: bytes.len(),
        first,
    }
}

fn queue(writes: &[rr_test_write]) -> Result {
    // SAFETY: As in `write`; the bytes outlive the call.
    kernel::error::to_result(unsafe {
        bindings::rr_test_kernel_queues(writes.as_ptr(), writes.len())
    })
}

/// Whether every online CPU gets `answer` from `function`.
fn all_see(function: Function, answer: u64) -> bool {
    // SAFETY: A target may be called anywhere.
    online().all(|cpu| unsafe { bindings::rr_test_call_on(cpu, Some(function)) } as u64 == answer)
}

const WAYS: [(rr_test_call, Call); 4] = [
    (rr_test_call::RR_TEST_INSN_WRITE, Call::Write),
    (rr_test_call::RR_TEST_NOSYNC, Call::Write),
    (rr_test_call::RR_TEST_PATCH, Call::Patch),
    (rr_test_call::RR_TEST_QUEUE, Call::Queue),
];

#[kunit_tests(rust_riscv_provider)]
mod provider_tests {
    use super::*;

    #[test]
    fn every_way_to_write_comes_to_us() -> Result {
        for (way, call) in WAYS {
            let before = (calls(call), fallbacks());

            write(way, addr(rr_target_word), &LI_1.to_le_bytes())?;
            // What is queued is written by whoever is next.
            queue(&[])?;
            assert!(all_see(rr_target_word, 1));
            write(way, addr(rr_target_word), &LI_0.to_le_bytes())?;
            queue(&[])?;
            assert!(all_see(rr_target_word, 0));
            assert_eq!((calls(call), fallbacks()), (before.0 + 2, before.1));
        }
        Ok(())
    }

    #[test]
    fn bytes_are_set() -> Result {
        let before = calls(Call::Set);
        let nops = [NOP.to_le_bytes(); 24];

        // Across two pages, odd at both ends: nobody runs this.
        let at = ((many(0) + 4096) & !4095) - 37;
        write(rr_test_call::RR_TEST_SET, at, &[0xa5; 75])?;
        let first = many((at - many(0)) / 4);
        for n in 0..24 {
            for (byte, &is) in word_at(first + 4 * n).to_le_bytes().iter().enumerate() {
                let here = first + 4 * n + byte;
                let set = (at..at + 75).contains(&here);
                assert_eq!(is, if set { 0xa5 } else { NOP.to_le_bytes()[byte] });
            }
        }
        write(rr_test_call::RR_TEST_NOSYNC, first, nops.as_flattened())?;
        assert_eq!(calls(Call::Set), before + 1);
        for n in 0..24 {
            assert_eq!(word_at(first + 4 * n), NOP);
        }
        Ok(())
    }

    /// Long, and at any address: BPF copies whole programs.
    #[test]
    fn many_bytes_are_written() -> Result {
        let mut bytes = KVec::new();
        for n in 0..9000u32 {
            bytes.push((n * 7 + n / 256) as u8, GFP_KERNEL)?;
        }
        for skip in 0..3 {
            let before = fallbacks();
            write(rr_test_call::RR_TEST_NOSYNC, many(0) + skip, &bytes)?;
            let text = core::ptr::with_exposed_provenance::<u8>(many(0) + skip);
            for (n, byte) in bytes.iter().enumerate() {
                // SAFETY: Within the target.
                assert_eq!(unsafe { text.add(n).read_volatile() }, *byte);
            }
            assert_eq!(fallbacks(), before);
        }
        let mut nops = KVec::new();
        for _ in 0..MANY {
            nops.extend_from_slice(&NOP.to_le_bytes(), GFP_KERNEL)?;
        }
        write(rr_test_call::RR_TEST_NOSYNC, many(0), &nops)?;
        assert_eq!(word_at(many(MANY - 1)), NOP);
        Ok(())
    }

    /// What we cannot do the kernel does, and its caller does not notice.
    #[test]
    fn nothing_is_lost_if_we_fail() -> Result {
        for (way, _) in WAYS {
            let before = fallbacks();

            fail_next(1);
            write(way, addr(rr_target_word), &LI_1.to_le_bytes())?;
            queue(&[])?;
            assert_eq!(fallbacks(), before + 1);
            assert!(all_see(rr_target_word, 1));
            write(way, addr(rr_target_word), &LI_0.to_le_bytes())?;
            queue(&[])?;
            assert_eq!(fallbacks(), before + 1);
            assert!(all_see(rr_target_word, 0));
        }
        Ok(())
    }

    #[test]
    fn a_queue_that_fails_is_written_by_the_kernel() -> Result {
        let before = fallbacks();
        let (literal_bytes, load_bytes) = (ANSWER.to_le_bytes(), LOAD_LITERAL.to_le_bytes());

        fail_next(1);
        queue(&[
            queued(load(), &load_bytes, false),
            queued(literal(), &literal_bytes, true),
        ])?;
        assert_eq!(fallbacks(), before + 2);
        assert!(all_see(LOADER, ANSWER));
        queue(&[queued(load(), &LOAD_ZERO.to_le_bytes(), false)])?;
        queue(&[queued(literal(), &POISON.to_le_bytes(), true)])?;
        assert!(all_see(LOADER, 0));
        Ok(())
    }

    /// Whatever the order in which they come, and if one place is written twice.
    #[test]
    fn queued_in_any_order() -> Result {
        let words = [NOP, NOP_1].map(u32::to_le_bytes);
        // A permutation: 97 and 512 have no common divisor. Runs end all the time.
        let mut writes = KVec::new();
        for n in 0..512 {
            writes.push(queued(many(n * 97 % 512), &words[1], false), GFP_KERNEL)?;
        }
        let before = fallbacks();
        queue(&writes)?;
        for n in 0..512 {
            assert_eq!(word_at(many(n)), NOP_1);
        }
        // Twice the same place: the last one stays.
        writes.clear();
        for n in (0..512).rev() {
            writes.push(queued(many(n), &words[n % 2], false), GFP_KERNEL)?;
            writes.push(queued(many(n), &words[0], false), GFP_KERNEL)?;
        }
        queue(&writes)?;
        for n in 0..512 {
            assert_eq!(word_at(many(n)), NOP);
        }
        assert_eq!(fallbacks(), before);
        Ok(())
    }

    /// No hart gets to an instruction before what it loads is there, although that has a higher
    /// address, and much in between is written, too.
    #[test]
    fn first_is_first() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let (on, answer) = (LOAD_LITERAL.to_le_bytes(), ANSWER.to_le_bytes());
        let words = [NOP_1, NOP].map(u32::to_le_bytes);
        // What is running takes QEMU longer to write.
        let hammer = Hammer::start(&[
            Called {
                function: LOADER,
                answers: [0, ANSWER],
            },
            Called {
                function: rr_target_run_many,
                answers: [0, 0],
            },
        ])?;

        for round in 0..40 {
            let mut writes = KVVec::with_capacity(MANY + 2, GFP_KERNEL)?;

            writes.push(queued(load(), &on, false), GFP_KERNEL)?;
            for n in 0..MANY {
                writes.push(queued(many(n), &words[round % 2], false), GFP_KERNEL)?;
            }
            writes.push(queued(literal(), &answer, true), GFP_KERNEL)?;
            queue(&writes)?;
            queue(&[queued(load(), &LOAD_ZERO.to_le_bytes(), false)])?;
            queue(&[queued(literal(), &POISON.to_le_bytes(), true)])?;
        }
        let seen = hammer.stop();
        assert_eq!(seen.wrong, 0);
        assert!(seen.calls > 0);
        Ok(())
    }

    #[test]
    fn there_is_one_provider() {
        // SAFETY: `riscv_patch_provider_register()` may be called where one may sleep, as here. A
        // provider that is registered after all is unregistered before the helper returns.
        let error = unsafe { bindings::rr_test_second_provider() };
        assert_eq!(error, EBUSY.to_errno());
    }

    /// Why there is no IPI in the rendezvous: nobody would answer it.
    #[test]
    fn an_ipi_inside_a_stop_is_not_answered() -> Result {
        if is_alone() {
            return skip("one hart: there is nobody to ask");
        }
        // SAFETY: `stop_machine()` may be called where one may sleep, without `cpus_read_lock`, as
        // here.
        assert_eq!(unsafe { bindings::rr_test_flush_inside_stop() }, 0);
        Ok(())
    }
}

#[kunit_tests(rust_riscv_guard)]
mod guard_tests {
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

    /// Whether a breakpoint can be put in front of a pair. Without compressed instructions it has 4
    /// bytes.
    fn heads_are_stored_at_once() -> bool {
        ALIGN == 2 || fetch_is_atomic()
    }

    /// Where that cannot be, pairs are refused.
    fn refused() -> Result {
        assert_eq!(
            flip(true, 1, None),
            Err(errno(kernel::bindings::EOPNOTSUPP))
        );
        assert_eq!(word_at(pair(0)), NOP);
        skip("harts that fetch an instruction in two parts: pairs are refused")
    }

    const CALLED: Called = Called {
        function: rr_target_pairs,
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
        if !heads_are_stored_at_once() {
            return refused();
        }
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
        if !heads_are_stored_at_once() {
            return refused();
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
        if !heads_are_stored_at_once() {
            return refused();
        }
        let probe = Probe::register()?;

        probe.arm(true)?;
        let hammer = Hammer::start(&[Called {
            function: rr_target_probed,
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
        if !heads_are_stored_at_once() {
            return refused();
        }
        let before = fallbacks();

        for n in 0..10 {
            write(rr_test_call::RR_TEST_PATCH, pair(255), &bytes(n % 2 == 0))?;
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
        if !heads_are_stored_at_once() {
            return refused();
        }
        let hammer = Hammer::start(&[CALLED])?;
        let before = fallbacks();

        for n in 0..10 {
            write(rr_test_call::RR_TEST_PATCH, pair(255), &bytes(n % 2 == 0))?;
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
