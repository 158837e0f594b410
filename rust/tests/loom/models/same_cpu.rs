// SPDX-License-Identifier: GPL-2.0

//! `Mailbox`: the handler takes the value that the task has posted.
//!
//! Both run on one CPU, so only the compiler can reorder their accesses. The model represents them
//! as two threads that may stop anywhere, and a compiler barrier as a fence.

use loom::thread::yield_now;

use crate::{
    barrier::same_cpu::Mailbox,
    model::{
        spawn,
        Model, //
    },
};

/// A side of a `Mailbox`, moved to another thread of the model, which represents the same CPU.
struct Moved<T>(T);

// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn into_inner(self) -> T {
        self.0
    }
}

#[test]
fn values_are_not_torn() {
    Model::new("same_cpu::values_are_not_torn").check(|| {
        let mailbox = Box::leak(Box::new(Mailbox::<u32>::new()));
        // SAFETY: See `Moved`.
        let (task, mut handler) = unsafe { mailbox.split() };
        let task = Moved(task);

        let other = spawn("task", move || {
            let mut task = task.into_inner();

            for value in [1, 2] {
                while !task.post(value) {
                    yield_now();
                }
            }
        });

        for expected in [1, 2] {
            let value = loop {
                match handler.take() {
                    Some(value) => break value,
                    None => yield_now(),
                }
            };
            assert_eq!(value, expected);
        }
        other.join().unwrap();
    });
}
