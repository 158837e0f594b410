// SPDX-License-Identifier: GPL-2.0

//! `Message`: who receives it finds it, and all that was written before.

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

/// What a message is about, elsewhere in memory.
struct Work(UnsafeCell<u32>);

// SAFETY: That its uses are ordered is what is being checked.
unsafe impl Sync for Work {}

#[test]
fn received_with_all_before() {
    Model::new("message::received_with_all_before").check(|| {
        let work: &Work = Box::leak(Box::new(Work(UnsafeCell::new(0))));
        let room = Box::leak(Box::new(Message::new()));
        let (sender, mut receiver) = room.split();

        let other = spawn("sender", move || {
            // SAFETY: As of `Work`.
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
        // SAFETY: As of `Work`.
        assert_eq!(work.0.with(|work| unsafe { *work }), 1);
        assert_eq!(receiver.receive(), None);
        other.join().unwrap();
    });
}
