// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_rendezvous`: all CPUs stop, the last to arrive works, no CPU leaves early.

use core::cell::Cell;

use kernel::{
    cpu::CpuId,
    ffi::c_ulong,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    }, //
};

use riscv::{
    stop_machine::{
        rendezvous::{
            rendezvous,
            run_on_last,
            Arrivals,
            Exclusive,
            Work, //
        },
        stop_machine,
        Stop,
        Stopped, //
    },
    text::lock::TextLock,
    timebase::Ticks, //
};

use crate::{
    bindings,
    hammer::{
        online,
        Called,
        Hammer, //
    },
    hotplug::cycle_last_cpu,
    support::{
        is_alone,
        skip, //
    }, //
};

#[kunit_tests(rust_riscv_rendezvous)]
mod tests {
    use super::*;

    const MAX_CPUS: usize = 64;

    /// A counter that records when the waiters are released.
    struct Noted {
        count: Atomic<u32>,
        clock: Atomic<u32>,
        released_at: Atomic<u32>,
    }

    impl Arrivals for Noted {
        fn arrive(&self) -> u32 {
            self.count.fetch_add(1, Full) + 1
        }

        fn release(&self) {
            self.released_at
                .store(self.clock.fetch_add(1, Full), Relaxed);
            self.count.fetch_add(1, Release);
        }

        fn arrived(&self) -> u32 {
            self.count.load(Acquire)
        }

        fn cpu_relax() {}
    }

    /// What one CPU did.
    struct Cpu {
        arrivals: Atomic<u32>,
        position: Atomic<u32>,
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
                        position: Atomic::new(0),
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
            let position = run_on_last(&self.counter, stopped.online(), || mastered.set(true));
            cpu.left_at
                .store(self.counter.clock.fetch_add(1, Full), Relaxed);
            cpu.position.store(position, Relaxed);
            self.masters.fetch_add(u32::from(mastered.get()), Relaxed);
        }
    }

    /// Runs one rendezvous, and checks everything that it guarantees.
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
        let positions = (1..=online).all(|position| {
            took_part()
                .filter(|cpu| cpu.position.load(Relaxed) == position)
                .count()
                == 1
        });
        let nobody_left_early = took_part().all(|cpu| cpu.left_at.load(Relaxed) > released_at);
        let one_master = observed.masters.load(Relaxed) == 1;

        Ok(each_once && positions && nobody_left_early && one_master)
    }

    #[test]
    fn every_cpu_arrives_once_and_one_is_master() -> Result {
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
                run_on_last(&self.counter, stopped.online(), || {
                    self.seen.store(self.counter.arrived(), Relaxed)
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
            // All CPUs had arrived when the master began.
            assert_eq!(late.seen.load(Relaxed), late.online.load(Relaxed));
        }
        Ok(())
    }

    /// Reads `jiffies`, which a CPU's timer interrupt advances, at the beginning and end of 40 ms.
    #[derive(Default)]
    struct Watch {
        before: c_ulong,
        after: c_ulong,
    }

    impl Work for Watch {
        fn master(&mut self, _exclusive: &Exclusive<'_>) {
            let start = Ticks::now();

            // SAFETY: The helper only reads `jiffies`.
            self.before = unsafe { bindings::rust_riscv_test_jiffies() };
            while Ticks::now().since(start) < 40_000_000 {}
            // SAFETY: The helper only reads `jiffies`.
            self.after = unsafe { bindings::rust_riscv_test_jiffies() };
        }
    }

    #[test]
    fn interrupts_are_off_while_stopped() -> Result {
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
        fn master(&mut self, _exclusive: &Exclusive<'_>) {}
    }

    /// A CPU that waits for all others to answer an IPI arrives, since the others have interrupts
    /// on until all have gathered.
    #[test]
    fn rendezvous_while_cpus_wait_for_ipis() -> Result {
        if is_alone() {
            return skip("one hart: there is nobody to ask");
        }
        let hammer = Hammer::start(&[Called {
            function: bindings::rust_riscv_test_ask_everybody,
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

    /// A rendezvous does not wait for a CPU that is offline, and does when it is online again.
    #[test]
    fn only_online_cpus_arrive() -> Result {
        let check = || {
            assert!(is_orderly()?);
            Ok(())
        };

        cycle_last_cpu(|_| check(), |_, _| check())
    }
}
