// SPDX-License-Identifier: GPL-2.0

//! Stopping every CPU.
//!
//! C header: [`include/linux/stop_machine.h`](srctree/include/linux/stop_machine.h)

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    types::NotThreadSafe, //
};

use crate::{
    bindings,
    text_lock::TextLock, //
};

/// What every CPU runs while all are stopped.
///
/// # Implementing
///
/// `run` and what it calls run with interrupts off while nothing else runs anywhere: no sleeping,
/// no lock that others may hold, no allocation, no printing, no IPI. Where text is patched they
/// must also be in `.kprobes.text` or inlined, and call no traced function.
pub trait Stop: Sync {
    /// Runs once on every online CPU.
    fn run(&self, stopped: &Stopped<'_>);
}

/// Proof that every CPU is stopped: it exists nowhere else.
pub struct Stopped<'a> {
    _scope: PhantomData<&'a ()>,
    _here: NotThreadSafe,
}

impl Stopped<'_> {
    /// The number of CPUs that take part. It does not change while they are stopped.
    #[inline(always)]
    pub fn online(&self) -> u32 {
        // SAFETY: No requirements.
        unsafe { bindings::rr_num_online_cpus() }
    }
}

#[link_section = ".kprobes.text"]
unsafe extern "C" fn trampoline<T: Stop>(data: *mut c_void) -> c_int {
    let stopped = Stopped {
        _scope: PhantomData,
        _here: PhantomData,
    };

    // SAFETY: `stop_machine` passes a `&T`, which is valid until every CPU has returned from here;
    // `T` is `Sync`.
    unsafe { &*data.cast::<T>() }.run(&stopped);
    0
}

/// Stops every online CPU, runs `work` on each at the same time, and lets them go.
///
/// # Errors
///
/// What `stop_machine()` returns: `-ENOENT` if a CPU could not be stopped.
///
/// # Context
///
/// Sleeps. The caller does not hold `cpus_read_lock`, which is taken here.
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use riscv::stop_machine::{stop_machine, Stop, Stopped};
///
/// struct Count(Atomic<u32>);
///
/// impl Stop for Count {
///     fn run(&self, _stopped: &Stopped<'_>) {
///         self.0.fetch_add(1, Relaxed);
///     }
/// }
///
/// let count = Count(Atomic::new(0));
/// stop_machine(&count)?;
/// assert!(count.0.load(Relaxed) > 0);
/// # Ok::<(), Error>(())
/// ```
pub fn stop_machine<T: Stop>(work: &T) -> Result {
    let data = core::ptr::from_ref(work).cast_mut().cast();

    // SAFETY: `trampoline::<T>` takes a pointer to a `T` and only reads it; `work` outlives the
    // call, which returns after the last CPU has left the trampoline.
    to_result(unsafe { bindings::rr_stop_online_cpus(Some(trampoline::<T>), data) })
}

/// As [`stop_machine`], for those who hold the lock of kernel text, and with it, where the kernel
/// has our hooks, `cpus_read_lock`.
///
/// # Errors
///
/// Those of [`stop_machine`].
///
/// # Context
///
/// Sleeps.
pub fn stop_machine_locked<T: Stop>(work: &T, _lock: &TextLock) -> Result {
    let data = core::ptr::from_ref(work).cast_mut().cast();

    // SAFETY: As for `stop_machine`; `_lock` is what the function wants to be held.
    to_result(unsafe { bindings::rr_stop_online_cpus_locked(Some(trampoline::<T>), data) })
}
