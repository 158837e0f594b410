// SPDX-License-Identifier: GPL-2.0

//! Cancel: a worker and its canceller cannot miss each other.
//!
//! The same crossing as in [`wake_up`](super::wake_up): either the worker sees that it is
//! cancelled and does not start, or the canceller sees that it runs and waits for it.

use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

use super::smp_store_mb;

/// Whether a worker runs, and whether it may.
///
/// # Examples
///
/// ```
/// use riscv::barrier::cancel::{Cancel, Cancelled};
///
/// let mut shared = Cancel::new();
/// let (mut worker, canceller) = shared.split();
///
/// let running = worker.start().ok_or(EINVAL)?;
/// assert_eq!(canceller.cancel(), Cancelled::StillRunning);
/// assert!(running.is_cancelled());
/// drop(running);
///
/// assert_eq!(canceller.cancel(), Cancelled::Never);
/// assert!(worker.start().is_none());
/// # Ok::<(), Error>(())
/// ```
pub struct Cancel {
    running: Atomic<bool>,
    cancelled: Atomic<bool>,
}

impl Cancel {
    /// Nothing runs, and nothing is cancelled.
    pub const fn new() -> Cancel {
        Cancel {
            running: Atomic::new(false),
            cancelled: Atomic::new(false),
        }
    }

    /// The two sides: one worker, as many cancellers as there are copies.
    pub fn split(&mut self) -> (Worker<'_>, Canceller<'_>) {
        (Worker(self), Canceller(self))
    }
}

impl Default for Cancel {
    fn default() -> Cancel {
        Cancel::new()
    }
}

/// The side that works.
pub struct Worker<'a>(&'a Cancel);

impl Worker<'_> {
    /// Says that the work runs, then looks whether it may. `None` if it is cancelled. Any context.
    #[must_use = "the work may not run without it"]
    pub fn start(&mut self) -> Option<Running<'_>> {
        // Pairs with the barrier in `Canceller::cancel`. litmus: cancel
        smp_store_mb(&self.0.running, true);

        let running = Running(self.0);
        (!running.is_cancelled()).then_some(running)
    }
}

/// Proof that the work may run. Dropped when it is done.
pub struct Running<'a>(&'a Cancel);

impl Running<'_> {
    /// Whether the work should come to an end early.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Relaxed)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // What the work did is before it is seen to be done; pairs with the acquire in `is_done`.
        // litmus: message
        self.0.running.store(false, Release);
    }
}

/// What a canceller has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "work that still runs has to be waited for"]
pub enum Cancelled {
    /// The work does not run, and will not again.
    Never,
    /// The work runs: what it uses must stay until [`Canceller::is_done`].
    StillRunning,
}

/// The side that cancels.
#[derive(Clone, Copy)]
pub struct Canceller<'a>(&'a Cancel);

impl Canceller<'_> {
    /// Keeps the work from being started, then looks whether it has been. Any context.
    pub fn cancel(&self) -> Cancelled {
        // Pairs with the barrier in `Worker::start`. litmus: cancel
        smp_store_mb(&self.0.cancelled, true);

        if self.is_done() {
            Cancelled::Never
        } else {
            Cancelled::StillRunning
        }
    }

    /// Whether the work does not run; then all it did is seen. Any context.
    pub fn is_done(&self) -> bool {
        // Pairs with the release in `Running::drop`. litmus: message
        !self.0.running.load(Acquire)
    }
}
