// SPDX-License-Identifier: GPL-2.0

//! `Note`: the handler takes what the task has left.
//!
//! Both run on one CPU, so only the compiler can reorder their accesses. The model represents them
//! as two threads that may stop anywhere, and a compiler barrier as a fence.

use loom::thread::yield_now;

use crate::{
    barrier::same_cpu::Note,
    model::{
        spawn,
        Model, //
    },
};

/// A side of a `Note`, moved to another thread of the model, which represents the same CPU.
struct Moved<T>(T);

// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn into_inner(self) -> T {
        self.0
    }
}

#[test]
fn each_note_is_taken_whole() {
    Model::new("same_cpu::each_note_is_taken_whole").check(|| {
        let note = Box::leak(Box::new(Note::<u32>::new()));
        // SAFETY: See `Moved`.
        let (task, mut handler) = unsafe { note.split() };
        let task = Moved(task);

        let other = spawn("task", move || {
            let mut task = task.into_inner();

            for note in [1, 2] {
                while !task.leave(note) {
                    yield_now();
                }
            }
        });

        for expected in [1, 2] {
            let note = loop {
                match handler.take() {
                    Some(note) => break note,
                    None => yield_now(),
                }
            };
            assert_eq!(note, expected);
        }
        other.join().unwrap();
    });
}
