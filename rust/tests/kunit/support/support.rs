// SPDX-License-Identifier: GPL-2.0

//! Features of KUnit that are missing in Rust: skipping a test, and dropping values when a test has
//! failed.

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

/// Returns the test that this task runs.
fn current() -> Result<NonNull<kunit>> {
    // SAFETY: `kunit_get_current_test()` may be called by any task, and returns null without a
    // test.
    NonNull::new(unsafe { kunit_get_current_test() }).ok_or(EINVAL)
}

/// Reports the test as skipped, for a reason. The test has to return then, and must not fail.
///
/// # Errors
///
/// `EINVAL` if this task runs no test.
pub(crate) fn skip(reason: &str) -> Result {
    let test = current()?.as_ptr();

    // SAFETY: The test exists while it runs, and only its own task sets its status. At least the
    // last byte of the comment is not written, and stays zero.
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

/// Returns whether only the first CPU is online.
pub(crate) fn is_alone() -> bool {
    // SAFETY: `cpu` is less than `nr_cpu_ids`.
    !(1..nr_cpu_ids()).any(|cpu| unsafe { bindings::rust_riscv_test_cpu_is_online(cpu) })
}

/// Brings a CPU online again when this is dropped, if it is offline.
pub(crate) struct BackOn(u32);

impl BackOn {
    /// Creates the guard. To be called before the CPU is taken down.
    pub(crate) fn hold(cpu: u32) -> Result<Held<BackOn>> {
        hold(BackOn(cpu))
    }
}

impl Drop for BackOn {
    fn drop(&mut self) {
        // SAFETY: `self.0` is the number of a CPU that was online.
        unsafe {
            if !bindings::rust_riscv_test_cpu_is_online(self.0) {
                bindings::rust_riscv_test_cpu_up(self.0);
            }
        }
    }
}

/// A value that is dropped with this, or at the latest at the end of the test: a failing assertion
/// ends the task without running destructors.
///
/// # Invariants
///
/// `value` is from [`KBox::into_raw`]; `test`, which is running, has the action `action` for it.
pub(crate) struct Held<T: Send + 'static> {
    value: NonNull<T>,
    test: NonNull<kunit>,
    /// Stored, since the address of a generic function need not be unique.
    action: kunit_action_t,
}

/// Drops the value of a [`Held`].
///
/// # Safety
///
/// `value` must be from [`KBox::into_raw`], and not be used any more.
unsafe extern "C" fn drop_value<T>(value: *mut c_void) {
    // SAFETY: By this function's requirements, `value` is from `KBox::into_raw` and not used again.
    drop(unsafe { KBox::from_raw(value.cast::<T>()) });
}

/// Holds a value for the test that this task runs, at the longest until the test has ended. Values
/// are dropped in the reverse order. They must be `Send`, since KUnit cleans up in another task.
///
/// # Errors
///
/// `EINVAL` if this task runs no test; `ENOMEM`. The value is dropped then.
pub(crate) fn hold<T: Send + 'static>(value: T) -> Result<Held<T>> {
    let test = current()?;
    let action: kunit_action_t = Some(drop_value::<T>);
    let value = KBox::into_raw(KBox::new(value, GFP_KERNEL)?);

    // SAFETY: The test is running. The action runs once, with a pointer from `KBox::into_raw`: when
    // `Held` is dropped, otherwise when the test has ended.
    let added = to_result(unsafe { kunit_add_action(test.as_ptr(), action, value.cast()) });
    if let Err(error) = added {
        // SAFETY: `value` is from `KBox::into_raw`, and is not used again.
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
