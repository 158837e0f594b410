// SPDX-License-Identifier: GPL-2.0

//! A pool of loom's atomics, which are created before the threads of an execution start.
//!
//! The sources create atomics in constant functions, where loom's cannot be created. Loom counts
//! the creation of an atomic as a write, which must be ordered before all other uses, so creating
//! it on first use is too late.

use std::{
    cell::RefCell,
    rc::Rc, //
};

use loom::sync::atomic::AtomicU64;

/// The size of the pool: the largest number of atomics that a model uses.
const SIZE: usize = 12;

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static POOL: RefCell<Vec<Rc<AtomicU64>>> = RefCell::default();
}

/// Fills the pool, at the beginning of an execution.
pub fn fill() {
    POOL.set((0..SIZE).map(|_| Rc::new(AtomicU64::new(0))).collect());
}

/// Returns an atomic with the value `value`: from the pool if that is 0, else a new one.
pub fn take(value: u64) -> Rc<AtomicU64> {
    if value != 0 {
        return Rc::new(AtomicU64::new(value));
    }
    POOL.with_borrow_mut(|pool| pool.pop().expect("the pool of atomics is empty"))
}
