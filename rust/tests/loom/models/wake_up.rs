// SPDX-License-Identifier: GPL-2.0

//! `WakeUp`, used as documented: the sleeper never sleeps while there is work.

use loom::{
    sync::{
        atomic::{
            fence,
            AtomicU32,
            Ordering, //
        },
        Mutex, //
    },
    thread::{
        current,
        park,
        Thread, //
    },
};

use crate::{
    barrier::wake_up::{
        Sleeper,
        WakeUp,
        Waker, //
    },
    model::{
        spawn,
        Model, //
    },
};

/// A task, for `set_current_state()`, `schedule()` and `wake_up_process()`.
///
/// The state is under a lock; in the kernel, only a waker takes the lock. For an atomic that one
/// thread stores to and another exchanges, loom allows more outcomes than are possible.
struct Task {
    sleeping: Mutex<bool>,
    thread: Thread,
}

impl Task {
    fn set_current_state(&self, sleeping: bool) {
        *self.sleeping.lock().unwrap() = sleeping;
        fence(Ordering::SeqCst);
    }

    fn schedule(&self) {
        while *self.sleeping.lock().unwrap() {
            park();
        }
    }

    /// Does nothing for a task that is running.
    fn wake_up_process(&self) {
        fence(Ordering::SeqCst);
        if std::mem::replace(&mut *self.sleeping.lock().unwrap(), false) {
            self.thread.unpark();
        }
    }
}

/// Sleeps until there is something to do.
fn sleep(task: &Task, sleeper: &mut Sleeper<'_>) {
    loop {
        task.set_current_state(true);
        let Some(asleep) = sleeper.prepare() else {
            break;
        };
        task.schedule();
        drop(asleep);
    }
    task.set_current_state(false);
}

fn wake(task: &Task, waker: Waker<'_>) {
    if waker.set() {
        task.wake_up_process();
    }
}

/// Each of `WAKERS` adds work `rounds` times, and the sleeper must eventually see all of it.
///
/// The work is a relaxed atomic, as in a lock-free list: the sleeper may read it at any time. It is
/// not woken again for work that it has missed.
fn all_is_done<const WAKERS: usize>(rounds: u32) {
    let left: &[AtomicU32; WAKERS] = Box::leak(Box::new([(); WAKERS].map(|()| AtomicU32::new(0))));
    let task: &Task = Box::leak(Box::new(Task {
        sleeping: Mutex::new(false),
        thread: current(),
    }));
    let shared = Box::leak(Box::new(WakeUp::new()));
    let (mut sleeper, waker) = shared.split();

    let wakers: Vec<_> = left
        .iter()
        .zip(["waker", "second waker"])
        .map(|(left, name)| {
            spawn(name, move || {
                for round in 1..=rounds {
                    left.store(round, Ordering::Relaxed);
                    wake(task, waker);
                }
            })
        })
        .collect();

    loop {
        sleep(task, &mut sleeper);
        assert!(sleeper.take());
        // After the condition was cleared, as `Sleeper::take` requires.
        if left
            .iter()
            .all(|left| left.load(Ordering::Relaxed) == rounds)
        {
            break;
        }
    }
    for waker in wakers {
        waker.join().unwrap();
    }
}

#[test]
fn one_waker_two_rounds() {
    Model::new("wake_up::one_waker_two_rounds")
        .preemptions(3)
        .check(|| all_is_done::<1>(2));
}

#[test]
fn two_wakers() {
    Model::new("wake_up::two_wakers")
        .preemptions(2)
        .check(|| all_is_done::<2>(1));
}
