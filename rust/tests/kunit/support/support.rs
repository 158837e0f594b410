// SPDX-License-Identifier: GPL-2.0

//! What KUnit offers in C and not in Rust: tests that are skipped, and values that do not outlive
//! a test that fails.

use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

use kernel::{
    bindings::{
        kunit,
        kunit_action_t,
        kunit_add_action,
        kunit_get_current_test,
        kunit_release_action,
        kunit_status_KUNIT_SKIPPED, //
    },
    cpu::nr_cpu_ids,
    error::to_result,
    ffi::{
        c_char,
        c_void, //
    },
    prelude::*, //
};

use crate::bindings;

/// The test that this task runs.
fn current() -> Result<NonNull<kunit>> {
    // SAFETY: `kunit_get_current_test()` may be called by any task, and returns null without a
    // test.
    NonNull::new(unsafe { kunit_get_current_test() }).ok_or(EINVAL)
}

/// Reports the test as skipped, for a reason. It has to return then, and must not fail.
///
/// # Errors
///
/// `EINVAL` if this task runs no test.
pub(crate) fn skip(reason: &str) -> Result {
    let test = current()?.as_ptr();

    // SAFETY: The test is there while it runs, and its status is for its own task to set. What is
    // stored is smaller than the comment by one byte at least, which stays zero.
    unsafe {
        (&raw mut (*test).status).write_volatile(kunit_status_KUNIT_SKIPPED);
        let comment = &mut (*test).status_comment;
        let room = comment.len() - 1;
        for (to, &from) in comment[..room].iter_mut().zip(reason.as_bytes()) {
            *to = from as c_char;
        }
    }
    Ok(())
}

/// Whether no CPU but the first is online.
pub(crate) fn is_alone() -> bool {
    // SAFETY: `cpu` is less than `nr_cpu_ids`.
    !(1..nr_cpu_ids()).any(|cpu| unsafe { bindings::rust_riscv_test_cpu_is_online(cpu) })
}

/// Brings a CPU back that is off, when this is dropped.
pub(crate) struct BackOn(u32);

impl BackOn {
    /// To be called before the CPU is taken down.
    pub(crate) fn hold(cpu: u32) -> Result<Held<BackOn>> {
        hold(BackOn(cpu))
    }
}

impl Drop for BackOn {
    fn drop(&mut self) {
        // SAFETY: The number of a CPU that was online.
        unsafe {
            if !bindings::rust_riscv_test_cpu_is_online(self.0) {
                bindings::rust_riscv_test_cpu_up(self.0);
            }
        }
    }
}

/// A value that is dropped with this, or when its test has ended: a failing assertion ends the task
/// and runs no destructors.
///
/// # Invariants
///
/// `value` is from [`KBox::into_raw`]; `test`, which is running, has the action `action` for it.
pub(crate) struct Held<T: Send + 'static> {
    value: NonNull<T>,
    test: NonNull<kunit>,
    /// One and the same pointer: that of a generic function need not be.
    action: kunit_action_t,
}

/// Drops the value of a [`Held`].
///
/// # Safety
///
/// `value` must be from [`KBox::into_raw`], and not be used any more.
unsafe extern "C" fn drop_value<T>(value: *mut c_void) {
    // SAFETY: By the safety requirements.
    drop(unsafe { KBox::from_raw(value.cast::<T>()) });
}

/// Holds a value for the test that this task runs, at the longest until that has ended, however it
/// ends. What was held last is dropped first. `Send`, as KUnit cleans up in another task.
///
/// # Errors
///
/// `EINVAL` if this task runs no test, `ENOMEM`; the value has been dropped.
pub(crate) fn hold<T: Send + 'static>(value: T) -> Result<Held<T>> {
    let test = current()?;
    let action: kunit_action_t = Some(drop_value::<T>);
    let value = KBox::into_raw(KBox::new(value, GFP_KERNEL)?);

    // SAFETY: The test is running. The action is run once, with what it requires: when `Held` is
    // dropped or, if it never is, when the test has ended.
    let added = to_result(unsafe { kunit_add_action(test.as_ptr(), action, value.cast()) });
    if let Err(error) = added {
        // SAFETY: From above, and nobody else has it.
        drop(unsafe { KBox::from_raw(value) });
        return Err(error);
    }
    Ok(Held {
        // SAFETY: A box is not null.
        value: unsafe { NonNull::new_unchecked(value) },
        test,
        action,
    })
}

impl<T: Send + 'static> Drop for Held<T> {
    fn drop(&mut self) {
        // SAFETY: By the invariants; nothing uses the value afterwards.
        unsafe {
            kunit_release_action(self.test.as_ptr(), self.action, self.value.as_ptr().cast())
        };
    }
}

impl<T: Send + 'static> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the invariants.
        unsafe { self.value.as_ref() }
    }
}

impl<T: Send + 'static> DerefMut for Held<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the invariants.
        unsafe { self.value.as_mut() }
    }
}
