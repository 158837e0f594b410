// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_barrier`: what the barriers and patterns guarantee besides ordering.

use kernel::{
    bindings,
    cpu::nr_cpu_ids,
    current,
    ffi::c_long,
    impl_has_hr_timer,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        hrtimer::{
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerRestart,
            RelativePinnedHardMode,
            ScopedHrTimerPointer, //
        },
        msecs_to_jiffies,
        Delta,
        Monotonic, //
    }, //
};
use pin_init::stack_pin_init;

use riscv::{
    barrier::{
        cancel::{
            Cancel,
            Cancelled, //
        },
        doorbell::{
            Descriptor,
            Doorbell, //
        },
        message::Message,
        same_cpu::{
            Handler,
            Mailbox, //
        },
        smp_store_mb,
        wake_up::WakeUp, //
    },
    thread::{
        pair,
        set_current_state,
        TaskState, //
    }, //
};

#[kunit_tests(rust_riscv_barrier)]
mod tests {
    use super::*;

    /// Binding a kernel thread accesses the CPU mask and per-CPU data, so the CPU must exist.
    #[test]
    fn pair_runs_on_existing_cpus() {
        let ran = Atomic::new(0);
        let run = || ran.add(1, Relaxed);

        assert_eq!(pair([0, 0], run, run), Ok(()));
        assert_eq!(ran.load(Relaxed), 2);
        for cpu in [nr_cpu_ids(), bindings::NR_CPUS, u32::MAX] {
            assert_eq!(pair([0, cpu], run, run), Err(EINVAL));
            assert_eq!(pair([cpu, 0], run, run), Err(EINVAL));
        }
        assert_eq!(ran.load(Relaxed), 2);
    }

    #[test]
    fn store_mb_stores() {
        let (word, flag) = (Atomic::new(1u64), Atomic::new(false));

        smp_store_mb(&word, u64::MAX);
        smp_store_mb(&flag, true);
        assert_eq!(word.load(Relaxed), u64::MAX);
        assert!(flag.load(Relaxed));
    }

    #[test]
    fn sleeper_is_seen_only_while_asleep() -> Result {
        let mut shared = WakeUp::new();
        let (mut sleeper, waker) = shared.split();

        assert!(!waker.set());
        assert!(sleeper.take());
        assert!(!sleeper.take());
        let asleep = sleeper.prepare().ok_or(EINVAL)?;
        assert!(waker.set());
        drop(asleep);
        assert!(!waker.set());
        assert!(sleeper.prepare().is_none());
        // A sleeper that does not have to sleep is not marked as asleep.
        assert!(!waker.set());
        Ok(())
    }

    /// `wake_up_process()` wakes a task only if its state was set before.
    #[test]
    fn sleeper_that_sets_its_state_first_is_woken() -> Result {
        let mut shared = WakeUp::new();
        let (mut sleeper, waker) = shared.split();
        let long = msecs_to_jiffies(60_000) as c_long;
        let sleep = |ticks| {
            // SAFETY: Nothing is locked here.
            unsafe { bindings::schedule_timeout(ticks) }
        };

        for _ in 0..100 {
            set_current_state(TaskState::Interruptible);
            let asleep = sleeper.prepare().ok_or(EINVAL)?;
            assert!(waker.set());
            current!().wake_up();
            // Woken before the timeout.
            assert!(sleep(long) > 0);
            drop(asleep);
            assert!(sleeper.take());
        }
        // If the state is set after the wake-up, the task sleeps until the timeout.
        let asleep = sleeper.prepare().ok_or(EINVAL)?;
        assert!(waker.set());
        current!().wake_up();
        set_current_state(TaskState::Interruptible);
        assert_eq!(sleep(2), 0);
        drop(asleep);
        Ok(())
    }

    #[test]
    fn cancelled_work_does_not_start() -> Result {
        let mut shared = Cancel::new();
        let (mut worker, canceller) = shared.split();

        drop(worker.start().ok_or(EINVAL)?);
        let running = worker.start().ok_or(EINVAL)?;
        assert!(!running.is_cancelled());
        assert_eq!(canceller.cancel(), Cancelled::StillRunning);
        assert!(running.is_cancelled());
        assert!(!canceller.is_done());
        drop(running);
        assert!(canceller.is_done());
        assert!(worker.start().is_none());
        // Work that did not start is not waited for.
        assert_eq!(canceller.cancel(), Cancelled::Never);
        Ok(())
    }

    #[test]
    fn message_is_received_once_and_complete() -> Result {
        for n in 0..100usize {
            let mut room = Message::new();
            let (sender, mut receiver) = room.split();
            let mut received = None;
            let mut again = None;

            pair(
                [0, 0],
                || sender.send([n, !n, n]),
                || {
                    while received.is_none() {
                        received = receiver.receive();
                        kernel::time::delay::fsleep(Delta::from_micros(10));
                    }
                    again = receiver.receive();
                },
            )?;
            // Checked here, since an assertion only fails the test in the test's own thread.
            assert_eq!(received, Some([n, !n, n]));
            assert_eq!(again, None);
        }
        Ok(())
    }

    struct Counted<'a>(&'a Atomic<u32>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.add(1, Relaxed);
        }
    }

    #[test]
    fn message_is_dropped_once() {
        let drops = Atomic::new(0);

        let mut room = Message::new();
        room.split().0.send(Counted(&drops));
        assert_eq!(drops.load(Relaxed), 0);
        drop(room);
        assert_eq!(drops.load(Relaxed), 1);

        let mut room = Message::new();
        let (sender, mut receiver) = room.split();
        sender.send(Counted(&drops));
        drop(receiver.receive());
        assert_eq!(drops.load(Relaxed), 2);
        drop(room);
        assert_eq!(drops.load(Relaxed), 2);

        // A second split resets the message, and so drops what was not received.
        let mut room = Message::new();
        room.split().0.send(Counted(&drops));
        assert!(room.split().1.receive().is_none());
        assert_eq!(drops.load(Relaxed), 3);
    }

    #[test]
    fn descriptor_has_one_owner() -> Result {
        let register = Atomic::new(0);
        let doorbell = Doorbell::new(|n| register.store(n, Relaxed));
        let mut descriptor = Descriptor::new(1u64);
        let (mut driver, mut device) = descriptor.split();

        let given = driver.give(|data| *data = 2).ok_or(EINVAL)?;
        assert_eq!(register.load(Relaxed), 0);
        doorbell.ring(7, given);
        assert_eq!(register.load(Relaxed), 7);
        assert!(driver.take().is_none());
        assert!(driver.give(|data| *data = 3).is_none());
        // SAFETY: There is no device.
        unsafe { device.give_back() };
        assert_eq!(driver.take(), Some(&mut 2));
        Ok(())
    }

    #[test]
    fn value_is_taken_once() {
        let mut mailbox = Mailbox::new();
        // SAFETY: Both sides are this task's.
        let (mut task, mut handler) = unsafe { mailbox.split() };

        assert_eq!(handler.take(), None);
        assert!(task.post(1));
        assert!(!task.post(2));
        assert_eq!(handler.take(), Some(1));
        assert_eq!(handler.take(), None);
        assert!(task.post(3));
        assert_eq!(handler.take(), Some(3));
    }

    /// Large enough for an interrupt to occur while it is being written.
    type Words = [u64; 128];

    /// A timer whose interrupt takes values, and checks that they are complete and in order.
    #[pin_data]
    struct Interrupt {
        #[pin]
        timer: HrTimer<Self>,
        handler: *mut Handler<'static, Words>,
        taken: Atomic<u64>,
        wrong: Atomic<u64>,
    }

    // SAFETY: Only the callback uses the handler, one at a time.
    unsafe impl Send for Interrupt {}
    // SAFETY: As above.
    unsafe impl Sync for Interrupt {}

    const TAKEN: u64 = 1_000;

    impl HrTimerCallback for Interrupt {
        type Pointer<'a> = Pin<&'a Self>;

        fn run(this: Pin<&Self>, mut context: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
            // SAFETY: It outlives the timer, and nobody else uses it.
            if let Some(value) = unsafe { (*this.handler).take() } {
                let right = value == [this.taken.load(Relaxed); 128];
                this.wrong.add(u64::from(!right), Relaxed);
                this.taken.add(1, Relaxed);
            }
            if this.taken.load(Relaxed) >= TAKEN {
                return HrTimerRestart::NoRestart;
            }
            context.forward_now(Delta::from_micros(50));
            HrTimerRestart::Restart
        }
    }

    impl_has_hr_timer! {
        impl HasHrTimer<Self> for Interrupt {
            mode: RelativePinnedHardMode<Monotonic>, field: self.timer
        }
    }

    /// A task posts values for an interrupt on its own CPU, which may occur at any instruction.
    #[test]
    fn value_is_not_torn_by_an_interrupt() -> Result {
        let mut seen = (0, 0);

        pair(
            [0, 0],
            || {
                let mut mailbox = Mailbox::<Words>::new();
                // SAFETY: This thread stays on CPU 0, where its timer's interrupt comes, too.
                let (mut task, mut handler) = unsafe { mailbox.split() };
                let handler = core::ptr::from_mut(&mut handler).cast();

                stack_pin_init!(let interrupt = pin_init!(Interrupt {
                    timer <- HrTimer::new(),
                    handler,
                    taken: Atomic::new(0),
                    wrong: Atomic::new(0),
                }));
                let timer = interrupt.as_ref();
                timer.start_scoped(Delta::from_micros(50), || {
                    let mut posted = 0;
                    while timer.taken.load(Relaxed) < TAKEN {
                        // Vary the time at which the value is posted.
                        for _ in 0..posted * 7919 % 4096 {
                            core::hint::spin_loop();
                        }
                        posted += u64::from(task.post([posted; 128]));
                    }
                });
                seen = (timer.taken.load(Relaxed), timer.wrong.load(Relaxed));
            },
            || (),
        )?;
        assert_eq!(seen, (TAKEN, 0));
        Ok(())
    }
}
