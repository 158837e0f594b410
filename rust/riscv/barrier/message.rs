// SPDX-License-Identifier: GPL-2.0

//! Message passing: data, and a flag that is set when the data is ready.
//!
//! It needs both a release and an acquire: a release orders nothing for a reader without acquire.

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Relaxed,
    Release, //
};

/// A one-shot channel: passes one message from one context to another.
///
/// # Examples
///
/// ```
/// use riscv::barrier::message::Message;
///
/// let mut channel = Message::new();
/// let (sender, mut receiver) = channel.split();
///
/// assert_eq!(receiver.receive(), None);
/// sender.send([1, 2, 3]); // Takes the sender: there is no second message.
/// assert_eq!(receiver.receive(), Some([1, 2, 3]));
/// assert_eq!(receiver.receive(), None);
/// ```
///
/// # Invariants
///
/// While `ready` is true, `data` is initialised and only the receiver uses it; before that, only
/// the sender does.
pub struct Message<T> {
    ready: Atomic<bool>,
    data: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: By the invariant one context at a time uses the data, and `T: Send` can be passed on.
unsafe impl<T: Send> Sync for Message<T> {}

impl<T> Message<T> {
    /// Creates a channel without a message.
    pub const fn new() -> Message<T> {
        Message {
            ready: Atomic::new(false),
            data: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Returns the two sides. Drops a message that was not received.
    pub fn split(&mut self) -> (Sender<'_, T>, Receiver<'_, T>) {
        self.empty();
        (Sender(self), Receiver(self))
    }

    fn empty(&mut self) {
        if core::mem::replace(self.ready.get_mut(), false) {
            // SAFETY: `ready` was true, so the data is initialised. It is false now, so the data is
            // not read again.
            unsafe { self.data.get_mut().assume_init_drop() };
        }
    }
}

impl<T> Default for Message<T> {
    fn default() -> Message<T> {
        Message::new()
    }
}

impl<T> Drop for Message<T> {
    fn drop(&mut self) {
        self.empty();
    }
}

/// The sender's side.
pub struct Sender<'a, T>(&'a Message<T>);

impl<T> Sender<'_, T> {
    /// Sends the one message. Any context.
    pub fn send(self, message: T) {
        // SAFETY: `ready` is not set, so by the type invariant only the sender uses the data, and
        // there is only one.
        unsafe { (*self.0.data.get()).write(message) };
        // Pairs with the acquire in `receive`. litmus: message
        self.0.ready.store(true, Release);
    }
}

/// The receiver's side.
pub struct Receiver<'a, T>(&'a Message<T>);

impl<T> Receiver<'_, T> {
    /// Takes the message, if it has been sent. Any context.
    pub fn receive(&mut self) -> Option<T> {
        // Pairs with the release in `send`. litmus: message
        if !self.0.ready.load(Acquire) {
            return None;
        }
        self.0.ready.store(false, Relaxed);
        // SAFETY: `ready` was true, so by the type invariant the data is initialised and only the
        // receiver uses it. `ready` is false now, so it is not read again.
        Some(unsafe { (*self.0.data.get()).assume_init_read() })
    }
}
