// SPDX-License-Identifier: GPL-2.0

//! Wake-ups: a condition that a task sleeps for, without lost wake-ups.
//!
//! Store buffering: each side stores, then loads what the other side stores. With full barriers in
//! between, at least one of them sees the other's store: either the sleeper does not sleep, or the
//! waker wakes it. Release and acquire are not sufficient.

use kernel::{
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    types::NotThreadSafe, //
};

use super::{
    smp_mb,
    smp_store_mb,
    Full, //
};

/// A condition, and whether a task is sleeping until it is true.
///
/// The task's state is not part of it, but must be set before: `wake_up_process()` does nothing for
/// a task that is running, so a task that prepared first could sleep forever. The order is:
///
/// 1. set the state ([`set_current_state()`]);
/// 2. [`Sleeper::prepare`];
/// 3. if that is not `None`, `schedule()`, then again from 1., since wake-ups can be spurious;
/// 4. the state is [`TaskState::Running`] again.
///
/// [`set_current_state()`]: crate::thread::set_current_state
/// [`TaskState::Running`]: crate::thread::TaskState::Running
///
/// # Examples
///
/// ```
/// use kernel::{bindings, current};
/// use riscv::{barrier::wake_up::WakeUp, thread::{set_current_state, TaskState}};
///
/// let mut shared = WakeUp::new();
/// let (mut sleeper, waker) = shared.split();
///
/// set_current_state(TaskState::Interruptible); // Before `prepare()`.
/// let asleep = sleeper.prepare().ok_or(EINVAL)?;
/// // Another task does this, at any time after the state was set.
/// if waker.set() {
///     current!().wake_up();
/// }
/// // SAFETY: `schedule()` may be called where the task may sleep: no lock is held here.
/// unsafe { bindings::schedule() }; // Returns, since this task has been woken.
/// drop(asleep);
///
/// set_current_state(TaskState::Interruptible);
/// assert!(sleeper.prepare().is_none()); // The condition holds: no need to sleep.
/// set_current_state(TaskState::Running);
/// assert!(!waker.set()); // No task sleeps: no need to wake.
///
/// assert!(sleeper.take()); // Before the work is done.
/// assert!(!sleeper.take());
/// # Ok::<(), Error>(())
/// ```
pub struct WakeUp {
    asleep: Atomic<bool>,
    condition: Atomic<bool>,
}

impl WakeUp {
    /// Creates a condition that is false, and for which no task sleeps.
    pub const fn new() -> WakeUp {
        WakeUp {
            asleep: Atomic::new(false),
            condition: Atomic::new(false),
        }
    }

    /// Returns the two sides: one sleeper, and a waker that can be copied.
    pub fn split(&mut self) -> (Sleeper<'_>, Waker<'_>) {
        (Sleeper(self), Waker(self))
    }
}

impl Default for WakeUp {
    fn default() -> WakeUp {
        WakeUp::new()
    }
}

/// The sleeper's side.
pub struct Sleeper<'a>(&'a WakeUp);

impl Sleeper<'_> {
    /// Announces that this task is about to sleep, then checks the condition.
    ///
    /// Returns `None` if the condition is true. Otherwise the task may sleep: wakers will wake it
    /// from now on. Any context.
    ///
    /// The task's state must be set before this, not between this and `schedule()`: see [`WakeUp`].
    #[must_use = "a task that sleeps without it is not woken"]
    pub fn prepare(&mut self) -> Option<Asleep<'_>> {
        // Pairs with the barrier in `Waker::set`, for the task's state, too. litmus: wake-up,
        // wake-up+state
        smp_store_mb(&self.0.asleep, true);

        let asleep = Asleep(self.0, NotThreadSafe);
        (!self.0.condition.load(Relaxed)).then_some(asleep)
    }

    /// Clears the condition, and returns whether it was true. To be called before the work that the
    /// condition announces is done.
    ///
    /// What a waker wrote before [`Waker::set`] is visible afterwards. Work that comes later sets
    /// the condition again; if it were cleared after the work, that would be lost. Any context.
    #[must_use = "the work that the condition announces has to be done"]
    pub fn take(&mut self) -> bool {
        // Pairs with the releases in `Waker::set`, of all wakers since it was last cleared.
        // litmus: wake-up+rounds, wake-up+two-wakers
        self.0.condition.xchg(false, Acquire)
    }
}

/// A token that shows that wakers know of the sleeper. It has to be dropped when the task is awake.
pub struct Asleep<'a>(&'a WakeUp, #[allow(dead_code)] NotThreadSafe);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.asleep.store(false, Relaxed);
    }
}

/// The waker's side.
#[derive(Clone, Copy)]
pub struct Waker<'a>(&'a WakeUp);

impl Waker<'_> {
    /// Sets the condition, then returns whether the sleeper has to be woken. Any context.
    #[inline]
    #[must_use = "the sleeper has to be woken if this is true"]
    pub fn set(&self) -> bool {
        // Pairs with the acquire in `Sleeper::take`. A store would end the release sequence of
        // another waker, whose work the sleeper then need not see.
        // litmus: wake-up+rounds, wake-up+two-wakers
        let _ = self.0.condition.xchg(true, Release);
        // Pairs with the barrier in `Sleeper::prepare`. litmus: wake-up
        smp_mb(Full);
        self.0.asleep.load(Relaxed)
    }
}
