// SPDX-License-Identifier: GPL-2.0

//! The rendezvous: every CPU stops, the last to arrive works, all leave together.
//!
//! It takes three waits for the slowest CPU: until all are gathered, until all have arrived with
//! interrupts off, until the work is done. (`stop_machine()` makes it five.)
//!
//! The last, because only then is nobody still running what the master is about to replace. There
//! is no IPI inside: interrupts are off, so a flush on another hart that is itself an IPI would
//! never be answered. Each CPU instead flushes for itself, on its way out.

use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};

use kernel::{
    bindings::atomic_t,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

pub use crate::meet::{
    meet,
    Counter, //
};

use crate::{
    bindings,
    fence,
    meet::{
        gather,
        Roll, //
    },
    online_cpus,
    stop_machine::{
        run_in_stoppers,
        InStopper,
        INTERRUPTS_ON, //
    },
    text_lock::TextLock,
    time::Ticks, //
};

/// A [`Counter`] of the running kernel.
struct KernelCounter(Opaque<atomic_t>);

// SAFETY: All accesses are atomic.
unsafe impl Sync for KernelCounter {}

impl KernelCounter {
    fn new() -> Self {
        KernelCounter(Opaque::new(atomic_t { counter: 0 }))
    }
}

impl Roll for KernelCounter {
    #[inline(always)]
    fn join(&self) {
        // SAFETY: A valid `atomic_t`.
        unsafe { bindings::rr_counter_inc(self.0.get()) }
    }

    #[inline(always)]
    fn joined(&self) -> u32 {
        // SAFETY: A valid `atomic_t`.
        unsafe { bindings::rr_counter_read(self.0.get()) }
    }
}

impl Counter for KernelCounter {
    #[inline(always)]
    fn arrive(&self) -> u32 {
        // SAFETY: A valid `atomic_t`.
        unsafe { bindings::rr_counter_inc_return(self.0.get()) }
    }

    #[inline(always)]
    fn release(&self) {
        // SAFETY: A valid `atomic_t`.
        unsafe { bindings::rr_counter_inc_release(self.0.get()) }
    }

    #[inline(always)]
    fn look(&self) -> u32 {
        // SAFETY: A valid `atomic_t`.
        unsafe { bindings::rr_counter_read_acquire(self.0.get()) }
    }

    #[inline(always)]
    fn relax() {
        // SAFETY: No requirements.
        unsafe { bindings::rr_cpu_relax() }
    }
}

/// Keeps interrupts off on this CPU. Unknown to lockdep, whose functions may be what is patched.
struct InterruptsOff {
    flags: usize,
    _here: NotThreadSafe,
}

impl InterruptsOff {
    #[inline(always)]
    fn new() -> Self {
        InterruptsOff {
            // SAFETY: No requirements. Undone when the result is dropped.
            flags: unsafe { bindings::rr_irq_save() },
            _here: NotThreadSafe,
        }
    }
}

impl Drop for InterruptsOff {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: What `rr_irq_save()` returned, on this CPU.
        unsafe { bindings::rr_irq_restore(self.flags) };
    }
}

/// Proof that all CPUs have met: the others only wait, with interrupts off, for the one that has
/// this, and each runs `fence.i` before it goes on.
///
/// (A [`Stopped`](crate::stop_machine::Stopped) says less: there every CPU runs what it likes, and
/// goes on with what it has fetched.)
pub struct Met<'a> {
    _scope: PhantomData<&'a ()>,
    _here: NotThreadSafe,
}

impl Met<'_> {
    /// # Safety
    ///
    /// What the type says is so for as long as the result exists.
    #[inline(always)]
    unsafe fn new() -> Self {
        Met {
            _scope: PhantomData,
            _here: NotThreadSafe,
        }
    }
}

/// What is done at a rendezvous.
///
/// # Implementing
///
/// What [`Stop`](crate::stop_machine::Stop) says holds: it runs with interrupts off while everybody
/// waits. Mark it `#[inline(always)]`, so that it ends up in `.kprobes.text`.
pub trait Work {
    /// Runs on the last CPU to arrive, while all others wait.
    fn master(&mut self, met: &Met<'_>);
}

/// How long the CPUs were held.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Nanoseconds from the first arrival to the release.
    pub nanoseconds: u64,
    /// The number of CPUs.
    pub cpus: u32,
}

struct Meeting<W> {
    gathered: KernelCounter,
    counter: KernelCounter,
    work: UnsafeCell<W>,
    /// The time when the first CPU arrived.
    first: UnsafeCell<Ticks>,
    /// The time when the master was done.
    done: UnsafeCell<Ticks>,
}

// SAFETY: `first` is written only by the CPU that arrived first, `done` and `work` only by the
// master before its release; all are read after `stop_machine` has returned. The master may be any
// CPU, hence `Send`.
unsafe impl<W: Send> Sync for Meeting<W> {}

impl<W: Work + Send> InStopper for Meeting<W> {
    #[inline(always)]
    fn run(&self) {
        let online = online_cpus();

        if INTERRUPTS_ON {
            gather(&self.gathered, online);
        }
        let _off = InterruptsOff::new();
        let arrived = Ticks::now();

        let place = meet(&self.counter, online, || {
            // SAFETY: All CPUs have arrived here, with interrupts off, and wait for the release. The
            // `fence.i` is below.
            let met = unsafe { Met::new() };

            // SAFETY: Only the master gets here, and nobody else looks before the release.
            unsafe { (*self.work.get()).master(&met) };
            // SAFETY: As above.
            unsafe { *self.done.get() = Ticks::now() };
        });

        if place == 1 {
            // SAFETY: Only one CPU is the first, and nobody looks before all have left.
            unsafe { *self.first.get() = arrived };
        }
        fence::instructions_here();
    }
}

/// Stops every online CPU, lets the last to arrive do `work`, and has every CPU run `fence.i`
/// before it goes on.
///
/// Returns `work` and how long the CPUs were held.
///
/// # Errors
///
/// `-ENOENT` if a CPU could not be stopped; then `work` has not run.
///
/// # Context
///
/// Sleeps.
pub fn rendezvous<W: Work + Send>(work: W, lock: &TextLock) -> Result<(W, Held)> {
    let now = Ticks::now();
    let meeting = Meeting {
        gathered: KernelCounter::new(),
        counter: KernelCounter::new(),
        work: UnsafeCell::new(work),
        first: UnsafeCell::new(now),
        done: UnsafeCell::new(now),
    };

    run_in_stoppers(&meeting, lock)?;

    let held = Held {
        nanoseconds: meeting.done.into_inner().since(meeting.first.into_inner()),
        // The counter stands at one more than the number of arrivals.
        cpus: meeting.counter.look() - 1,
    };
    Ok((meeting.work.into_inner(), held))
}
