// SPDX-License-Identifier: GPL-2.0

//! `Cancel`: what the work uses is used neither after a canceller was told that it does not run,
//! nor after it was waited for.

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

// SAFETY: That its uses are ordered is what is being checked.
unsafe impl Sync for Used {}

#[test]
fn not_used_after_it_went() {
    Model::new("cancel::not_used_after_it_went").check(|| {
        let used: &Used = Box::leak(Box::new(Used(UnsafeCell::new(0))));
        let shared = Box::leak(Box::new(Cancel::new()));
        let (mut worker, canceller) = shared.split();

        let other = spawn("worker", move || {
            for _ in 0..2 {
                let Some(_running) = worker.start() else {
                    return;
                };
                // SAFETY: As of `Used`.
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
        // SAFETY: As of `Used`.
        used.0.with_mut(|used| unsafe { *used = GONE });
        other.join().unwrap();
    });
}
