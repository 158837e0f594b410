// SPDX-License-Identifier: GPL-2.0

//! `fault::user::HandlerRegistration`, with the hook in C: a fault that finds the provider finds
//! its module's data, and no fault is in the module when it is unloaded.

use crate::{
    linux,
    model::{
        spawn,
        Model, //
    },
    module::{
        self,
        module, //
    },
    sources::fault::{
        stage::{
            Fault,
            FaultOutcome, //
        },
        user::{
            Handler,
            HandlerRegistration, //
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

extern "C-unwind" {
    fn loom_user_fault(mm: *mut mm_struct, addr: c_ulong, cause: c_ulong) -> *mut vm_area_struct;
}

const STORE: usize = 15;

/// A handler that uses its module's data, and falls back to C.
struct InModule;

// SAFETY: No function sleeps or ends the RCU read-side critical section.
unsafe impl Handler for InModule {
    fn handle(fault: Fault<'_, MmWithUser>) -> FaultOutcome<'_, MmWithUser> {
        module().uses();
        fault.fall_back()
    }

    fn unknown_cause(_scause: usize, _address: usize) {
        unreachable!();
    }
}

fn fault() {
    let mut mm = mm_struct { users: 1 };

    // SAFETY: `mm` has a user, as a task's during a fault.
    let vma = unsafe { loom_user_fault(&mut mm, 0, STORE) };
    assert!(vma.is_null());
}

fn begin(threads: &[&str]) {
    linux::begin(threads);
    module::begin(false);
}

/// A task faults while the provider is registered and unregistered.
///
/// Only one thread registers, so the mutex is not needed.
#[test]
fn fault_during_registration() {
    Model::new("fault_provider::fault_during_registration")
        .idle(&[
            "fault.c guard(mutex) in main -> nothing",
            "fault.c guard(mutex) (2) in main -> nothing",
        ])
        .check(|| {
            begin(&["task"]);
            let task = spawn("task", fault);

            module().set_exists(true);
            // SAFETY: It is dropped before the module's data is removed.
            drop(unsafe { HandlerRegistration::<InModule>::new() }.unwrap());
            module().set_exists(false);
            task.join().unwrap();
        });
}

/// Two threads register: there is at most one provider at a time.
#[test]
fn concurrent_registrations() {
    Model::new("fault_provider::concurrent_registrations")
        .idle(&[
            "fault.c smp_store_release in main -> relaxed",
            "fault.c smp_store_release in other -> relaxed",
            "fault.c synchronize_rcu in main -> nothing",
            "fault.c synchronize_rcu in other -> nothing",
        ])
        .check(|| {
            begin(&["other"]);
            let registers = || {
                // SAFETY: It is dropped before the module's data is removed.
                if let Ok(registration) = unsafe { HandlerRegistration::<InModule>::new() } {
                    module().set_exists(true);
                    drop(registration);
                }
            };

            let other = spawn("other", registers);
            registers();
            other.join().unwrap();
        });
}
