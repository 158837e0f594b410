// SPDX-License-Identifier: GPL-2.0

//! The rendezvous: all CPUs stop; the last to arrive writes, then releases the others.
//!
//! Every CPU waits three times for the slowest one: until all have gathered, until all have arrived
//! with interrupts off, and until the work is done. (With `stop_machine()`, in a kernel without our
//! hooks, it is five times.)
//!
//! The last CPU to arrive is the master because only then does no other CPU still execute the text
//! that it replaces. The master sends no IPIs: since interrupts are off, a remote flush that is an
//! IPI would never be answered. Instead each CPU runs `fence.i` itself before it continues.

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

/// A [`Counter`] that is the kernel's `atomic_t`.
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
        // SAFETY: `cpu_relax()` may be called in any context.
        unsafe { bindings::rr_cpu_relax() }
    }
}

/// A guard that keeps interrupts off on this CPU.
///
/// It does not tell lockdep, whose functions may be the text that is patched.
struct InterruptsOff {
    flags: usize,
    _here: NotThreadSafe,
}

impl InterruptsOff {
    #[inline(always)]
    fn new() -> Self {
        InterruptsOff {
            // SAFETY: `arch_local_irq_save()` may be called in any context. `drop` restores the
            // flags on the same CPU, since the guard cannot be sent and the task cannot migrate.
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

/// A token that exists only on the master of a rendezvous: all other CPUs only wait for it, with
/// interrupts off, and each of them runs `fence.i` before it continues.
///
/// ([`Stopped`](crate::stop_machine::Stopped) guarantees less: every CPU runs a function of its own
/// choice, and continues with the instructions that it has fetched.)
pub struct Met<'a> {
    _scope: PhantomData<&'a ()>,
    _here: NotThreadSafe,
}

impl Met<'_> {
    /// Creates the token.
    ///
    /// # Safety
    ///
    /// All other CPUs wait with interrupts off for as long as the result exists, and run `fence.i`
    /// before they continue.
    #[inline(always)]
    unsafe fn new() -> Self {
        Met {
            _scope: PhantomData,
            _here: NotThreadSafe,
        }
    }
}

/// The work that is done at a rendezvous.
///
/// # Implementing
///
/// The rules of [`Stop`](crate::stop_machine::Stop) apply: `master` runs with interrupts off while
/// all CPUs wait. Mark it `#[inline(always)]`, so that it is placed in `.kprobes.text`.
pub trait Work {
    /// Runs on the last CPU to arrive, while all others wait.
    fn master(&mut self, met: &Met<'_>);
}

/// How many CPUs were stopped, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Nanoseconds from the first arrival to the release.
    pub nanoseconds: u64,
    /// The number of CPUs.
    pub cpus: u32,
}

/// The state of one rendezvous, which all CPUs share. Each of them [runs](InStopper::run) it.
pub struct Meeting<W> {
    gathered: KernelCounter,
    counter: KernelCounter,
    work: UnsafeCell<W>,
    /// The time when the first CPU arrived.
    first: UnsafeCell<Ticks>,
    /// The time when the master was done.
    done: UnsafeCell<Ticks>,
}

// SAFETY: `first` is written only by the CPU that arrived first, `done` and `work` only by the
// master before its release; all are read after `run_in_stoppers` has returned. The master may be
// any CPU, hence `Send`.
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
            // SAFETY: All other CPUs have arrived here with interrupts off, and wait for the
            // release. They run the `fence.i` below.
            let met = unsafe { Met::new() };

            // SAFETY: Only the master runs this, and no other CPU accesses `work` before the
            // release.
            unsafe { (*self.work.get()).master(&met) };
            // SAFETY: As above.
            unsafe { *self.done.get() = Ticks::now() };
        });

        if place == 1 {
            // SAFETY: Only one CPU arrived first, and `first` is not read before all have left.
            unsafe { *self.first.get() = arrived };
        }
        fence::instructions_here();
    }
}

impl<W: Work + Send> Meeting<W> {
    /// Creates the state of a rendezvous that does `work`.
    pub fn new(work: W) -> Self {
        let now = Ticks::now();

        Meeting {
            gathered: KernelCounter::new(),
            counter: KernelCounter::new(),
            work: UnsafeCell::new(work),
            first: UnsafeCell::new(now),
            done: UnsafeCell::new(now),
        }
    }

    /// Returns the work, and how long the CPUs were stopped, once all of them have met.
    pub fn over(self) -> (W, Held) {
        let held = Held {
            nanoseconds: self.done.into_inner().since(self.first.into_inner()),
            // The release has added one to the number of arrivals.
            cpus: self.counter.look() - 1,
        };

        (self.work.into_inner(), held)
    }
}

/// Stops all online CPUs and runs `work` on the last to arrive. Every CPU runs `fence.i` before it
/// continues.
///
/// Returns `work`, and how long the CPUs were stopped.
///
/// # Errors
///
/// `-ENOENT` if a CPU could not be stopped; then `work` has not run.
///
/// # Context
///
/// Sleeps.
pub fn rendezvous<W: Work + Send>(work: W, lock: &TextLock) -> Result<(W, Held)> {
    let meeting = Meeting::new(work);

    run_in_stoppers(&meeting, lock)?;
    Ok(meeting.over())
}
