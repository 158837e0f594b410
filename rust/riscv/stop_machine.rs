// SPDX-License-Identifier: GPL-2.0

//! Stopping all CPUs: `stop_machine()`, and functions that run in the stoppers of all CPUs.
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
    online_cpus,
    text::lock::TextLock, //
};

pub mod protocol;
pub mod rendezvous;

/// A function that all CPUs run while the machine is stopped.
///
/// # Implementing
///
/// `run` and what it calls run with interrupts off on every CPU, while nothing else runs: no
/// sleeping, no lock that others may hold, no allocation, no printing, no IPI. If text is patched,
/// they must also be in `.kprobes.text` or inlined, and must not call a traced function.
pub trait Stop: Sync {
    /// Runs once on every online CPU.
    fn run(&self, stopped: &Stopped<'_>);
}

/// A token that exists only while all CPUs are stopped and run [`Stop::run`].
pub struct Stopped<'a> {
    _scope: PhantomData<&'a ()>,
    _here: NotThreadSafe,
}

impl Stopped<'_> {
    /// Creates the token.
    ///
    /// # Safety
    ///
    /// For as long as the result exists, every CPU has interrupts off, and runs the same function
    /// or waits until all have left it.
    #[inline(always)]
    unsafe fn new() -> Self {
        Stopped {
            _scope: PhantomData,
            _here: PhantomData,
        }
    }

    /// The number of online CPUs, all of which are stopped. It does not change meanwhile.
    #[inline(always)]
    pub fn online(&self) -> u32 {
        online_cpus()
    }
}

/// The callback of `stop_machine()` that calls [`Stop::run`].
///
/// # Safety
///
/// The caller is `stop_machine()`, on every CPU that it has stopped, interrupts off. `data` is a
/// `&T` that lives until all of them have returned.
#[link_section = ".kprobes.text"]
unsafe extern "C" fn trampoline<T: Stop>(data: *mut c_void) -> c_int {
    // SAFETY: `stop_machine()` calls this on every CPU, once all are stopped with interrupts off,
    // and they run nothing else until this has returned on all.
    let stopped = unsafe { Stopped::new() };

    // SAFETY: `data` is the `&T` that was passed to `stop_machine()`, and lives until this has
    // returned on all CPUs; `T` is `Sync`.
    unsafe { &*data.cast::<T>() }.run(&stopped);
    0
}

/// Stops all online CPUs, runs `work` on all of them at the same time, and releases them.
///
/// # Errors
///
/// The error of `stop_machine()`: `-ENOENT` if a CPU could not be stopped.
///
/// # Context
///
/// Sleeps. The caller must not hold `cpus_read_lock`, which is taken here.
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
    to_result(unsafe { bindings::rust_riscv_stop_online_cpus(Some(trampoline::<T>), data) })
}

/// A function that all CPUs run in their stoppers, the threads with the highest priority.
///
/// # Implementing
///
/// `run` must not sleep. It may wait until all CPUs run it, and for what they do in it, but for
/// nothing else. If text is patched, `run` and what it calls must also be in `.kprobes.text` or
/// inlined, and must not call a traced function.
pub(crate) trait InStopper: Sync {
    /// Runs once on every online CPU.
    fn run(&self);
}

/// Whether [`InStopper::run`] may be called with interrupts on. In a kernel without our hooks it is
/// called by `stop_machine()`, which has turned them off. So it is without `CONFIG_SMP`, where it
/// does not matter that this is true.
pub(crate) const INTERRUPTS_ON: bool = cfg!(rust_riscv_text_hooks);

/// The callback of the stoppers that calls [`InStopper::run`].
///
/// # Safety
///
/// `data` is a `&T` that lives until this has returned on every CPU that it was called on.
#[link_section = ".kprobes.text"]
unsafe extern "C" fn in_stopper<T: InStopper>(data: *mut c_void) -> c_int {
    // SAFETY: `data` is the `&T` that was passed to `rust_riscv_run_in_stoppers()`, and lives until
    // this has returned on all CPUs; `T` is `Sync`.
    unsafe { &*data.cast::<T>() }.run();
    0
}

/// Runs `work` in the stoppers of all online CPUs at the same time.
///
/// # Errors
///
/// Those of [`stop_machine`].
///
/// # Context
///
/// Sleeps.
pub(crate) fn run_in_stoppers<T: InStopper>(work: &T, _lock: &TextLock) -> Result {
    let data = core::ptr::from_ref(work).cast_mut().cast();

    // SAFETY: `in_stopper::<T>` takes a pointer to a `T` and only reads it; `work` outlives the
    // call, which returns after the last CPU has left `in_stopper`. In a kernel with our hooks,
    // `stop_cpus()` is called, for which `cpus_read_lock` must be held: `_lock` shows that it is.
    to_result(unsafe { bindings::rust_riscv_run_in_stoppers(Some(in_stopper::<T>), data) })
}
