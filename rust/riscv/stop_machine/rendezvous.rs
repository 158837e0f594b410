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

pub use crate::stop_machine::protocol::{
    run_on_last,
    Arrivals, //
};

use crate::{
    adversary::{
        self,
        Place, //
    },
    bindings,
    interrupts_off::InterruptsOff,
    mm::flush,
    online_cpus,
    stop_machine::{
        protocol::{
            gather,
            Gathered, //
        },
        run_in_stoppers,
        InStopper,
        INTERRUPTS_ON, //
    },
    text::lock::TextLock,
    timebase::Ticks, //
};

/// A counter of CPUs in a kernel `atomic_t`.
struct KernelCounter(Opaque<atomic_t>);

// SAFETY: The `atomic_t` is only accessed by the C helpers, which are atomic operations.
unsafe impl Sync for KernelCounter {}

impl KernelCounter {
    fn new() -> Self {
        KernelCounter(Opaque::new(atomic_t { counter: 0 }))
    }
}

impl Gathered for KernelCounter {
    #[inline(always)]
    fn add(&self) {
        // SAFETY: `self.0` is an initialised `atomic_t`, which any CPU may access at any time.
        unsafe { bindings::rust_riscv_counter_inc(self.0.get()) }
    }

    #[inline(always)]
    fn count(&self) -> u32 {
        // SAFETY: `self.0` is an initialised `atomic_t`, which any CPU may access at any time.
        unsafe { bindings::rust_riscv_counter_read(self.0.get()) }
    }
}

impl Arrivals for KernelCounter {
    #[inline(always)]
    fn arrive(&self) -> u32 {
        // SAFETY: `self.0` is an initialised `atomic_t`, which any CPU may access at any time.
        unsafe { bindings::rust_riscv_counter_inc_return(self.0.get()) }
    }

    #[inline(always)]
    fn release(&self) {
        // SAFETY: `self.0` is an initialised `atomic_t`, which any CPU may access at any time.
        unsafe { bindings::rust_riscv_counter_inc_release(self.0.get()) }
    }

    #[inline(always)]
    fn arrived(&self) -> u32 {
        // SAFETY: `self.0` is an initialised `atomic_t`, which any CPU may access at any time.
        unsafe { bindings::rust_riscv_counter_read_acquire(self.0.get()) }
    }

    #[inline(always)]
    fn cpu_relax() {
        // SAFETY: `cpu_relax()` may be called in any context.
        unsafe { bindings::rust_riscv_cpu_relax() }
    }
}

/// A token that shows that this CPU is the master of a rendezvous: all other CPUs wait for it with
/// interrupts off, and each of them runs `fence.i` before it continues.
///
/// ([`Stopped`](crate::stop_machine::Stopped) guarantees less: every CPU runs a function of its own
/// choice, and continues with the instructions that it has fetched.)
pub struct Exclusive<'a> {
    _scope: PhantomData<&'a ()>,
    _here: NotThreadSafe,
}

impl Exclusive<'_> {
    /// Creates the token.
    ///
    /// # Safety
    ///
    /// All other CPUs wait with interrupts off for as long as the result exists, and run `fence.i`
    /// before they continue.
    #[inline(always)]
    unsafe fn new() -> Self {
        Exclusive {
            _scope: PhantomData,
            _here: NotThreadSafe,
        }
    }
}

/// The work of a rendezvous.
///
/// # Implementing
///
/// The rules of [`Stop`](crate::stop_machine::Stop) apply: `master` runs with interrupts off while
/// all CPUs wait. Mark it `#[inline(always)]`, so that it is placed in `.kprobes.text`.
pub trait Work {
    /// Runs on the last CPU to arrive, while all others wait.
    fn master(&mut self, exclusive: &Exclusive<'_>);
}

/// The number of CPUs that were stopped, and how long.
#[derive(Clone, Copy, Debug)]
pub struct StopTime {
    /// Nanoseconds from the first arrival to the release.
    pub nanoseconds: u64,
    /// The number of CPUs.
    pub cpus: u32,
}

/// The state of one rendezvous, shared by all CPUs.
struct Rendezvous<W> {
    gathered: KernelCounter,
    arrivals: KernelCounter,
    work: UnsafeCell<W>,
    /// The time when the first CPU arrived.
    first: UnsafeCell<Ticks>,
    /// The time when the master was done.
    done: UnsafeCell<Ticks>,
}

// SAFETY: `first` is written only by the CPU that arrived first, `done` and `work` only by the
// master before its release; all are read after `run_in_stoppers` has returned. The master may be
// any CPU, hence `Send`.
unsafe impl<W: Send> Sync for Rendezvous<W> {}

impl<W: Work + Send> InStopper for Rendezvous<W> {
    #[inline(always)]
    fn run(&self) {
        let online = online_cpus();

        if INTERRUPTS_ON {
            gather(&self.gathered, online);
        }
        let _off = InterruptsOff::new();
        adversary::called_at(Place::BeforeStop);
        let arrived = Ticks::now();

        let position = run_on_last(&self.arrivals, online, || {
            // SAFETY: All other CPUs have arrived here with interrupts off, and wait for the
            // release. They run the `fence.i` below.
            let exclusive = unsafe { Exclusive::new() };

            // SAFETY: Only the master runs this, and no other CPU accesses `work` before the
            // release.
            unsafe { (*self.work.get()).master(&exclusive) };
            // SAFETY: Only the master accesses `done` before the release.
            unsafe { *self.done.get() = Ticks::now() };
        });

        if position == 1 {
            // SAFETY: Only one CPU arrived first, and `first` is not read before all have left.
            unsafe { *self.first.get() = arrived };
        }
        flush::instructions_here();
        adversary::called_at(Place::AfterStop);
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
pub fn rendezvous<W: Work + Send>(work: W, lock: &TextLock) -> Result<(W, StopTime)> {
    let now = Ticks::now();
    let shared = Rendezvous {
        gathered: KernelCounter::new(),
        arrivals: KernelCounter::new(),
        work: UnsafeCell::new(work),
        first: UnsafeCell::new(now),
        done: UnsafeCell::new(now),
    };

    run_in_stoppers(&shared, lock)?;

    let time = StopTime {
        nanoseconds: shared.done.into_inner().since(shared.first.into_inner()),
        // The release has added one to the number of arrivals.
        cpus: shared.arrivals.arrived() - 1,
    };
    Ok((shared.work.into_inner(), time))
}
