// SPDX-License-Identifier: GPL-2.0

//! The protocol of the rendezvous: arrival and release of the CPUs, and their memory orderings.
//!
//! Plain logic without hardware access: `rust/tests/loom/` runs this file under a model checker.

/// A counter of the CPUs that have arrived. One more increment releases them.
pub trait Arrivals {
    /// Counts this CPU and returns the number of CPUs that have arrived, including this one.
    ///
    /// Fully ordered: a waiter's earlier accesses are ordered before the master's work (release),
    /// and the master's work is ordered after all of them (acquire).
    fn arrive(&self) -> u32;

    /// Releases the waiters. Everything that the master did is ordered before (release).
    fn release(&self);

    /// Returns the number of CPUs that have arrived, plus one once they are released.
    ///
    /// If the result shows the release, later accesses are ordered after what the master did
    /// (acquire).
    fn arrived(&self) -> u32;

    /// Called between two reads of a counter in a loop.
    fn cpu_relax();
}

/// A counter of the CPUs that have gathered. Its operations are relaxed, as [`gather`] explains.
pub trait Gathered: Arrivals {
    /// Counts this CPU.
    fn add(&self);

    /// Returns the number of CPUs that have been counted.
    fn count(&self) -> u32;
}

/// Waits until `online` CPUs have called this with the same `gathered`.
///
/// Afterwards it is safe to turn interrupts off. Before, a CPU that has not gathered may be waiting
/// for the others to answer an IPI, so they must have interrupts on; afterwards, no CPU waits for
/// another until it has arrived. No access depends on the count, so relaxed suffices.
#[inline(always)]
pub fn gather<G: Gathered>(gathered: &G, online: u32) {
    gathered.add();
    while gathered.count() < online {
        G::cpu_relax();
    }
}

/// Waits until `online` CPUs have called this; the last to arrive runs `work`, then releases the
/// others.
///
/// Returns the position of this CPU in the order of arrival, from 1. That of the CPU that ran
/// `work`, the master, is `online`.
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Acquire, Atomic, Full, Release};
/// use riscv::stop_machine::protocol::{run_on_last, Arrivals};
///
/// struct Count(Atomic<u32>);
///
/// impl Arrivals for Count {
///     fn arrive(&self) -> u32 {
///         self.0.fetch_add(1, Full) + 1
///     }
///
///     fn release(&self) {
///         self.0.fetch_add(1, Release);
///     }
///
///     fn arrived(&self) -> u32 {
///         self.0.load(Acquire)
///     }
///
///     fn cpu_relax() {}
/// }
///
/// let arrivals = Count(Atomic::new(0));
/// let mut done = false;
/// assert_eq!(run_on_last(&arrivals, 1, || done = true), 1); // The only CPU is the last one.
/// assert!(done);
/// ```
#[inline(always)]
pub fn run_on_last<A: Arrivals>(arrivals: &A, online: u32, work: impl FnOnce()) -> u32 {
    // Fully ordered: the last arrival is after all others, and the master's work is after it.
    // litmus: rendezvous+arrive
    let position = arrivals.arrive();

    if position == online {
        work();
        // Release, pairs with the acquire in `arrived`. litmus: rendezvous+release+acquire
        arrivals.release();
    } else {
        // Acquire, pairs with `release`: after its `fence.i` the CPU fetches and reads what the
        // master has written. `atomic_read()` is not an acquire.
        // litmus: rendezvous+release+acquire
        while arrivals.arrived() <= online {
            A::cpu_relax();
        }
    }
    position
}
