// SPDX-License-Identifier: GPL-2.0

//! The core of the rendezvous, unchanged, under loom.
//!
//! Its orderings are its [`Counter`]'s, so here they are parameters: with those of the kernel no
//! execution goes wrong, and with each of them weakened one does.
//!
//! loom's model is C11's. It knows of no `fence.i`, and what is read stands for what is fetched.

#![cfg(test)]
// The core is a module of the crate `riscv`, where these are used.
#![allow(dead_code, unreachable_pub)]

#[path = "../../riscv/meet.rs"]
mod meet;

use std::{
    panic::catch_unwind,
    sync::atomic::Ordering, //
};

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{
        atomic::AtomicU32,
        Arc, //
    },
    thread, //
};
use meet::{
    gather,
    meet,
    Counter,
    Roll, //
};

const ARRIVE: [Ordering; 4] = [
    Ordering::AcqRel,
    Ordering::Acquire,
    Ordering::Release,
    Ordering::Relaxed,
];
const RELEASE: [Ordering; 2] = [Ordering::Release, Ordering::Relaxed];
const LOOK: [Ordering; 2] = [Ordering::Acquire, Ordering::Relaxed];

/// A counter whose orderings are numbers of the lists above: 0 is the kernel's.
///
/// The arrival is fully ordered in the kernel; release and acquire is all of it that is needed.
struct Loom<const ARRIVING: usize, const RELEASING: usize, const LOOKING: usize>(AtomicU32);

impl<const A: usize, const R: usize, const L: usize> Counter for Loom<A, R, L> {
    fn arrive(&self) -> u32 {
        self.0.fetch_add(1, ARRIVE[A]) + 1
    }

    fn release(&self) {
        self.0.fetch_add(1, RELEASE[R]);
    }

    fn look(&self) -> u32 {
        self.0.load(LOOK[L])
    }

    fn relax() {
        thread::yield_now();
    }
}

impl<const A: usize, const R: usize, const L: usize> Roll for Loom<A, R, L> {
    fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn joined(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Machine<C> {
    roll: C,
    counter: C,
    text: UnsafeCell<u32>,
}

// SAFETY: That nobody uses `text` at the same time is what is being checked; loom panics if not.
unsafe impl<C: Sync> Sync for Machine<C> {}
// SAFETY: As above.
unsafe impl<C: Send> Send for Machine<C> {}

const OLD: u32 = 0;
const NEW: u32 = 1;

/// One CPU: runs the old text, gathers with the others and meets them, runs the new text.
fn cpu<C: Roll>(machine: &Machine<C>, online: u32) {
    // SAFETY: See `Machine`.
    assert_eq!(machine.text.with(|text| unsafe { *text }), OLD);
    gather(&machine.roll, online);
    // SAFETY: See `Machine`.
    meet(&machine.counter, online, || {
        machine.text.with_mut(|text| unsafe { *text = NEW })
    });
    // SAFETY: See `Machine`.
    assert_eq!(machine.text.with(|text| unsafe { *text }), NEW);
}

/// Tries everything that can happen when `online` CPUs meet; panics if anything goes wrong.
fn check<const A: usize, const R: usize, const L: usize>(online: u32) {
    let mut builder = Builder::new();

    // Three CPUs that spin have more executions than can be tried: the first so many.
    builder.max_branches = 100_000;
    builder.max_permutations = (online > 2).then_some(4_000);
    builder.check(move || {
        let machine = Arc::new(Machine {
            roll: Loom::<A, R, L>(AtomicU32::new(0)),
            counter: Loom::<A, R, L>(AtomicU32::new(0)),
            text: UnsafeCell::new(OLD),
        });
        let others: Vec<_> = (1..online)
            .map(|_| {
                let machine = machine.clone();
                thread::spawn(move || cpu(&machine, online))
            })
            .collect();

        cpu(&machine, online);
        for other in others {
            other.join().unwrap();
        }
    });
}

fn goes_wrong<const A: usize, const R: usize, const L: usize>() -> bool {
    catch_unwind(|| check::<A, R, L>(2)).is_err()
}

#[test]
fn two_cpus() {
    check::<0, 0, 0>(2);
}

#[test]
fn three_cpus() {
    check::<0, 0, 0>(3);
}

#[test]
fn found_when_waiters_look_relaxed() {
    assert!(goes_wrong::<0, 0, 1>());
}

#[test]
fn found_when_the_master_releases_relaxed() {
    assert!(goes_wrong::<0, 1, 0>());
}

#[test]
fn found_when_arrivals_only_acquire() {
    assert!(goes_wrong::<1, 0, 0>());
}

#[test]
fn found_when_arrivals_only_release() {
    assert!(goes_wrong::<2, 0, 0>());
}

#[test]
fn found_when_arrivals_are_relaxed() {
    assert!(goes_wrong::<3, 0, 0>());
}
