// SPDX-License-Identifier: GPL-2.0

//! The core of the rendezvous: where CPUs meet, and with which orderings.
//!
//! Plain logic: `rust/tests/loom/` runs it, this very file, under a model checker.

/// The counter that CPUs meet at. It counts arrivals, and one step more is the release.
pub trait Counter {
    /// Counts this CPU in and returns how many are there, this one included.
    ///
    /// Fully ordered: a waiter's earlier accesses are before the master's work (release), and the
    /// master's work is after all of them (acquire).
    fn arrive(&self) -> u32;

    /// Lets the waiters go, after (release) everything the master did.
    fn release(&self);

    /// The count now; what follows is after (acquire) what came before the release, if it is seen.
    fn look(&self) -> u32;

    /// Called between two looks.
    fn relax();
}

/// A counter that those who are there can also [`gather`] at. Relaxed: see there.
pub trait Roll: Counter {
    /// Counts this CPU in.
    fn join(&self);

    /// How many CPUs have been counted in.
    fn joined(&self) -> u32;
}

/// Returns when `online` CPUs are on the `roll`.
///
/// Nothing is read or written on the strength of it, and so it orders nothing: it is about who can
/// still be waited for. Before it a CPU may wait for others to answer an IPI, and they must be able
/// to; after it, it needs nobody until it has arrived, and all can turn interrupts off.
#[inline(always)]
pub fn gather<R: Roll>(roll: &R, online: u32) {
    roll.join();
    while roll.joined() < online {
        R::relax();
    }
}

/// The rendezvous itself: returns on every CPU when `work` has run on the last one to arrive.
///
/// The result is the CPU's place in the order of arrival, from 1; `online` is the master's.
#[inline(always)]
pub fn meet<C: Counter>(counter: &C, online: u32, work: impl FnOnce()) -> u32 {
    // Full: the last arrival must be after all others', and its work after it.
    // litmus: rendezvous+arrive
    let place = counter.arrive();

    if place == online {
        work();
        // Release, pairs with the acquire in `look`. litmus: rendezvous+release+acquire
        counter.release();
    } else {
        // Acquire, pairs with `release`: what the CPU fetches after its `fence.i`, and what it
        // reads, is what the master left. `atomic_read()` is no acquire.
        // litmus: rendezvous+release+acquire
        while counter.look() <= online {
            C::relax();
        }
    }
    place
}
