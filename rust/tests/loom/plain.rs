// SPDX-License-Identifier: GPL-2.0

//! Plain accesses of C, which the compiler reports through the calls of its thread sanitizer. Loom
//! checks that they are ordered.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::c_void,
    rc::Rc, //
};

use loom::cell::UnsafeCell;

/// The largest number of variables that C accesses plainly in a model.
const SIZE: usize = 32;

/// The variables of an execution, and unused ones: loom counts the creation of a cell as a write,
/// which has to come before the threads start.
#[derive(Default)]
struct Variables {
    known: BTreeMap<usize, Rc<UnsafeCell<()>>>,
    unused: Vec<Rc<UnsafeCell<()>>>,
}

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static VARIABLES: RefCell<Variables> = RefCell::default();
}

/// Begins an execution.
pub fn begin() {
    VARIABLES.set(Variables {
        known: BTreeMap::new(),
        unused: (0..SIZE).map(|_| Rc::new(UnsafeCell::new(()))).collect(),
    });
}

/// Returns the cell of a variable; `None` if it is on the caller's stack, which is not shared.
fn variable(at: *const c_void) -> Option<Rc<UnsafeCell<()>>> {
    const STACK: usize = 0x10000;
    let here = std::ptr::from_ref(&at).addr();

    if here.abs_diff(at.addr()) < STACK {
        return None;
    }
    VARIABLES.with_borrow_mut(|Variables { known, unused }| {
        let cell = known
            .entry(at.addr())
            .or_insert_with(|| unused.pop().expect("too many plain variables"));

        Some(cell.clone())
    })
}

macro_rules! accesses {
    ($($name:ident: $access:ident;)*) => {
        $(
            #[no_mangle]
            extern "C-unwind" fn $name(at: *const c_void) {
                if let Some(variable) = variable(at) {
                    variable.$access(|_| ());
                }
            }
        )*
    };
}

accesses! {
    __tsan_read1: with;
    __tsan_read2: with;
    __tsan_read4: with;
    __tsan_read8: with;
    __tsan_read16: with;
    __tsan_write1: with_mut;
    __tsan_write2: with_mut;
    __tsan_write4: with_mut;
    __tsan_write8: with_mut;
    __tsan_write16: with_mut;
}

#[no_mangle]
extern "C" fn __tsan_init() {}

#[no_mangle]
extern "C" fn __tsan_func_entry(_caller: *const c_void) {}

#[no_mangle]
extern "C" fn __tsan_func_exit() {}
