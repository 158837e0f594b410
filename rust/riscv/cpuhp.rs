// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug states: callbacks that run whenever a CPU comes online or goes offline.
//!
//! A state is a [`State`] at a [`Slot`] of the state machine. While a [`Registration`] exists, the
//! state's [`up`](State::up) runs for every CPU that comes online and its [`down`](State::down) for
//! every CPU that goes offline. The section of the slot, one of three, decides where they run and
//! what they may do; it is part of the types:
//!
//! | section      | runs on                | interrupts | may sleep | `up` may fail |
//! |--------------|------------------------|------------|-----------|---------------|
//! | [`Prepare`]  | another CPU            | on         | yes       | yes           |
//! | [`Starting`] | the CPU itself         | off        | no        | no            |
//! | [`Online`]   | its own hotplug thread | on         | yes       | yes           |
//!
//! Without `CONFIG_SMP` there are no hotplug threads. The callbacks run in the task that sets the
//! state up or removes it.
//!
//! A CPU that comes online runs the states in the order of their slots, one that goes offline in
//! the reverse order. `down` cannot fail, since the kernel calls `BUG()` if it does while its state
//! is removed.
//!
//! C header: [`include/linux/cpuhotplug.h`](srctree/include/linux/cpuhotplug.h)
//!
//! # Examples
//!
//! ```
//! use kernel::{prelude::*, sync::atomic::{Atomic, Relaxed}};
//! use riscv::cpuhp::{Calls, Online, Registration, Slot, State};
//!
//! static COUNT: Atomic<u32> = Atomic::new(0);
//!
//! struct Counter;
//!
//! #[vtable]
//! impl State for Counter {
//!     type Section = Online;
//!     const NAME: &'static CStr = c"counter:online";
//!
//!     fn up(_cpu: &Online) -> Result {
//!         COUNT.fetch_add(1, Relaxed);
//!         Ok(())
//!     }
//!
//!     fn down(_cpu: &Online) {
//!         COUNT.fetch_sub(1, Relaxed);
//!     }
//! }
//!
//! // SAFETY: Dropped below.
//! let registration = unsafe {
//!     Registration::<Counter>::new(Slot::ONLINE_DYNAMIC, Calls::OnlineCpusToo)?
//! };
//! assert!(COUNT.load(Relaxed) > 0);
//! drop(registration);
//! assert_eq!(COUNT.load(Relaxed), 0);
//! # Ok::<(), Error>(())
//! ```

use core::marker::PhantomData;

use kernel::{
    bindings::{
        __cpuhp_remove_state_cpuslocked,
        __cpuhp_setup_state_cpuslocked,
        cpuhp_state, //
    },
    cpu::CpuId,
    error::VTABLE_DEFAULT_ERROR,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    types::NotThreadSafe, //
};

use crate::bindings;

mod section;
mod slot;
mod sysfs;

pub use section::{
    CallbackReturn,
    Here,
    Online,
    Prepare,
    Section,
    Starting, //
};
pub use slot::Slot;
pub use sysfs::state_name;

/// The callbacks of a hotplug state.
///
/// Both callbacks are optional.
#[vtable]
pub trait State: 'static {
    /// Where the callbacks run: [`Prepare`], [`Starting`] or [`Online`].
    type Section: Section;

    /// The name in `/sys/devices/system/cpu/hotplug/states`, such as `driver:online`.
    const NAME: &'static CStr;

    /// Called when the CPU comes online. If it fails, the states before it are undone by their
    /// `down`, and the CPU stays offline.
    fn up(_cpu: &Self::Section) -> <Self::Section as Section>::Return {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Called when the CPU goes offline, when a later state has failed, and when the state is
    /// removed.
    fn down(_cpu: &Self::Section) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Whether the callbacks also run for the CPUs that are online when the state is set up or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// `up` runs for each online CPU before the setup returns, `down` before the removal returns.
    OnlineCpusToo,
    /// They run only for CPUs that come online or go offline.
    HotplugOnly,
}

/// The C callback for [`State::up`].
///
/// # Safety
///
/// The caller is the hotplug core, running a state of the section `T::Section` for the CPU with the
/// number `cpu`, where that section runs.
unsafe extern "C" fn up<T: State>(cpu: c_uint) -> c_int {
    // SAFETY: The hotplug core passes the number of an existing CPU, and calls this where callbacks
    // of the section `T::Section` run. The token is dropped before this returns.
    let cpu = unsafe { T::Section::new(CpuId::from_u32_unchecked(cpu)) };

    T::up(&cpu).to_errno()
}

/// The C callback for [`State::down`].
///
/// # Safety
///
/// Those of [`up`].
unsafe extern "C" fn down<T: State>(cpu: c_uint) -> c_int {
    // SAFETY: The hotplug core passes the number of an existing CPU, and calls this where callbacks
    // of the section `T::Section` run. The token is dropped before this returns.
    let cpu = unsafe { T::Section::new(CpuId::from_u32_unchecked(cpu)) };

    T::down(&cpu);
    0
}

type Callback = Option<unsafe extern "C" fn(c_uint) -> c_int>;

const fn callbacks<T: State>() -> (Callback, Callback) {
    (
        if T::HAS_UP { Some(up::<T>) } else { None },
        if T::HAS_DOWN { Some(down::<T>) } else { None },
    )
}

/// A token that shows that this task holds `cpus_read_lock`: no CPU comes online or goes offline.
///
/// Others may hold the lock at the same time. Do not drop a [`Registration`] while holding it,
/// since that takes the lock again and can deadlock: use [`Registration::remove_locked`].
///
/// It is passed to a closure and is not a guard, since a guard could be leaked, and would then
/// exclude CPU hotplug forever.
///
/// # Examples
///
/// ```
/// use riscv::cpuhp::CpusRead;
///
/// CpusRead::with(|_cpus| {
///     // The CPUs that are online now stay so.
/// });
/// ```
///
/// # Invariants
///
/// This task holds `cpus_read_lock` for as long as this can be referred to.
pub struct CpusRead(NotThreadSafe);

impl CpusRead {
    /// Acquires the lock, waiting for hotplug operations that are under way, calls `work`, and
    /// releases it. Sleeps.
    ///
    /// Not to be called from a hotplug callback, nor by a task that holds the lock.
    pub fn with<R>(work: impl FnOnce(&CpusRead) -> R) -> R {
        // SAFETY: `cpus_read_lock()` may be called where one may sleep, by a task that does not
        // hold it, which this function's context demands. Released below.
        unsafe { bindings::rust_riscv_cpus_read_lock() };
        // INVARIANT: The lock was just taken, and `work` cannot keep the reference.
        let result = work(&CpusRead(NotThreadSafe));

        // SAFETY: Locked above, by this task.
        unsafe { bindings::rust_riscv_cpus_read_unlock() };
        result
    }

    /// Like [`CpusRead::with`] if the lock can be acquired without waiting, else returns `None`.
    /// Any context that may not sleep.
    pub fn try_with<R>(work: impl FnOnce(&CpusRead) -> R) -> Option<R> {
        // SAFETY: `cpus_read_trylock()` does not sleep. If it succeeds, the lock is released below.
        if !unsafe { bindings::rust_riscv_cpus_read_trylock() } {
            return None;
        }
        // INVARIANT: The lock was just taken, and `work` cannot keep the reference.
        let result = work(&CpusRead(NotThreadSafe));

        // SAFETY: Locked above, by this task.
        unsafe { bindings::rust_riscv_cpus_read_unlock() };
        Some(result)
    }

    /// Removes the callbacks of a slot, which other code has set up, without running them.
    ///
    /// # Safety
    ///
    /// The code that set the callbacks up, in Rust or in C, does not depend on them any more, and
    /// does not remove them again.
    pub unsafe fn clear_slot<S: Section>(&self, slot: Slot<S>) -> EmptySlot<'_, S> {
        // SAFETY: The lock is held. The number is that of a slot, hence within the state machine's
        // bounds; single callbacks are not run.
        unsafe { __cpuhp_remove_state_cpuslocked(slot.number(), false) };
        EmptySlot { cpus: self, slot }
    }
}

/// A slot whose callbacks were removed. It borrows the [`CpusRead`], so other callbacks can be set
/// up in it before CPU hotplug is possible again.
#[must_use = "while the slot is empty, CPUs come online without its callbacks"]
pub struct EmptySlot<'cpus, S: Section> {
    cpus: &'cpus CpusRead,
    slot: Slot<S>,
}

impl<S: Section> EmptySlot<'_, S> {
    /// Sets up `T` in the slot. No callback runs: the CPUs that are online have been through the
    /// state.
    ///
    /// # Errors
    ///
    /// `-EBUSY` if other code has taken the slot meanwhile.
    ///
    /// # Safety
    ///
    /// Those of [`Registration::new`].
    pub unsafe fn set_up<T: State<Section = S>>(self) -> Result<Registration<T>> {
        // SAFETY: The caller guarantees that the result is removed before the code of `T` is freed.
        unsafe { Registration::new_locked(self.slot, Calls::HotplugOnly, self.cpus) }
    }

    /// Leaves the slot empty. Other code, such as C, may set up callbacks in it.
    pub fn leave_empty(self) {}
}

/// A [`State`] that is set up. Dropping it removes the state.
///
/// Dropping it sleeps, waits for hotplug operations that are under way, and runs `down` for every
/// online CPU if the state was set up with [`Calls::OnlineCpusToo`].
///
/// # Invariants
///
/// `slot` has the callbacks of `T`.
pub struct Registration<T: State> {
    slot: Slot<T::Section>,
    calls: Calls,
    _state: PhantomData<fn() -> T>,
}

/// The error of [`Registration::replace`], and the registration of the old state, if it could be
/// restored.
pub type NotReplaced<T> = (Error, Option<Registration<T>>);

impl<T: State> Registration<T> {
    /// Sets up `T` at `slot`.
    ///
    /// # Errors
    ///
    /// - `-EBUSY` if the slot already has callbacks.
    /// - `-ENOSPC` if the slot is dynamic and none is free.
    /// - The error that `up` returned for an online CPU; then `down` has run for the CPUs before
    ///   it.
    ///
    /// # Safety
    ///
    /// The result is removed before the module with the code of `T` is unloaded: it must not be
    /// leaked, as by `mem::forget()`, or the kernel would call code that was freed.
    ///
    /// # Context
    ///
    /// Sleeps. The caller must not hold a [`CpusRead`], which is taken here.
    pub unsafe fn new(slot: Slot<T::Section>, calls: Calls) -> Result<Registration<T>> {
        // SAFETY: The caller guarantees what `new_locked()` requires, which is the same.
        CpusRead::with(|cpus| unsafe { Registration::new_locked(slot, calls, cpus) })
    }

    /// Like [`Registration::new`], for a caller that holds [`CpusRead`].
    ///
    /// # Errors
    ///
    /// Those of [`Registration::new`].
    ///
    /// # Safety
    ///
    /// Those of [`Registration::new`].
    pub unsafe fn new_locked(
        slot: Slot<T::Section>,
        calls: Calls,
        _cpus: &CpusRead,
    ) -> Result<Registration<T>> {
        let (up, down) = const { callbacks::<T>() };

        // SAFETY: The callbacks are for single instances and take a CPU number. The caller
        // guarantees that they and the name stay valid until the registration is dropped. The slot
        // is in the section of `T`. `_cpus` shows that `cpus_read_lock` is held.
        let number = unsafe {
            __cpuhp_setup_state_cpuslocked(
                slot.number(),
                T::NAME.as_char_ptr(),
                calls == Calls::OnlineCpusToo,
                up,
                down,
                false,
            )
        };
        kernel::error::to_result(number)?;
        // INVARIANT: The setup succeeded. A positive number is the slot that was allocated for a
        // dynamic one.
        Ok(Registration {
            slot: if number > 0 {
                slot.allocated(number)
            } else {
                slot
            },
            calls,
            _state: PhantomData,
        })
    }

    /// The number of the state, as in `/sys/devices/system/cpu/hotplug/states`.
    pub fn number(&self) -> cpuhp_state {
        self.slot.number()
    }

    /// Removes the state, for a caller that holds [`CpusRead`].
    pub fn remove_locked(self, cpus: &CpusRead) {
        self.remove(cpus);
        // The state is removed, so `drop` must not remove it again.
        core::mem::forget(self);
    }

    /// Removes the state. Only once: the caller drops or forgets the registration.
    fn remove(&self, _cpus: &CpusRead) {
        let calls = self.calls == Calls::OnlineCpusToo;

        // SAFETY: `_cpus` shows that `cpus_read_lock` is held. By the type invariant the slot has
        // our callbacks. When this returns, they do not run, and will not run again.
        unsafe { __cpuhp_remove_state_cpuslocked(self.slot.number(), calls) };
    }

    /// Removes the callbacks without running them, so that others can be set up in the slot.
    pub fn clear_slot(self, cpus: &CpusRead) -> EmptySlot<'_, T::Section> {
        let slot = self.slot;

        core::mem::forget(self);
        // SAFETY: By the type invariant the callbacks are those of `T`. `self` was forgotten, so
        // they are not removed again.
        unsafe { cpus.clear_slot(slot) }
    }

    /// Replaces `T` with `U` in one step: every CPU runs the callbacks of one of them. Replacing
    /// runs no callbacks, and the new registration is [`Calls::HotplugOnly`].
    ///
    /// # Errors
    ///
    /// `-EBUSY` if other code has taken the slot meanwhile: see [`NotReplaced`].
    ///
    /// # Safety
    ///
    /// Those of [`Registration::new`], for `U`.
    pub unsafe fn replace<U: State<Section = T::Section>>(
        self,
        cpus: &CpusRead,
    ) -> Result<Registration<U>, NotReplaced<T>> {
        let slot = self.slot;

        // `cpus` keeps CPUs from coming online in between. litmus: hotplug+replace
        //
        // SAFETY: The caller guarantees that the result is removed before the code of `U` is freed.
        unsafe { self.clear_slot(cpus).set_up::<U>() }.map_err(|error| {
            let back = EmptySlot { cpus, slot };

            // SAFETY: The result replaces `self`, for which the caller of `new` has guaranteed it.
            (error, unsafe { back.set_up::<T>() }.ok())
        })
    }
}

impl<T: State> Drop for Registration<T> {
    fn drop(&mut self) {
        CpusRead::with(|cpus| self.remove(cpus));
    }
}
