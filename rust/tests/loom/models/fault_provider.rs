// SPDX-License-Identifier: GPL-2.0

//! `fault::user::Registration`, with the hook in C: a fault that finds the provider finds its module
//! whole, and no fault is in it when it is gone.

use crate::{
    linux,
    model::{
        spawn,
        Model, //
    },
    sources::fault::{
        stage::{
            Fault,
            Outcome, //
        },
        user::{
            Handler,
            Registration, //
        }, //
    }, //
};
use kernel::{
    bindings::{
        mm_struct,
        vm_area_struct, //
    },
    ffi::c_ulong,
    mm::MmWithUser, //
};
use loom::cell::UnsafeCell;

extern "C-unwind" {
    fn loom_user_fault(mm: *mut mm_struct, addr: c_ulong, cause: c_ulong) -> *mut vm_area_struct;
}

const STORE: usize = 15;

/// A module's data: there when its provider is registered, gone when that was dropped.
struct Module(UnsafeCell<bool>);

// SAFETY: That its uses are ordered is what is being checked.
unsafe impl Sync for Module {}

impl Module {
    fn is_there(&self, there: bool) {
        // SAFETY: As above.
        self.0.with_mut(|was| unsafe { *was = there });
    }
}

std::thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static MODULE: std::cell::Cell<Option<&'static Module>> = const { std::cell::Cell::new(None) };
}

fn module() -> &'static Module {
    MODULE.get().unwrap()
}

/// A provider that uses its module's data, and has C handle the fault.
struct InModule;

// SAFETY: It neither sleeps nor ends the read-side section.
unsafe impl Handler for InModule {
    fn user_fault(fault: Fault<'_, MmWithUser>) -> Outcome<'_, MmWithUser> {
        // SAFETY: As of `Module`.
        assert!(module().0.with(|there| unsafe { *there }));
        fault.back()
    }

    fn unknown_cause(_scause: usize, _address: usize) {
        unreachable!();
    }
}

fn fault() {
    let mut mm = mm_struct { users: 1 };

    // SAFETY: As a fault of a task of `mm`.
    let vma = unsafe { loom_user_fault(&mut mm, 0, STORE) };
    assert!(vma.is_null());
}

fn begin(threads: &[&str]) {
    linux::begin(threads);
    MODULE.set(Some(Box::leak(Box::new(Module(UnsafeCell::new(false))))));
}

/// One registers at a time here.
#[test]
fn fault_meanwhile() {
    Model::new("fault_provider::fault_meanwhile")
        .idle(&[
            "fault.c guard(mutex) in main -> nothing",
            "fault.c guard(mutex) (2) in main -> nothing",
        ])
        .check(|| {
            begin(&["task"]);
            let task = spawn("task", fault);

            module().is_there(true);
            // SAFETY: It is dropped.
            drop(unsafe { Registration::<InModule>::new() }.unwrap());
            module().is_there(false);
            task.join().unwrap();
        });
}

/// There is one provider at most.
#[test]
fn one_at_a_time() {
    Model::new("fault_provider::one_at_a_time")
        .idle(&[
            "fault.c smp_store_release in main -> relaxed",
            "fault.c smp_store_release in other -> relaxed",
            "fault.c synchronize_rcu in main -> nothing",
            "fault.c synchronize_rcu in other -> nothing",
        ])
        .check(|| {
            begin(&["other"]);
            let registers = || {
                // SAFETY: It is dropped.
                if let Ok(registration) = unsafe { Registration::<InModule>::new() } {
                    module().is_there(true);
                    drop(registration);
                }
            };

            let other = spawn("other", registers);
            registers();
            other.join().unwrap();
        });
}
