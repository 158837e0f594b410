// SPDX-License-Identifier: GPL-2.0

//! `Cancel`: the work uses its data neither after a canceller was told that it does not run, nor
//! after the canceller has waited for it.

use loom::{
    cell::UnsafeCell,
    thread::yield_now, //
};

use crate::{
    barrier::cancel::{
        Cancel,
        Cancelled, //
    },
    model::{
        spawn,
        Model, //
    },
};

const GONE: u32 = u32::MAX;

/// What the work uses, and the canceller takes away.
struct Used(UnsafeCell<u32>);

// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl Sync for Used {}

#[test]
fn cancelled_work_does_not_use_freed_data() {
    Model::new("cancel::cancelled_work_does_not_use_freed_data").check(|| {
        let used: &Used = Box::leak(Box::new(Used(UnsafeCell::new(0))));
        let shared = Box::leak(Box::new(Cancel::new()));
        let (mut worker, canceller) = shared.split();

        let other = spawn("worker", move || {
            for _ in 0..2 {
                let Some(_running) = worker.start() else {
                    return;
                };
                // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are
                // not.
                used.0.with_mut(|used| unsafe {
                    assert_ne!(*used, GONE);
                    *used += 1;
                });
            }
        });

        if canceller.cancel() == Cancelled::StillRunning {
            while !canceller.is_done() {
                yield_now();
            }
        }
        // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
        used.0.with_mut(|used| unsafe { *used = GONE });
        other.join().unwrap();
    });
}
