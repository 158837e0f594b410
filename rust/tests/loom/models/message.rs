// SPDX-License-Identifier: GPL-2.0

//! `Message`: the receiver sees the message and everything that was written before it was sent.

use loom::{
    cell::UnsafeCell,
    thread::yield_now, //
};

use crate::{
    barrier::message::Message,
    model::{
        spawn,
        Model, //
    },
};

/// Data elsewhere in memory that a message announces.
struct Work(UnsafeCell<u32>);

// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl Sync for Work {}

#[test]
fn receiver_sees_earlier_writes() {
    Model::new("message::receiver_sees_earlier_writes").check(|| {
        let work: &Work = Box::leak(Box::new(Work(UnsafeCell::new(0))));
        let room = Box::leak(Box::new(Message::new()));
        let (sender, mut receiver) = room.split();

        let other = spawn("sender", move || {
            // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are
            // not.
            work.0.with_mut(|work| unsafe { *work = 1 });
            sender.send(2);
        });

        let message = loop {
            match receiver.receive() {
                Some(message) => break message,
                None => yield_now(),
            }
        };
        assert_eq!(message, 2);
        // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
        assert_eq!(work.0.with(|work| unsafe { *work }), 1);
        assert_eq!(receiver.receive(), None);
        other.join().unwrap();
    });
}
