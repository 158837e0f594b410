// SPDX-License-Identifier: GPL-2.0

//! Wake-up: a sleeper and those who wake it cannot miss each other.
//!
//! Each stores, then looks at what the other stores. With a full barrier in between at least one
//! sees the other: either the sleeper does not sleep, or the waker wakes it. A release and an
//! acquire would not do.

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

/// A condition, and whether somebody sleeps until it holds.
///
/// A task's state is not in it: `wake_up_process()` does nothing for a task that is running, and a
/// task that prepared first would then go to sleep for ever. So the order is:
///
/// 1. set the state ([`set_current_state()`]);
/// 2. [`Sleeper::prepare`];
/// 3. if that is not `None`, `schedule()`, and from 1. again: something else can have woken it;
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
/// set_current_state(TaskState::Interruptible); // First this.
/// let asleep = sleeper.prepare().ok_or(EINVAL)?;
/// // What another task does, now or later, or has done since the state was set.
/// if waker.set() {
///     current!().wake_up();
/// }
/// // SAFETY: Nothing is locked here.
/// unsafe { bindings::schedule() }; // Comes back: this task has been woken.
/// drop(asleep);
///
/// set_current_state(TaskState::Interruptible);
/// assert!(sleeper.prepare().is_none()); // The condition holds: no need to sleep.
/// set_current_state(TaskState::Running);
/// assert!(!waker.set()); // Nobody sleeps: no need to wake.
///
/// assert!(sleeper.take()); // First this, then the work.
/// assert!(!sleeper.take());
/// # Ok::<(), Error>(())
/// ```
pub struct WakeUp {
    asleep: Atomic<bool>,
    condition: Atomic<bool>,
}

impl WakeUp {
    /// Nobody sleeps, and the condition does not hold.
    pub const fn new() -> WakeUp {
        WakeUp {
            asleep: Atomic::new(false),
            condition: Atomic::new(false),
        }
    }

    /// The two sides: one sleeper, as many wakers as there are copies.
    pub fn split(&mut self) -> (Sleeper<'_>, Waker<'_>) {
        (Sleeper(self), Waker(self))
    }
}

impl Default for WakeUp {
    fn default() -> WakeUp {
        WakeUp::new()
    }
}

/// The side that sleeps.
pub struct Sleeper<'a>(&'a WakeUp);

impl Sleeper<'_> {
    /// Says that this task is about to sleep, then looks whether it still has to.
    ///
    /// With what it returns the task may sleep: a waker that comes from now on will wake it. `None`
    /// if the condition holds. Any context.
    ///
    /// The task's state is set before, not between this and `schedule()`: see [`WakeUp`].
    #[must_use = "a task that sleeps without it is not woken"]
    pub fn prepare(&mut self) -> Option<Asleep<'_>> {
        // Pairs with the barrier in `Waker::set`, for the task's state, too. litmus: wake-up,
        // wake-up+state
        smp_store_mb(&self.0.asleep, true);

        let asleep = Asleep(self.0, NotThreadSafe);
        (!self.0.condition.load(Relaxed)).then_some(asleep)
    }

    /// Takes the condition back, before what it stands for is dealt with: whether it held.
    ///
    /// What a waker wrote before [`Waker::set`] is then seen. What comes later makes the condition
    /// hold again. Taken back after the work, it would be lost. Any context.
    #[must_use = "what the condition stands for has to be dealt with"]
    pub fn take(&mut self) -> bool {
        // Pairs with the releases in `Waker::set`, of all wakers since it was last taken back.
        // litmus: wake-up+rounds, wake-up+two-wakers
        self.0.condition.xchg(false, Acquire)
    }
}

/// Proof that wakers know of the sleeper. Dropped when it is awake again.
pub struct Asleep<'a>(&'a WakeUp, #[allow(dead_code)] NotThreadSafe);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.asleep.store(false, Relaxed);
    }
}

/// The side that wakes.
#[derive(Clone, Copy)]
pub struct Waker<'a>(&'a WakeUp);

impl Waker<'_> {
    /// Makes the condition hold, then looks whether somebody has to be woken. Any context.
    #[inline]
    #[must_use = "the sleeper has to be woken if this is true"]
    pub fn set(&self) -> bool {
        // Pairs with the acquire in `Sleeper::take`. A store would replace the release of another
        // waker, whose work the sleeper would then miss. litmus: wake-up+rounds, wake-up+two-wakers
        let _ = self.0.condition.xchg(true, Release);
        // Pairs with the barrier in `Sleeper::prepare`. litmus: wake-up
        smp_mb(Full);
        self.0.asleep.load(Relaxed)
    }
}
