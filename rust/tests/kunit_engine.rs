// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the text-patching engine, which patch this module's own text.

use kernel::{
    bindings::{
        EADDRNOTAVAIL,
        EBUSY,
        ECHRNG,
        EILSEQ,
        EMSGSIZE,
        ENODATA,
        EOPNOTSUPP,
        ESHUTDOWN, //
    },
    prelude::*, //
};

use riscv::errno;

use support::{
    is_alone,
    skip,
    BackOn, //
};

mod bindings;
mod hammer;
#[cfg(rust_riscv_text_hooks)]
mod provider;
mod support;
mod targets;

module! {
    type: Tests,
    name: "rust_riscv_kunit_engine",
    authors: ["rust-riscv contributors"],
    description: "KUnit suites of the text-patching engine",
    license: "GPL",
    params: {
        tearing_live: u32 {
            default: 100_000,
            description: "Commits of each of the live and phased tearing tests",
        },
        tearing_rendezvous: u32 {
            default: 2_000,
            description: "Commits of the rendezvous tearing test",
        },
        atomic_fetch: u8 {
            default: 1,
            description: "Aligned instructions are fetched at once (Ziccif; not QEMU before 10.1)",
        },
    },
}

struct Tests;

impl kernel::Module for Tests {
    /// As in `drop`: suites run once this has returned.
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match flip::flip(&[flip::WORD], true, None) {
            Err(error) if error == errno(EBUSY) => pr_info!("coming: refused\n"),
            other => pr_err!("coming: {other:?}\n"),
        }
        Ok(Tests)
    }
}

impl Drop for Tests {
    /// What no suite can try, as they all run while the module stays. `scripts/guest/test.sh` looks
    /// for the line.
    fn drop(&mut self) {
        match flip::flip(&[flip::WORD], true, None) {
            Err(error) if error == errno(ESHUTDOWN) => pr_info!("going away: refused\n"),
            other => pr_err!("going away: {other:?}\n"),
        }
    }
}

/// What the suites share: flipping targets back and forth.
mod flip {
    use kernel::{
        error::to_result,
        ffi::{
            c_ulong,
            c_void, //
        },
        prelude::*, //
    };

    use riscv::{
        edit::Kind,
        insn::ALIGN,
        plan::Strategy, //
    };
    use riscv_patch::batch::{
        Batch,
        Options,
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

    /// A target whose first instruction makes it answer 0 or 1.
    #[derive(Clone, Copy)]
    pub(crate) struct Flip {
        pub(crate) function: Function,
        len: usize,
        /// The instruction that answers 1.
        one: u32,
    }

    pub(crate) const WORD: Flip = Flip {
        function: rr_target_word,
        len: 4,
        one: LI_1,
    };
    /// The same, with an instruction that differs in both parcels.
    pub(crate) const WORD_BOTH: Flip = Flip {
        function: rr_target_word,
        len: 4,
        one: SET_1,
    };
    #[cfg(CONFIG_RISCV_ISA_C)]
    pub(crate) const HALF: Flip = Flip {
        function: rr_target_half,
        len: 2,
        one: C_LI_1 as u32,
    };
    #[cfg(not(CONFIG_RISCV_ISA_C))]
    pub(crate) const HALF: Flip = Flip {
        function: rr_target_half,
        len: 4,
        one: LI_1,
    };
    pub(crate) const UNALIGNED: Flip = Flip {
        function: rr_target_unaligned,
        len: 4,
        one: SET_1,
    };
    pub(crate) const ACROSS: Flip = Flip {
        function: rr_target_across,
        len: 4,
        one: SET_1,
    };

    impl Flip {
        fn bytes(&self, answer: bool) -> [u8; 4] {
            let bits = match (self.len, answer) {
                (_, true) => self.one,
                #[cfg(CONFIG_RISCV_ISA_C)]
                (2, false) => C_LI_0.into(),
                (_, false) => LI_0,
            };
            u32::to_le_bytes(bits)
        }

        /// Adds the edit that makes the target answer `answer`.
        pub(crate) fn add(&self, batch: &mut Batch, answer: bool) -> Result {
            let (old, new) = (self.bytes(!answer), self.bytes(answer));

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

    /// Makes all of `flips` answer `answer`, in one batch.
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

    /// Whether an aligned word is fetched at once.
    pub(crate) fn fetch_is_atomic() -> bool {
        riscv::parameter::<u8>(module_parameters::atomic_fetch.value()) != 0
    }

    /// A kprobe at `rr_target_probed` that is not armed: it handles the breakpoints there. One at a
    /// time.
    pub(crate) struct Probe(());

    impl Probe {
        const EBREAK: u32 = 0x0010_0073;

        pub(crate) fn register() -> Result<Held<Probe>> {
            let place = core::ptr::with_exposed_provenance_mut::<c_void>(addr(rr_target_probed));

            // SAFETY: A target; unregistered in `drop`.
            to_result(unsafe { bindings::rr_test_probe_register(place) })?;
            hold(Probe(()))
        }

        /// Puts the breakpoint there, or takes it away again.
        pub(crate) fn arm(&self, on: bool) -> Result<Report> {
            let (old, new) = if on {
                (LI_0, Self::EBREAK)
            } else {
                (Self::EBREAK, LI_0)
            };
            let mut batch = Batch::new();

            word(&mut batch, addr(rr_target_probed), old, new, 0)?;
            batch.commit()
        }

        /// How that is written: with compressed instructions, always live.
        pub(crate) fn strategy() -> Strategy {
            if ALIGN == 2 || fetch_is_atomic() {
                Strategy::Live
            } else {
                Strategy::Rendezvous
            }
        }

        pub(crate) fn hits(&self) -> c_ulong {
            // SAFETY: The helper only reads an atomic.
            unsafe { bindings::rr_test_probe_hits() }
        }
    }

    impl Drop for Probe {
        fn drop(&mut self) {
            // After a test that has failed.
            if word_at(addr(rr_target_probed)) == Self::EBREAK && self.arm(false).is_err() {
                pr_err!("a breakpoint stays\n");
            }
            // SAFETY: Registered in `register`.
            unsafe { bindings::rr_test_probe_unregister() };
        }
    }

    /// Lets the loader load its literal, or answer 0 again; `options` as for committing.
    pub(crate) fn load_literal(on: bool, options: Options) -> Result<Report> {
        let mut batch = Batch::new();
        let (old, new) = if on {
            (POISON, ANSWER)
        } else {
            (ANSWER, POISON)
        };

        // The literal is right before, and as long as, the instruction loads it.
        // SAFETY: The literal is loaded by nothing else.
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

    /// Makes the first `count` of the many `nop`s something else, or `nop`s again; the last of them
    /// is expected to be `last`.
    pub(crate) fn many_batch(count: usize, on: bool, last: Option<u32>) -> Result<Batch> {
        let mut batch = Batch::new();
        let (old, new) = if on { (NOP, LI_1) } else { (LI_1, NOP) };

        batch.reserve(count)?;
        for n in 0..count {
            let old = last.filter(|_| n == count - 1).unwrap_or(old);
            word(&mut batch, many(n), old, new, 0)?;
        }
        Ok(batch)
    }

    /// How many of the many are `bits` now.
    pub(crate) fn count_many(bits: u32) -> usize {
        (0..MANY).filter(|&n| word_at(many(n)) == bits).count()
    }
}

#[kunit_tests(rust_riscv_engine)]
mod engine_tests {
    use riscv::{
        edit::Kind,
        insn::ALIGN,
        plan::Strategy, //
    };
    use riscv_patch::batch::{
        Batch,
        Options, //
    };

    use super::{
        bindings,
        flip::*,
        hammer::online,
        targets::*,
        *, //
    };

    const ALL: [Flip; 4] = [WORD, HALF, UNALIGNED, ACROSS];

    /// What has to be asked for so that all CPUs are stopped for [`ALL`].
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

    /// Whether every CPU gets `answer` from every one of `flips`.
    fn everywhere(flips: &[Flip], answer: u64) -> bool {
        flips.iter().all(|flip| {
            online().all(|cpu| {
                // SAFETY: A target may be called anywhere.
                answer == unsafe { bindings::rr_test_call_on(cpu, Some(flip.function)) } as u64
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
        for _ in 0..20 {
            for answer in [true, false] {
                let report = flip(&ALL, answer, STOPPED)?;

                assert_eq!(report.strategy, Strategy::Rendezvous);
                assert!(report.stopped_ns > 0);
                assert!(everywhere(&ALL, answer.into()));
            }
        }
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
                    answer == unsafe { bindings::rr_test_call_on(cpu, Some(LOADER)) } as u64
                }));
            }
        }
        Ok(())
    }

    /// The kernel's handler of misaligned accesses dies if the access is gone, without our hooks.
    #[test]
    fn accesses_come_and_go_while_nobody_can_trap() -> Result {
        let expected = if cfg!(rust_riscv_text_hooks) {
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
    fn wrong_old_bytes_in_the_last_of_4096_change_nothing() -> Result {
        for strategy in [Strategy::Live, Strategy::Phased, Strategy::Rendezvous] {
            let batch = many_batch(MANY, true, Some(LI_0))?;

            assert_eq!(batch.commit_with(forced(strategy)), Err(errno(EILSEQ)));
            assert_eq!(count_many(NOP), MANY);
        }
        Ok(())
    }

    #[test]
    fn all_of_4096_are_made() -> Result {
        for strategy in [Strategy::Live, Strategy::Phased, Strategy::Rendezvous] {
            many_batch(MANY, true, None)?.commit_with(forced(strategy))?;
            assert_eq!(count_many(LI_1), MANY);
            many_batch(MANY, false, None)?.commit_with(forced(strategy))?;
            assert_eq!(count_many(NOP), MANY);
        }
        Ok(())
    }

    #[test]
    fn a_race_after_verifying_is_taken_back() -> Result {
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
        // If the literal were not what it was, this would fail.
        load_literal(true, Options::default())?;
        load_literal(false, Options::default())?;
        Ok(())
    }

    #[test]
    fn a_dropped_batch_changes_nothing() -> Result {
        drop(many_batch(MANY, true, None)?);
        assert_eq!(count_many(NOP), MANY);
        Ok(())
    }

    /// The error of an edit in a batch of its own, whether in adding or committing.
    fn refusal(addr: usize, old: &[u8], new: &[u8], phase: u8) -> Result {
        let mut batch = Batch::new();

        // SAFETY: Only used with edits that are refused.
        unsafe { batch.edit(addr, old, new, phase, Kind::Code) }?;
        batch.commit().map(|_| ())
    }

    #[test]
    fn every_refusal_has_its_errno() {
        static DATA: u32 = NOP;

        let (nop, li) = (NOP.to_le_bytes(), LI_1.to_le_bytes());
        let text = many(0);
        let data = core::ptr::addr_of!(DATA).addr();

        assert_eq!(refusal(text, &[], &[], 0), Err(errno(ENODATA)));
        assert_eq!(refusal(text, &[0; 10], &[0; 10], 0), Err(errno(EMSGSIZE)));
        assert_eq!(refusal(text, &nop, &li[..2], 0), Err(EINVAL));
        assert_eq!(refusal(text, &nop[..3], &li[..3], 0), Err(EINVAL));
        assert_eq!(refusal(text + 1, &nop, &li, 0), Err(errno(EADDRNOTAVAIL)));
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
        // The last instruction of the second word.
        let (old, new) = ([0; ALIGN], [1; ALIGN]);
        // SAFETY: Refused.
        unsafe { batch.edit(many(2) - ALIGN, &old, &new, 0, Kind::Code) }?;
        assert_eq!(batch.commit(), Err(EEXIST));
        assert_eq!(count_many(NOP), MANY);
        Ok(())
    }

    #[test]
    fn an_unsafe_strategy_is_refused() -> Result {
        if ALIGN == 2 {
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
        Ok(())
    }

    #[test]
    fn core_kernel_text_can_be_patched() -> Result {
        // Nothing is changed, but everything is done: the new bytes are the old ones.
        let text = kernel::bindings::kfree as *const () as usize;
        let now = word_at(text).to_le_bytes();

        for _ in 0..20 {
            let mut batch = Batch::new();
            // SAFETY: The instructions are those that are there.
            unsafe { batch.edit(text, &now[..ALIGN], &now[..ALIGN], 0, Kind::Code) }?;
            batch.commit_with(forced(Strategy::Rendezvous))?;
        }
        assert_eq!(word_at(text).to_le_bytes(), now);
        Ok(())
    }

    #[test]
    fn a_module_is_pinned_while_a_batch_is_open() -> Result {
        // SAFETY: `module_refcount()` only reads an atomic, here of the helper's own module.
        let refs = || unsafe { bindings::rr_test_module_refs() };
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

#[kunit_tests(rust_riscv_tearing)]
mod tearing_tests {
    use riscv::plan::Strategy;
    use riscv_patch::batch::{
        Batch,
        Options, //
    };

    use super::{
        bindings,
        flip::*,
        hammer::*,
        targets::*,
        *, //
    };

    fn live_commits() -> u32 {
        riscv::parameter(module_parameters::tearing_live.value())
    }

    /// Flips `flips` `times` times while all other CPUs call them.
    fn tear(flips: &[Flip], times: u32, strategy: Option<Strategy>) -> Result<Seen> {
        let mut called = KVec::new();
        for flip in flips {
            called.push(flip.called(), GFP_KERNEL)?;
        }

        let hammer = Hammer::start(&called)?;
        // An even number, so that the targets end as they began.
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

    /// A word that has another between it and its next where it is fetched by parcels.
    #[test]
    fn live_nop() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let hammer = Hammer::start(&[Called {
            function: rr_target_nothing,
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
        let times: u32 = riscv::parameter(module_parameters::tearing_rendezvous.value());
        let all = [WORD, HALF, UNALIGNED, ACROSS];

        assert!(is_clean(tear(&all, times, Some(Strategy::Rendezvous))?));
        Ok(())
    }

    /// A breakpoint of 4 bytes, across two words if there are such instructions.
    #[test]
    fn a_breakpoint_is_written_live() -> Result {
        let probe = Probe::register()?;

        for (on, hits) in [(true, 1), (false, 1)] {
            assert_eq!(probe.arm(on)?.strategy, Probe::strategy());
            // SAFETY: A target, whose breakpoint the probe handles.
            assert_eq!(unsafe { rr_target_probed() }, 0);
            assert_eq!(probe.hits(), hits);
        }
        assert_eq!(word_at(addr(rr_target_probed)), LI_0);
        Ok(())
    }

    /// It is armed and disarmed while it is being hit.
    #[test]
    fn breakpoint() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let probe = Probe::register()?;
        let hammer = Hammer::start(&[Called {
            function: rr_target_probed,
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
        assert_eq!(word_at(addr(rr_target_probed)), LI_0);
        Ok(())
    }

    /// Commits go on while CPUs go off and come back.
    #[test]
    fn while_cpus_come_and_go() -> Result {
        let Some(cpu) = online().last().filter(|&cpu| cpu > 0) else {
            return skip("one hart: none can go off");
        };
        let _back = BackOn::hold(cpu)?;

        for n in 0..8 {
            // SAFETY: `cpu` is online, and not the boot CPU.
            assert_eq!(unsafe { bindings::rr_test_cpu_down(cpu) }, 0);
            flip(&[WORD, UNALIGNED], n % 2 == 0, None)?;
            // SAFETY: `cpu` is offline.
            assert_eq!(unsafe { bindings::rr_test_cpu_up(cpu) }, 0);
            let answer = u64::from(n % 2 == 0);
            // SAFETY: A target may be called anywhere.
            let seen = unsafe { bindings::rr_test_call_on(cpu, Some(rr_target_unaligned)) };
            assert_eq!(seen as u64, answer);
        }
        Ok(())
    }
}

#[kunit_tests(rust_riscv_window)]
mod window_tests {
    use riscv::{
        text::{
            look_up,
            Allowed, //
        },
        window::Window, //
    };

    use super::{
        targets::*,
        *, //
    };

    const W: u64 = 1 << 2;
    const X: u64 = 1 << 3;

    fn bits(addr: usize) -> u64 {
        // SAFETY: Of this module's text, or of a window that is there.
        unsafe { look_up(addr) }.map_or(0, |found| found.pte.bits())
    }

    #[test]
    fn open_maps_writable_and_close_unmaps() -> Result {
        let mut window = Window::new(4)?;
        let start = window.pages().start;
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);

        assert!((0..4).all(|n| bits(start + n * 4096) == 0));
        for _ in 0..3 {
            // SAFETY: This module's own text stays. Dropped below.
            let open = unsafe { window.open([page, page + 4096].into_iter(), Allowed::Text) }?;
            let seen = [start, start + 4096, start + 8192, page].map(bits);

            // A failing assertion drops nothing.
            drop(open);
            assert_eq!(seen[0] & (W | X), W);
            assert_eq!(seen[1] & (W | X), W);
            assert_eq!(seen[2], 0);
            // The text itself stays as it is.
            assert_eq!(seen[3] & (W | X), X);
            assert!((0..4).all(|n| bits(start + n * 4096) == 0));
        }
        Ok(())
    }

    /// Not even of a batch that waits for tasks between two of its writes.
    #[test]
    fn no_alias_stays_while_something_is_waited_for() -> Result {
        let mut window = Window::new(2)?;
        let start = window.pages().start;
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);
        let aliases = || [bits(start), bits(start + 4096)];
        // SAFETY: This module's own text stays. Dropped below.
        let mut open = unsafe { window.open([page, page + 4096].into_iter(), Allowed::Text) }?;
        let (before, mut meanwhile) = (aliases(), [u64::MAX; 2]);

        open.closed_while(|_| meanwhile = aliases());
        let after = aliases();
        drop(open);
        assert_eq!(meanwhile, [0; 2]);
        assert_eq!(after, before);
        assert!(before.iter().all(|entry| entry & (W | X) == W));
        assert_eq!(aliases(), [0; 2]);
        Ok(())
    }

    #[test]
    fn too_many_pages_are_refused() -> Result {
        let mut window = Window::new(1)?;
        let start = window.pages().start;
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);

        // SAFETY: This module's own text stays.
        let error = unsafe { window.open([page, page + 4096].into_iter(), Allowed::Text) }.err();
        assert_eq!(error, Some(E2BIG));
        assert_eq!(bits(start), 0);
        assert_eq!(Window::new(0).err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn what_is_not_text_is_refused() -> Result {
        let mut window = Window::new(2)?;
        let start = window.pages().start;
        let data = core::ptr::from_ref(&window).addr() & !(kernel::page::PAGE_SIZE - 1);
        let page = many(0) & !(kernel::page::PAGE_SIZE - 1);

        // SAFETY: This module's own text stays; the other page is refused.
        let error = unsafe { window.open([page, data].into_iter(), Allowed::Text) }.err();
        assert_eq!(error, Some(EFAULT));
        assert_eq!(bits(start), 0);
        Ok(())
    }
}

#[kunit_tests(rust_riscv_rendezvous)]
mod rendezvous_tests {
    use core::cell::Cell;

    use kernel::{
        cpu::CpuId,
        ffi::c_ulong,
        sync::atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        }, //
    };

    use riscv::{
        rendezvous::{
            meet,
            rendezvous,
            Counter,
            Met,
            Work, //
        },
        stop_machine::{
            stop_machine,
            Stop,
            Stopped, //
        },
        text_lock::TextLock,
        time::Ticks, //
    };

    use super::{
        bindings,
        hammer::{
            online,
            Called,
            Hammer, //
        },
        *, //
    };

    const MAX_CPUS: usize = 64;

    /// A counter that notes what it is asked, and in which order.
    struct Noted {
        count: Atomic<u32>,
        clock: Atomic<u32>,
        released_at: Atomic<u32>,
    }

    impl Counter for Noted {
        fn arrive(&self) -> u32 {
            self.count.fetch_add(1, Full) + 1
        }

        fn release(&self) {
            self.released_at
                .store(self.clock.fetch_add(1, Full), Relaxed);
            self.count.fetch_add(1, Release);
        }

        fn look(&self) -> u32 {
            self.count.load(Acquire)
        }

        fn relax() {}
    }

    /// What one CPU did.
    struct Cpu {
        arrivals: Atomic<u32>,
        place: Atomic<u32>,
        left_at: Atomic<u32>,
    }

    struct Observed {
        counter: Noted,
        online: Atomic<u32>,
        masters: Atomic<u32>,
        cpus: [Cpu; MAX_CPUS],
    }

    impl Observed {
        fn new() -> Self {
            Observed {
                counter: Noted {
                    count: Atomic::new(0),
                    clock: Atomic::new(0),
                    released_at: Atomic::new(0),
                },
                online: Atomic::new(0),
                masters: Atomic::new(0),
                cpus: [const {
                    Cpu {
                        arrivals: Atomic::new(0),
                        place: Atomic::new(0),
                        left_at: Atomic::new(0),
                    }
                }; MAX_CPUS],
            }
        }
    }

    impl Stop for Observed {
        fn run(&self, stopped: &Stopped<'_>) {
            let cpu = &self.cpus[CpuId::current().as_u32() as usize % MAX_CPUS];
            let mastered = Cell::new(false);

            self.online.store(stopped.online(), Relaxed);
            cpu.arrivals.fetch_add(1, Relaxed);
            let place = meet(&self.counter, stopped.online(), || mastered.set(true));
            cpu.left_at
                .store(self.counter.clock.fetch_add(1, Full), Relaxed);
            cpu.place.store(place, Relaxed);
            self.masters.fetch_add(u32::from(mastered.get()), Relaxed);
        }
    }

    /// One rendezvous, with everything checked that it promises.
    fn is_orderly() -> Result<bool> {
        let observed = KBox::new(Observed::new(), GFP_KERNEL)?;

        stop_machine(&*observed)?;

        let online = observed.online.load(Relaxed);
        let took_part = || {
            observed
                .cpus
                .iter()
                .filter(|cpu| cpu.arrivals.load(Relaxed) > 0)
        };
        let released_at = observed.counter.released_at.load(Relaxed);

        let each_once = took_part().count() == online as usize
            && took_part().all(|cpu| cpu.arrivals.load(Relaxed) == 1);
        let places = (1..=online).all(|place| {
            took_part()
                .filter(|cpu| cpu.place.load(Relaxed) == place)
                .count()
                == 1
        });
        let nobody_left_early = took_part().all(|cpu| cpu.left_at.load(Relaxed) > released_at);
        let one_master = observed.masters.load(Relaxed) == 1;

        Ok(each_once && places && nobody_left_early && one_master)
    }

    #[test]
    fn every_cpu_meets_and_the_last_is_master() -> Result {
        for _ in 0..200 {
            assert!(is_orderly()?);
        }
        Ok(())
    }

    #[test]
    fn master_is_the_last_to_arrive() -> Result {
        struct Late {
            counter: Noted,
            seen: Atomic<u32>,
            online: Atomic<u32>,
        }

        impl Stop for Late {
            fn run(&self, stopped: &Stopped<'_>) {
                self.online.store(stopped.online(), Relaxed);
                meet(&self.counter, stopped.online(), || {
                    self.seen.store(self.counter.look(), Relaxed)
                });
            }
        }

        for _ in 0..50 {
            let late = Late {
                counter: Noted {
                    count: Atomic::new(0),
                    clock: Atomic::new(0),
                    released_at: Atomic::new(0),
                },
                seen: Atomic::new(0),
                online: Atomic::new(0),
            };

            stop_machine(&late)?;
            // The master has seen all arrivals when it begins.
            assert_eq!(late.seen.load(Relaxed), late.online.load(Relaxed));
        }
        Ok(())
    }

    /// Looks at the clock that a CPU's timer interrupt advances, for a while.
    #[derive(Default)]
    struct Watch {
        before: c_ulong,
        after: c_ulong,
    }

    impl Work for Watch {
        fn master(&mut self, _met: &Met<'_>) {
            let start = Ticks::now();

            // SAFETY: The helper only reads `jiffies`.
            self.before = unsafe { bindings::rr_test_jiffies() };
            while Ticks::now().since(start) < 40_000_000 {}
            // SAFETY: The helper only reads `jiffies`.
            self.after = unsafe { bindings::rr_test_jiffies() };
        }
    }

    #[test]
    fn no_cpu_takes_interrupts_meanwhile() -> Result {
        for _ in 0..10 {
            let (watch, held) = TextLock::with(|lock| rendezvous(Watch::default(), lock))?;

            assert_eq!(held.cpus as usize, online().count());
            assert!(held.nanoseconds >= 40_000_000);
            assert_eq!(watch.before, watch.after);
        }
        Ok(())
    }

    struct Nothing;

    impl Work for Nothing {
        fn master(&mut self, _met: &Met<'_>) {}
    }

    /// Who waits for all CPUs to answer can be met: they answer until it has come.
    #[test]
    fn while_all_ask_each_other() -> Result {
        if is_alone() {
            return skip("one hart: there is nobody to ask");
        }
        let hammer = Hammer::start(&[Called {
            function: bindings::rr_test_ask_everybody,
            answers: [0, 0],
        }])?;

        for _ in 0..50 {
            TextLock::with(|lock| rendezvous(Nothing, lock))?;
        }
        let seen = hammer.stop();
        assert_eq!(seen.wrong, 0);
        assert!(seen.calls > 0);
        Ok(())
    }

    #[test]
    fn while_cpus_come_and_go() -> Result {
        let Some(cpu) = online().last().filter(|&cpu| cpu > 0) else {
            return skip("one hart: none can go off");
        };
        let _back = BackOn::hold(cpu)?;

        for _ in 0..8 {
            // SAFETY: `cpu` is online, and not the boot CPU.
            assert_eq!(unsafe { bindings::rr_test_cpu_down(cpu) }, 0);
            assert!(is_orderly()?);
            // SAFETY: `cpu` is offline.
            assert_eq!(unsafe { bindings::rr_test_cpu_up(cpu) }, 0);
            assert!(is_orderly()?);
        }
        Ok(())
    }
}

#[kunit_tests(rust_riscv_adversary)]
mod adversary_tests {
    use riscv::{
        adversary::{
            self,
            Point, //
        },
        time::Ticks, //
    };

    use super::{
        flip::*,
        support::{
            hold,
            Held, //
        },
        *, //
    };
    #[cfg(rust_riscv_text_hooks)]
    use super::{
        hammer::*,
        targets::*, //
    };

    /// 2 ms of a clock of 10 MHz, as QEMU has.
    const SHORT: u64 = 20_000;
    /// A second.
    const LONG: u64 = 10_000_000;

    /// A delay that ends with the test.
    struct Slow(Point);

    impl Slow {
        fn down(point: Point, ticks: u64) -> Result<Held<Slow>> {
            adversary::delay(point, ticks);
            hold(Slow(point))
        }
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            adversary::delay(self.0, 0);
        }
    }

    /// For how long `f` ran, in ticks.
    fn ticks(f: impl FnOnce() -> Result) -> Result<u64> {
        let start = Ticks::now().as_u64();

        f()?;
        Ok(Ticks::now().as_u64() - start)
    }

    #[test]
    fn a_commit_is_slowed_down_before_and_after_its_flush() -> Result {
        for point in [Point::Stored, Point::Flushed] {
            let slow = Slow::down(point, SHORT)?;
            let taken = ticks(|| flip(&[WORD], true, None).map(|_| ()))?;

            drop(slow);
            flip(&[WORD], false, None)?;
            assert!(taken >= SHORT);
        }
        Ok(())
    }

    #[test]
    fn other_points_are_not_slowed_down() -> Result {
        let _slow = Slow::down(Point::Unlocked, LONG)?;
        let before = Ticks::now().as_u64();

        for _ in 0..10 {
            adversary::at(Point::Unguarded);
        }
        // 10 s if each were.
        assert!(Ticks::now().as_u64() - before < 10 * LONG);
        Ok(())
    }

    /// What a commit that removes a breakpoint promises: no CPU is in its trap any more.
    #[test]
    #[cfg(rust_riscv_text_hooks)]
    fn no_cpu_is_in_the_trap_of_a_breakpoint_that_was_removed() -> Result {
        if is_alone() {
            return skip("one hart: nobody else can be in a trap");
        }
        let probe = Probe::register()?;

        probe.arm(true)?;
        let hammer = Hammer::start(&[Called {
            function: rr_target_probed,
            answers: [0, 0],
        }])?;
        // Longer than the commit takes if it does not wait, on a busy host, too.
        let slow = Slow::down(Point::Trapped, LONG / 2)?;

        while adversary::waiting(Point::Trapped) == 0 {
            core::hint::spin_loop();
        }
        let result = probe.arm(false);
        let still = adversary::waiting(Point::Trapped);

        drop(slow);
        let seen = hammer.stop();

        assert!(result.is_ok());
        assert_eq!(still, 0);
        assert_eq!(seen.wrong, 0);
        Ok(())
    }
}

#[kunit_tests(rust_riscv_memory)]
mod memory_tests {
    #[cfg(CONFIG_FAILSLAB)]
    use super::{
        bindings,
        flip::*,
        targets::*,
        *, //
    };

    /// Runs `work` with its `nth` allocation failing; whether one did, and the result.
    #[cfg(CONFIG_FAILSLAB)]
    fn with_failure<T>(nth: u32, work: impl FnOnce() -> T) -> (bool, T) {
        // SAFETY: The helper only writes a field of the current task.
        unsafe { bindings::rr_test_fail_nth(nth) };
        let result = work();
        // SAFETY: The helper only reads and writes a field of the current task.
        (unsafe { bindings::rr_test_has_failed() }, result)
    }

    #[test]
    #[cfg(CONFIG_FAILSLAB)]
    fn every_failed_allocation_is_a_clean_error() -> Result {
        const COUNT: usize = 100;

        // SAFETY: `module_refcount()` only reads an atomic, here of the helper's own module.
        let refs = || unsafe { bindings::rr_test_module_refs() };
        let before = refs();
        let (mut errors, mut fallbacks) = (0, 0);

        // Several rounds: the debugging of memory itself allocates now and then in between.
        for nth in (1..=6).cycle().take(30) {
            let (failed, result) = with_failure(nth, || {
                many_batch(COUNT, true, None).and_then(|batch| batch.commit())
            });

            assert_eq!(refs(), before);
            if result.is_ok() {
                // Memory for the edits falls back from `kmalloc()` to `vmalloc()`.
                fallbacks += u32::from(failed);
                many_batch(COUNT, false, None)?.commit()?;
            } else {
                errors += 1;
                assert!(failed);
                assert_eq!(result, Err(ENOMEM));
            }
            assert_eq!(count_many(NOP), MANY);
        }
        pr_info!("{errors} failed allocations were errors, {fallbacks} fell back\n");
        assert!(errors > 0 && fallbacks > 0);
        Ok(())
    }

    #[test]
    #[cfg(CONFIG_FAILSLAB)]
    fn a_commit_allocates_nothing() -> Result {
        use riscv::plan::Strategy;
        use riscv_patch::batch::Options;

        for (on, strategy) in [(true, Strategy::Live), (false, Strategy::Phased)] {
            let batch = many_batch(MANY, on, None)?;
            let options = Options {
                strategy: Some(strategy),
                ..Options::default()
            };
            let (failed, result) = with_failure(1, || batch.commit_with(options));

            assert!(!failed);
            assert!(result.is_ok());
        }
        // The injection itself works.
        // SAFETY: `kmalloc()` with `GFP_KERNEL` may be called where one may sleep, as here; the
        // helper frees what it allocates.
        let (failed, allocated) = with_failure(1, || unsafe { bindings::rr_test_allocate() });
        assert!(failed);
        assert!(!allocated);
        Ok(())
    }
}
