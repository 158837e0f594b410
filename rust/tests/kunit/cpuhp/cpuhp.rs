// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_cpuhp`: where and when the callbacks of a state run.

use core::ffi::CStr;

use kernel::{
    bindings::{
        cpuhp_state,
        cpuhp_state_CPUHP_AP_ARM_MVEBU_COHERENCY,
        cpuhp_state_CPUHP_AP_IRQ_RISCV_IMSIC_STARTING,
        cpuhp_state_CPUHP_AP_OFFLINE,
        cpuhp_state_CPUHP_AP_ONLINE,
        cpuhp_state_CPUHP_AP_ONLINE_DYN,
        cpuhp_state_CPUHP_AP_ONLINE_DYN_END,
        cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE,
        cpuhp_state_CPUHP_BP_PREPARE_DYN,
        cpuhp_state_CPUHP_BRINGUP_CPU,
        cpuhp_state_CPUHP_OFFLINE,
        cpuhp_state_CPUHP_ONLINE,
        cpuhp_state_CPUHP_TEARDOWN_CPU, //
    },
    cpu::CpuId,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use riscv::{
    cpuhp::{
        state_name,
        Calls,
        CpusRead,
        Here,
        Online,
        Prepare,
        Registration,
        Slot,
        Starting,
        State, //
    },
    irq::percpu::Local,
    sbi,
    thread::pair, //
};

use crate::{
    bindings,
    cpus::*,
    states::*,
    support::{
        hold,
        is_alone,
        skip,
        BackOn,
        Held, //
    }, //
};

/// The name of the state in a slot: before a state is set up, while it is set up, after it was
/// replaced, and after it was removed.
pub(crate) static STATE_NAMES: SetOnce<Result<[Option<KVec<u8>>; 4]>> = SetOnce::new();

/// Reads the names. The suite cannot, since it runs in a kernel thread, which has no `/sys`.
pub(crate) fn state_names() -> Result<[Option<KVec<u8>>; 4]> {
    let before = state_name(FREE)?;
    let state = registered::<AtStarting>(FREE, Calls::HotplugOnly)?;
    let meanwhile = state_name(FREE)?;
    let state = replace::<_, Other>(state)?;
    let replaced = state_name(FREE)?;
    drop(state);
    Ok([before, meanwhile, replaced, state_name(FREE)?])
}

fn irqs_off() -> bool {
    // SAFETY: `irqs_disabled()` only reads the state of this CPU.
    unsafe { bindings::rust_riscv_test_irqs_off() }
}

fn is_here(cpu: CpuId) -> bool {
    CpuId::current() == cpu
}

/// Defines a state whose callbacks record where they ran.
macro_rules! probe {
    ($state:ident, $seen:ident, $section:ty, $name:literal, $cpu:ident => $right:expr, $ok:expr) => {
        struct $state;

        static $seen: Seen = Seen::new();

        #[vtable]
        impl State for $state {
            type Section = $section;

            const NAME: &'static CStr = $name;

            fn up($cpu: &$section) -> <$section as riscv::cpuhp::Section>::Return {
                $seen.count(true, $cpu.cpu(), $right);
                $ok
            }

            fn down($cpu: &$section) {
                $seen.count(false, $cpu.cpu(), $right);
            }
        }
    };
}

probe!(AtPrepare, PREPARE, Prepare, c"rust_riscv_test:prepare", cpu => sleeps() && !is_here(cpu.cpu()), Ok(()));
probe!(AtStarting, STARTING, Starting, c"rust_riscv_test:starting", cpu => irqs_off() && is_here(cpu.cpu()), ());
probe!(Other, OTHER, Starting, c"rust_riscv_test:other", cpu => irqs_off() && is_here(cpu.cpu()), ());
probe!(AtOnline, ONLINE, Online, c"rust_riscv_test:online", cpu => sleeps() && is_here(cpu.cpu()), Ok(()));
probe!(Failing, FAILING, Online, c"rust_riscv_test:failing", cpu => is_here(cpu.cpu()), fail(cpu.cpu()));

/// The CPU on which [`Failing`] fails.
static FAIL_ON: Atomic<u32> = Atomic::new(u32::MAX);

fn fail(cpu: CpuId) -> Result {
    if FAIL_ON.load(Relaxed) == cpu.as_u32() {
        Err(ENOSPC)
    } else {
        Ok(())
    }
}

/// Sleeps, and returns whether interrupts were on before. `DEBUG_ATOMIC_SLEEP` warns if sleeping is
/// not allowed.
fn sleeps() -> bool {
    let on = !irqs_off();

    fsleep(Delta::from_micros(50));
    on
}

/// Registers a state for a test that may fail while the state is registered.
fn held<T: State>(slot: Slot<T::Section>, calls: Calls) -> Result<Held<Registration<T>>> {
    hold(registered(slot, calls)?)
}

/// Replaces `T` with `U`.
fn replace<T: State, U: State<Section = T::Section>>(
    state: Registration<T>,
) -> Result<Registration<U>> {
    // SAFETY: As in `registered`.
    CpusRead::with(|cpus| unsafe { state.replace(cpus) }).map_err(|(error, _)| error)
}

#[kunit_tests(rust_riscv_cpuhp)]
mod tests {
    use super::*;

    #[test]
    fn slot_is_in_one_section() {
        let sections = |number| {
            (
                Slot::<Prepare>::new(number).is_some(),
                Slot::<Starting>::new(number).is_some(),
                Slot::<Online>::new(number).is_some(),
            )
        };
        let none = (false, false, false);

        for number in [
            -1,
            cpuhp_state_CPUHP_OFFLINE,
            cpuhp_state_CPUHP_BP_PREPARE_DYN,
            cpuhp_state_CPUHP_BRINGUP_CPU,
            cpuhp_state_CPUHP_AP_OFFLINE,
            cpuhp_state_CPUHP_AP_ONLINE,
            cpuhp_state_CPUHP_TEARDOWN_CPU,
            cpuhp_state_CPUHP_AP_ONLINE_DYN,
            cpuhp_state_CPUHP_AP_ONLINE_DYN_END,
            cpuhp_state_CPUHP_ONLINE,
            cpuhp_state_CPUHP_ONLINE + 1,
        ] {
            assert_eq!(sections(number), none);
        }
        assert_eq!(
            sections(cpuhp_state_CPUHP_BP_PREPARE_DYN - 1),
            (true, false, false)
        );
        assert_eq!(
            sections(cpuhp_state_CPUHP_AP_OFFLINE + 1),
            (false, true, false)
        );
        assert_eq!(
            sections(cpuhp_state_CPUHP_AP_ONLINE - 1),
            (false, true, false)
        );
        assert_eq!(
            sections(cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE),
            (false, false, true)
        );
    }

    #[test]
    fn hotplug_only_setup_runs_no_callbacks() -> Result {
        for seen in [&PREPARE, &STARTING, &ONLINE] {
            seen.reset();
        }
        drop((
            registered::<AtPrepare>(Slot::PREPARE_DYNAMIC, Calls::HotplugOnly)?,
            registered::<AtStarting>(FREE, Calls::HotplugOnly)?,
            registered::<AtOnline>(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
        ));
        for seen in [&PREPARE, &STARTING, &ONLINE] {
            assert_eq!(seen.ups(), 0);
            assert!(seen.is_balanced());
        }
        Ok(())
    }

    #[test]
    fn callbacks_run_in_the_context_of_their_section() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        for seen in [&PREPARE, &STARTING, &ONLINE] {
            seen.reset();
        }
        let states = (
            held::<AtPrepare>(Slot::PREPARE_DYNAMIC, Calls::HotplugOnly)?,
            held::<AtStarting>(FREE, Calls::HotplugOnly)?,
            held::<AtOnline>(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
        );
        let mut cycles = 0;

        for cpu in others() {
            cycle(cpu)?;
            cycles += 1;
            for seen in [&PREPARE, &STARTING, &ONLINE] {
                assert_eq!((seen.up(cpu), seen.down(cpu)), (1, 1));
            }
        }
        drop(states);
        for seen in [&PREPARE, &STARTING, &ONLINE] {
            assert!(seen.all_right());
            // Neither setup nor removal has run callbacks.
            assert_eq!(seen.ups(), cycles);
            assert!(seen.is_balanced());
        }
        Ok(())
    }

    /// Sets up `T` with calls on online CPUs, and removes it. Returns whether each CPU was called.
    fn with_calls<T: State>(slot: Slot<T::Section>, seen: &Seen) -> Result<bool> {
        seen.reset();
        let state = registered::<T>(slot, Calls::OnlineCpusToo)?;
        let set_up = all().all(|cpu| (seen.up(cpu), seen.down(cpu)) == (1, 0));

        drop(state);
        Ok(set_up && all().all(|cpu| (seen.up(cpu), seen.down(cpu)) == (1, 1)))
    }

    #[test]
    fn setup_with_calls_runs_on_every_online_cpu() -> Result {
        assert!(with_calls::<AtStarting>(FREE, &STARTING)?);
        assert!(STARTING.all_right());
        assert!(with_calls::<AtOnline>(Slot::ONLINE_DYNAMIC, &ONLINE)?);
        assert!(ONLINE.all_right());
        // These callbacks run on the CPU that sets the state up, also for this CPU itself, so
        // `all_right()` does not hold.
        assert!(with_calls::<AtPrepare>(Slot::PREPARE_DYNAMIC, &PREPARE)?);
        Ok(())
    }

    #[test]
    fn occupied_slot_is_refused() -> Result {
        let first = held::<AtStarting>(FREE, Calls::HotplugOnly)?;

        assert_eq!(first.number(), FREE.number());
        let second = held::<Other>(FREE, Calls::HotplugOnly);
        assert_eq!(second.err(), Some(EBUSY));
        drop(first);
        drop(registered::<Other>(FREE, Calls::HotplugOnly)?);
        Ok(())
    }

    #[test]
    fn refused_setup_keeps_the_first_state() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        let _first = held::<AtStarting>(FREE, Calls::HotplugOnly)?;

        assert!(held::<Other>(FREE, Calls::HotplugOnly).is_err());
        STARTING.reset();
        for cpu in others() {
            cycle(cpu)?;
            assert_eq!(STARTING.up(cpu), 1);
        }
        Ok(())
    }

    #[test]
    fn state_name_is_in_sysfs() -> Result {
        if cfg!(not(MODULE)) {
            return skip("built in: sysfs is not mounted yet");
        }
        let names = STATE_NAMES
            .as_ref()
            .ok_or(EINVAL)?
            .as_ref()
            .map_err(|&error| error)?;

        assert!(names[0].is_none());
        assert_eq!(names[1].as_deref(), Some(AtStarting::NAME.to_bytes()));
        assert_eq!(names[2].as_deref(), Some(Other::NAME.to_bytes()));
        assert!(names[3].is_none());
        Ok(())
    }

    #[test]
    fn dynamic_slots_differ_and_are_reused() -> Result {
        let new = || held::<AtOnline>(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly);
        let (first, second) = (new()?, new()?);
        let dynamic = cpuhp_state_CPUHP_AP_ONLINE_DYN..=cpuhp_state_CPUHP_AP_ONLINE_DYN_END;
        let number = second.number();

        assert!(first.number() != number);
        assert!(dynamic.contains(&number) && dynamic.contains(&first.number()));
        drop(second);
        let third = new()?;
        assert_eq!(third.number(), number);
        Ok(())
    }

    /// Returns the recorded callbacks for a CPU, in the order in which they ran.
    fn steps_of(cpu: u32, up: bool) -> Result<KVec<bindings::rust_riscv_test_step>> {
        let mut found = KVec::new();
        let mut n = 0;

        loop {
            let mut step = bindings::rust_riscv_test_step {
                cpu: 0,
                ran_on: 0,
                state: 0,
                up: false,
                irqs_off: false,
            };

            // SAFETY: `step` can be written.
            if !unsafe { bindings::rust_riscv_test_step_at(n, &mut step) } {
                return Ok(found);
            }
            if step.cpu == cpu && step.up == up {
                found.push(step, GFP_KERNEL)?;
            }
            n += 1;
        }
    }

    /// The slots right before and right after the one in which the SBI IPI is enabled. Kernels with
    /// SBI IPIs do not use them.
    const BEFORE: Slot<Starting> =
        Slot::new(cpuhp_state_CPUHP_AP_IRQ_RISCV_IMSIC_STARTING).unwrap();
    const AFTER: Slot<Starting> = Slot::new(cpuhp_state_CPUHP_AP_ARM_MVEBU_COHERENCY).unwrap();

    /// Records that the state ran, and whether the SBI IPI was enabled.
    fn note(cpu: &Starting, slot: Slot<Starting>) {
        // SAFETY: The helper may be called in any context, on all CPUs at once: each call writes an
        // entry of its own.
        unsafe {
            bindings::rust_riscv_test_note(
                cpu.cpu().as_u32(),
                cpuhp_state_CPUHP_ONLINE,
                slot.number(),
            )
        };
        IPI_ENABLED[usize::from(slot.number() == AFTER.number())]
            .store(is_enabled(Local::Software), Relaxed);
    }

    static IPI_ENABLED: [Atomic<bool>; 2] = [const { Atomic::new(false) }; 2];

    struct Before;

    #[vtable]
    impl State for Before {
        type Section = Starting;

        const NAME: &'static CStr = c"rust_riscv_test:before";

        fn up(cpu: &Starting) {
            note(cpu, BEFORE);
        }
    }

    struct After;

    #[vtable]
    impl State for After {
        type Section = Starting;

        const NAME: &'static CStr = c"rust_riscv_test:after";

        fn up(cpu: &Starting) {
            note(cpu, AFTER);
        }
    }

    #[test]
    fn test_slots_surround_the_sbi_ipi() {
        assert_eq!(BEFORE.number() + 1, Slot::RISCV_SBI_IPI.number());
        assert_eq!(AFTER.number() - 1, Slot::RISCV_SBI_IPI.number());
    }

    #[test]
    fn states_run_in_order() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        for cpu in others() {
            let online = registered::<AtOnline>(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?;
            let after = registered::<After>(AFTER, Calls::HotplugOnly)?;
            let before = if sbi::delivers_ipis() {
                Some(registered::<Before>(BEFORE, Calls::HotplugOnly)?)
            } else {
                None
            };

            // SAFETY: Stopped below.
            to_result(unsafe { bindings::rust_riscv_test_steps_start() })?;
            let result = cycle(cpu);
            // SAFETY: Started above.
            unsafe { bindings::rust_riscv_test_steps_stop() };
            result?;

            let numbers = (
                online.number(),
                after.number(),
                before.as_ref().map(Registration::number),
            );
            drop((online, after, before));

            let (ups, downs) = (steps_of(cpu, true)?, steps_of(cpu, false)?);
            let at = |state: cpuhp_state| ups.iter().position(|step| step.state == state);
            let after = at(numbers.1).ok_or(ENOENT)?;
            let workqueue = at(cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE).ok_or(ENOENT)?;
            let dynamic = at(numbers.0).ok_or(ENOENT)?;

            // Not strictly, since a multi-instance state runs once per instance.
            assert!(ups.windows(2).all(|pair| pair[0].state <= pair[1].state));
            assert!(downs.windows(2).all(|pair| pair[0].state >= pair[1].state));
            assert!(after < workqueue && workqueue < dynamic);
            assert!(ups[after].irqs_off && !ups[workqueue].irqs_off);
            // The first ones run on the control CPU, the others on the CPU itself.
            for step in &ups {
                assert_eq!(
                    (step.ran_on == cpu),
                    (step.state > cpuhp_state_CPUHP_AP_OFFLINE)
                );
            }
            if let Some(before) = numbers.2 {
                // The IPI was enabled in between, and only one slot is between them.
                assert_eq!(at(before).ok_or(ENOENT)? + 1, after);
                assert!(!IPI_ENABLED[0].load(Relaxed) && IPI_ENABLED[1].load(Relaxed));
            }
        }
        Ok(())
    }

    #[test]
    fn failing_online_callback_rolls_back() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        for seen in [&STARTING, &ONLINE, &FAILING] {
            seen.reset();
        }
        let _states = (
            held::<AtStarting>(FREE, Calls::HotplugOnly)?,
            held::<AtOnline>(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
            held::<Failing>(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
        );

        for cpu in others() {
            let _back = BackOn::hold(cpu)?;

            take_down(cpu)?;
            FAIL_ON.store(cpu, Relaxed);
            let result = bring_up(cpu);
            FAIL_ON.store(u32::MAX, Relaxed);

            assert_eq!(result, Err(ENOSPC));
            // SAFETY: A CPU number.
            assert!(!unsafe { bindings::rust_riscv_test_cpu_is_online(cpu) });
            // Earlier callbacks were undone, the failed one was not.
            assert_eq!((STARTING.up(cpu), STARTING.down(cpu)), (1, 2));
            assert_eq!((ONLINE.up(cpu), ONLINE.down(cpu)), (1, 2));
            assert_eq!((FAILING.up(cpu), FAILING.down(cpu)), (1, 1));
            bring_up(cpu)?;
            assert!(answers(cpu));
        }
        Ok(())
    }

    /// Sets up a state that fails on the last CPU. Returns this CPU and the error.
    fn fail_to_set_up() -> Result<(u32, Option<Error>)> {
        let last = all().last().ok_or(ENODEV)?;

        FAILING.reset();
        FAIL_ON.store(last, Relaxed);
        let result = held::<Failing>(Slot::ONLINE_DYNAMIC, Calls::OnlineCpusToo);
        FAIL_ON.store(u32::MAX, Relaxed);
        Ok((last, result.err()))
    }

    #[test]
    fn failing_setup_is_undone() -> Result {
        let (last, error) = fail_to_set_up()?;

        assert_eq!(error, Some(ENOSPC));
        for cpu in all() {
            let undone = u32::from(cpu != last);
            assert_eq!((FAILING.up(cpu), FAILING.down(cpu)), (1, undone));
        }
        Ok(())
    }

    #[test]
    fn failing_setup_leaves_no_state() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        assert!(fail_to_set_up()?.1.is_some());
        for cpu in others() {
            cycle(cpu)?;
            // The state does not exist any more.
            assert_eq!(FAILING.up(cpu), 1);
        }
        Ok(())
    }

    #[test]
    fn cpus_read_lock_excludes_hotplug() -> Result {
        let Some(cpu) = others().last() else {
            return skip("one hart: none can go off");
        };
        let (mut before, mut after, mut result) = (0, 1, Ok(()));
        let lock = Atomic::new(false);

        STARTING.reset();
        pair(
            [0, 0],
            || {
                CpusRead::with(|cpus| {
                    lock.store(true, Relaxed);
                    // SAFETY: Removed below.
                    let state = unsafe {
                        Registration::<AtStarting>::new_locked(FREE, Calls::HotplugOnly, cpus)
                    };
                    before = STARTING.down(cpu);
                    // Long enough for the other thread to reach the lock.
                    fsleep(Delta::from_millis(100));
                    after = STARTING.down(cpu);
                    if let Ok(state) = state {
                        state.remove_locked(cpus);
                    }
                })
            },
            || {
                while !lock.load(Relaxed) {
                    fsleep(Delta::from_micros(100));
                }
                result = cycle(cpu);
            },
        )?;
        result?;
        assert_eq!((before, after), (0, 0));
        // The state was removed under the same lock, so the CPU did not run it.
        assert_eq!((STARTING.up(cpu), STARTING.down(cpu)), (0, 0));
        assert!(CpusRead::try_with(|_| ()).is_some());
        Ok(())
    }

    /// How often each CPU goes offline and online in a test: less often if there are more CPUs.
    fn cycles_each() -> u32 {
        2 + 12 / (1 + others().count() as u32)
    }

    /// Runs `work` repeatedly while all CPUs go offline and online. Returns how often it ran.
    fn while_cpus_cycle(mut work: impl FnMut() -> Result + Send) -> Result<u32> {
        let each = cycles_each();
        let over = Atomic::new(false);
        let (mut cycled, mut worked, mut rounds) = (Ok(()), Ok(()), 0);

        pair(
            [0, 0],
            || {
                for _ in 0..each {
                    for cpu in others() {
                        cycled = cycled.and_then(|()| cycle(cpu)).and_then(|()| {
                            if answers(cpu) {
                                Ok(())
                            } else {
                                Err(EIO)
                            }
                        });
                    }
                }
                over.store(true, Relaxed);
            },
            || {
                while !over.load(Relaxed) && worked.is_ok() {
                    worked = work();
                    rounds += 1;
                }
            },
        )?;
        cycled?;
        worked?;
        Ok(rounds)
    }

    #[test]
    fn states_are_removed_during_hotplug() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        for seen in [&PREPARE, &STARTING, &ONLINE] {
            seen.reset();
        }
        let rounds = while_cpus_cycle(|| {
            let states = (
                registered::<AtPrepare>(Slot::PREPARE_DYNAMIC, Calls::OnlineCpusToo)?,
                registered::<AtStarting>(FREE, Calls::OnlineCpusToo)?,
                registered::<AtOnline>(Slot::ONLINE_DYNAMIC, Calls::OnlineCpusToo)?,
            );
            fsleep(Delta::from_millis(1));
            drop(states);
            Ok(())
        })?;

        pr_info!("set up and removed {rounds} times\n");
        for seen in [&PREPARE, &STARTING, &ONLINE] {
            // Each startup callback was followed by a teardown callback.
            assert!(seen.is_balanced());
            assert!(seen.ups() >= rounds);
        }
        assert!(STARTING.all_right() && ONLINE.all_right());
        Ok(())
    }

    /// One of two states for the same slot.
    enum Either {
        This(Registration<AtStarting>),
        That(Registration<Other>),
    }

    impl Either {
        fn replace(self) -> Result<Either> {
            match self {
                Either::This(state) => replace(state).map(Either::That),
                Either::That(state) => replace(state).map(Either::This),
            }
        }
    }

    #[test]
    fn replacing_during_hotplug_misses_no_cpu() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        let mut state = Some(Either::This(registered(FREE, Calls::HotplugOnly)?));
        let cycles = cycles_each() * others().count() as u32;
        let mut calls = 0;

        STARTING.reset();
        OTHER.reset();
        let rounds = while_cpus_cycle(|| {
            let mut now = state.take().ok_or(EIO)?;

            // Each replacement waits for the CPU that is coming up or going down. Vary between an
            // odd and an even number: otherwise one state would always see CPUs come up, and the
            // other would always see them go down.
            calls += 1;
            for _ in 0..1 + calls / 3 % 2 {
                now = now.replace()?;
            }
            state = Some(now);
            fsleep(Delta::from_micros(500));
            Ok(())
        })?;

        // Before the assertions, since a failing one does not drop it.
        drop(state);
        pr_info!(
            "replaced {rounds} times: {} CPUs came through the one, {} through the other\n",
            STARTING.ups(),
            OTHER.ups()
        );
        assert_eq!(STARTING.ups() + OTHER.ups(), cycles);
        assert!(STARTING.all_right() && OTHER.all_right());
        Ok(())
    }

    #[test]
    fn replacing_runs_no_callbacks() -> Result {
        let state = registered::<AtStarting>(FREE, Calls::OnlineCpusToo)?;

        STARTING.reset();
        OTHER.reset();
        drop(replace::<_, Other>(state)?);
        assert_eq!(STARTING.ups() + OTHER.ups(), 0);
        assert!(STARTING.is_balanced() && OTHER.is_balanced());
        Ok(())
    }
}
