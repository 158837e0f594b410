// SPDX-License-Identifier: GPL-2.0

//! Atomics of an execution, made before its threads start.
//!
//! Those of the sources are made by constant functions, which loom's cannot be. And for loom an
//! atomic is written when it is made, which must be before anybody else uses it: to be made on first
//! use is too late.

use std::{
    cell::RefCell,
    rc::Rc, //
};

use loom::sync::atomic::AtomicU64;

/// As many as any model uses.
const SIZE: usize = 12;

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static POOL: RefCell<Vec<Rc<AtomicU64>>> = RefCell::default();
}

/// Fills the pool, at the beginning of an execution.
pub fn fill() {
    POOL.set((0..SIZE).map(|_| Rc::new(AtomicU64::new(0))).collect());
}

/// An atomic that is `value`: of the pool if that is 0, else the caller's own.
pub fn take(value: u64) -> Rc<AtomicU64> {
    if value != 0 {
        return Rc::new(AtomicU64::new(value));
    }
    POOL.with_borrow_mut(|pool| pool.pop().expect("the pool of atomics is empty"))
}
