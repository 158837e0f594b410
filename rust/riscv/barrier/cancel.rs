// SPDX-License-Identifier: GPL-2.0

//! Cancellation of work, by a canceller that waits if the work is running.
//!
//! Store buffering, as in [`wake_up`](super::wake_up): either the worker sees that it is cancelled
//! and does not start, or the canceller sees that it runs and waits for it.

use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

use super::smp_store_mb;

/// Whether a worker is running, and whether it is cancelled.
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
    /// Creates a state in which the work is neither running nor cancelled.
    pub const fn new() -> Cancel {
        Cancel {
            running: Atomic::new(false),
            cancelled: Atomic::new(false),
        }
    }

    /// Returns the two sides: one worker, and a canceller that can be copied.
    pub fn split(&mut self) -> (Worker<'_>, Canceller<'_>) {
        (Worker(self), Canceller(self))
    }
}

impl Default for Cancel {
    fn default() -> Cancel {
        Cancel::new()
    }
}

/// The worker's side.
pub struct Worker<'a>(&'a Cancel);

impl Worker<'_> {
    /// Marks the work as running, then checks whether it is cancelled: `None` if it is. Any
    /// context.
    #[must_use = "the work may not run without it"]
    pub fn start(&mut self) -> Option<Running<'_>> {
        // Pairs with the barrier in `Canceller::cancel`. litmus: cancel
        smp_store_mb(&self.0.running, true);

        let running = Running(self.0);
        (!running.is_cancelled()).then_some(running)
    }
}

/// A token that permits the work to run. It has to be dropped when the work is done.
pub struct Running<'a>(&'a Cancel);

impl Running<'_> {
    /// Returns whether the work was cancelled and should end early.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Relaxed)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Everything that the work did is visible to a canceller that sees that it is done. Pairs
        // with the acquire in `is_done`.
        // litmus: message
        self.0.running.store(false, Release);
    }
}

/// The result of [`Canceller::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "work that still runs has to be waited for"]
pub enum Cancelled {
    /// The work is not running, and will not run again.
    Never,
    /// The work is running: what it uses must stay valid until [`Canceller::is_done`].
    StillRunning,
}

/// The canceller's side.
#[derive(Clone, Copy)]
pub struct Canceller<'a>(&'a Cancel);

impl Canceller<'_> {
    /// Marks the work as cancelled, then checks whether it is running. Any context.
    pub fn cancel(&self) -> Cancelled {
        // Pairs with the barrier in `Worker::start`. litmus: cancel
        smp_store_mb(&self.0.cancelled, true);

        if self.is_done() {
            Cancelled::Never
        } else {
            Cancelled::StillRunning
        }
    }

    /// Returns whether the work is not running; then everything that it did is visible. Any
    /// context.
    pub fn is_done(&self) -> bool {
        // Pairs with the release in `Running::drop`. litmus: message
        !self.0.running.load(Acquire)
    }
}
