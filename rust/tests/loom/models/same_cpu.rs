// SPDX-License-Identifier: GPL-2.0

//! `Note`: what the handler takes is what the task has left.
//!
//! The two are one CPU's, so that it is only for the compiler to keep their accesses in order. To it
//! they are like two threads, each of which may stop anywhere, and a compiler barrier like a fence.

use loom::thread::yield_now;

use crate::{
    barrier::same_cpu::Note,
    model::{
        spawn,
        Model, //
    },
};

/// The sides are not for two threads: see above.
struct Moved<T>(T);

// SAFETY: That their uses are ordered is what is being checked.
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
