// SPDX-License-Identifier: GPL-2.0

//! `rendezvous()`, with `protocol.rs` and the atomics in C: while the master works,
//! no CPU runs the old text any more, and afterwards every CPU runs the new text.
//!
//! A read stands for a fetch, since loom has no `fence.i`.

use std::cell::Cell;

use kernel::ffi::{
    c_int,
    c_void, //
};
use loom::cell::UnsafeCell;

use crate::{
    linux,
    model::{
        spawn,
        Model, //
    },
    sources::{
        stop_machine::rendezvous::{
            rendezvous,
            Exclusive,
            Work, //
        },
        text::lock::TextLock, //
    }, //
};

const OLD: u32 = 1;
const NEW: u32 = 2;

/// The text that every CPU runs before and after it was stopped.
#[derive(Clone, Copy)]
struct Text(&'static UnsafeCell<u32>);

impl Text {
    fn runs(self, expected: u32) {
        // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
        assert_eq!(self.0.with(|text| unsafe { *text }), expected);
    }
}

// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl Send for Text {}

impl Work for Text {
    fn master(&mut self, _exclusive: &Exclusive<'_>) {
        // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
        self.0.with_mut(|text| unsafe { *text = NEW });
    }
}

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static MACHINE: Cell<Option<(Text, &'static [&'static str])>> = const { Cell::new(None) };
}

fn machine() -> (Text, &'static [&'static str]) {
    MACHINE.get().unwrap()
}

#[no_mangle]
extern "C-unwind" fn num_online_cpus() -> u32 {
    machine().1.len() as u32
}

/// Runs a function on all CPUs at the same time, including the caller's.
#[no_mangle]
extern "C-unwind" fn stop_cpus(
    _cpus: *const c_void,
    function: extern "C-unwind" fn(*mut c_void) -> c_int,
    data: *mut c_void,
) -> c_int {
    let (text, cpus) = machine();
    let run = move |data| {
        text.runs(OLD);
        function(data);
        text.runs(NEW);
    };

    let data = data.expose_provenance();
    let others: Vec<_> = cpus[1..]
        .iter()
        .map(|cpu| {
            spawn(cpu, move || {
                run(std::ptr::with_exposed_provenance_mut(data))
            })
        })
        .collect();

    run(std::ptr::with_exposed_provenance_mut(data));
    for other in others {
        other.join().unwrap();
    }
    0
}

/// Only used without our hooks.
#[no_mangle]
extern "C-unwind" fn stop_machine(
    function: extern "C-unwind" fn(*mut c_void) -> c_int,
    data: *mut c_void,
    cpus: *const c_void,
) -> c_int {
    stop_cpus(cpus, function, data)
}

fn all_meet(cpus: &'static [&'static str]) {
    let text = Text(Box::leak(Box::new(UnsafeCell::new(OLD))));

    linux::begin(&cpus[1..]);
    MACHINE.set(Some((text, cpus)));

    // SAFETY: No other thread patches text, and no CPU goes offline or comes online.
    let lock = unsafe { TextLock::held_by_caller() };
    let (_, held) = rendezvous(text, &lock).unwrap();
    assert_eq!(held.cpus, cpus.len() as u32);
    text.runs(NEW);
}

/// The arrival is fully ordered in the kernel; only its release and acquire are needed here.
#[test]
fn two_cpus() {
    Model::new("rendezvous::two_cpus").check(|| all_meet(&["main", "second"]));
}
