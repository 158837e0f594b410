// SPDX-License-Identifier: GPL-2.0

//! The protocol of the rendezvous: arrival and release of the CPUs, and their memory orderings.
//!
//! Plain logic without hardware access: `rust/tests/loom/` runs this file under a model checker.

/// A counter of the CPUs that have arrived. One more increment releases them.
pub trait Counter {
    /// Counts this CPU and returns the number of CPUs that have arrived, including this one.
    ///
    /// Fully ordered: a waiter's earlier accesses are ordered before the master's work (release),
    /// and the master's work is ordered after all of them (acquire).
    fn arrive(&self) -> u32;

    /// Releases the waiters. Everything that the master did is ordered before (release).
    fn release(&self);

    /// Reads the count. If that shows the release, later accesses are ordered after what the master
    /// did (acquire).
    fn look(&self) -> u32;

    /// Called between two reads of the count.
    fn relax();
}

/// A counter for [`gather`]. Its operations are relaxed, as explained there.
pub trait Roll: Counter {
    /// Counts this CPU.
    fn join(&self);

    /// The number of CPUs that have been counted.
    fn joined(&self) -> u32;
}

/// Waits until `online` CPUs have called this with the same `roll`.
///
/// It makes it safe to turn interrupts off. Before it, a CPU may still be waiting for others to
/// answer an IPI, so their interrupts must be on; after it, no CPU waits for another until it has
/// arrived. No access depends on it, so relaxed suffices.
#[inline(always)]
pub fn gather<R: Roll>(roll: &R, online: u32) {
    roll.join();
    while roll.joined() < online {
        R::relax();
    }
}

/// Waits until `online` CPUs have called this; the last to arrive runs `work`, then releases the
/// others.
///
/// Returns the position of this CPU in the order of arrival, from 1. That of the CPU that ran
/// `work`, the master, is `online`.
#[inline(always)]
pub fn meet<C: Counter>(counter: &C, online: u32, work: impl FnOnce()) -> u32 {
    // Fully ordered: the last arrival is after all others, and the master's work is after it.
    // litmus: rendezvous+arrive
    let place = counter.arrive();

    if place == online {
        work();
        // Release, pairs with the acquire in `look`. litmus: rendezvous+release+acquire
        counter.release();
    } else {
        // Acquire, pairs with `release`: after its `fence.i` the CPU fetches and reads what the
        // master has written. `atomic_read()` is not an acquire.
        // litmus: rendezvous+release+acquire
        while counter.look() <= online {
            C::relax();
        }
    }
    place
}
