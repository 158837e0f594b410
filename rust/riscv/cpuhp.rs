// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug states: code that runs whenever a CPU comes online or goes off.
//!
//! A state is a [`State`] at a [`Slot`] of the state machine. While a [`Registration`] lives, the
//! state's [`up`](State::up) runs for every CPU that comes online and its [`down`](State::down) for
//! every CPU that goes off. In which of the three sections the slot is decides where they run and
//! what they may do, so that is in the types:
//!
//! | section      | runs on                | interrupts | may sleep | `up` may fail |
//! |--------------|------------------------|------------|-----------|---------------|
//! | [`Prepare`]  | another CPU            | on         | yes       | yes           |
//! | [`Starting`] | the CPU itself         | off        | no        | no            |
//! | [`Online`]   | its own hotplug thread | on         | yes       | yes           |
//!
//! A CPU that comes online runs the states in the order of their slots, one that goes off in the
//! reverse order. `down` never fails: the kernel stops with a `BUG()` if it does while its state is
//! removed.
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
        __cpuhp_remove_state,
        __cpuhp_remove_state_cpuslocked,
        __cpuhp_setup_state,
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

mod holder;
mod section;
mod slot;

pub use holder::holder;
pub use section::{
    Here,
    Online,
    Outcome,
    Prepare,
    Section,
    Starting, //
};
pub use slot::Slot;

/// What runs when a CPU comes online and when it goes off.
///
/// A callback that is left out is not there: the state machine passes over it.
#[vtable]
pub trait State: 'static {
    /// Where the callbacks run: [`Prepare`], [`Starting`] or [`Online`].
    type Section: Section;

    /// The name in `/sys/devices/system/cpu/hotplug/states`, such as `driver:online`.
    const NAME: &'static CStr;

    /// The CPU comes online. If this fails, what ran before it is undone by `down`, and the CPU
    /// stays off.
    fn up(_cpu: &Self::Section) -> <Self::Section as Section>::Outcome {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The CPU goes off, or a later state failed, or the state is removed.
    fn down(_cpu: &Self::Section) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Whether callbacks also run on the CPUs that are online when the state is set up, and when it is
/// removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// `up` runs for each online CPU before the setup returns, `down` before the removal does.
    OnlineCpusToo,
    /// They run for CPUs that come and go only.
    HotplugOnly,
}

/// # Safety
///
/// The caller is the hotplug core, on the CPU that `cpu` is the number of, in a state of the section
/// `T::Section`.
unsafe extern "C" fn up<T: State>(cpu: c_uint) -> c_int {
    // SAFETY: By the function's requirements.
    let cpu = unsafe { T::Section::new(CpuId::from_u32_unchecked(cpu)) };

    T::up(&cpu).to_errno()
}

/// # Safety
///
/// As for [`up`].
unsafe extern "C" fn down<T: State>(cpu: c_uint) -> c_int {
    // SAFETY: As above.
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

/// Proof that no CPU comes online or goes off: this task holds `cpus_read_lock`.
///
/// Others may hold it at the same time. Do not drop a [`Registration`] meanwhile, which takes it
/// again and so may wait for a CPU that waits for you: use [`Registration::remove_locked`].
///
/// It is lent to a function, not held by a guard, which could be leaked and would then keep CPUs
/// from coming and going for good.
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
    /// Waits until no CPU is on its way, and keeps it so while `work` runs. Sleeps.
    ///
    /// Not from a hotplug callback, and not twice in one task.
    pub fn with<R>(work: impl FnOnce(&CpusRead) -> R) -> R {
        // SAFETY: No requirements. Released below.
        unsafe { bindings::rr_cpus_read_lock() };
        // INVARIANT: Just locked, and `work` cannot keep what it is lent.
        let result = work(&CpusRead(NotThreadSafe));

        // SAFETY: Locked above, by this task.
        unsafe { bindings::rr_cpus_read_unlock() };
        result
    }

    /// The same if it need not wait, else `None`; any context that may not sleep.
    pub fn try_with<R>(work: impl FnOnce(&CpusRead) -> R) -> Option<R> {
        // SAFETY: No requirements. If it succeeds, released below.
        if !unsafe { bindings::rr_cpus_read_trylock() } {
            return None;
        }
        // INVARIANT: As in `with`.
        let result = work(&CpusRead(NotThreadSafe));

        // SAFETY: Locked above, by this task.
        unsafe { bindings::rr_cpus_read_unlock() };
        Some(result)
    }

    /// Empties a slot whose callbacks somebody else set up, without running them.
    ///
    /// # Safety
    ///
    /// Whoever set the callbacks up, in Rust or in C, agrees: nothing there breaks when they no
    /// longer run, and they are not removed a second time.
    pub unsafe fn vacate<S: Section>(&self, slot: Slot<S>) -> Vacancy<'_, S> {
        // SAFETY: The lock is held. The number is that of a slot, hence within the state machine's
        // bounds; single callbacks are not run.
        unsafe { __cpuhp_remove_state_cpuslocked(slot.number(), false) };
        Vacancy { cpus: self, slot }
    }
}

/// A slot that was taken from its owner and has to be filled before any CPU may move again, which
/// the borrowed [`CpusRead`] takes care of.
#[must_use = "a CPU that comes online while the slot is empty lacks what ran there"]
pub struct Vacancy<'cpus, S: Section> {
    cpus: &'cpus CpusRead,
    slot: Slot<S>,
}

impl<S: Section> Vacancy<'_, S> {
    /// Sets up `T` there. No callback runs: those CPUs that are online have been through the state.
    ///
    /// # Errors
    ///
    /// `-EBUSY` if somebody else has taken the slot meanwhile.
    ///
    /// # Safety
    ///
    /// That of [`Registration::new`].
    pub unsafe fn fill<T: State<Section = S>>(self) -> Result<Registration<T>> {
        // SAFETY: By the function's requirement.
        unsafe { Registration::new_locked(self.slot, Calls::HotplugOnly, self.cpus) }
    }

    /// Leaves it to somebody else, such as C code, to fill the slot.
    pub fn give_up(self) {}
}

/// A [`State`] that is set up; removed when this is dropped.
///
/// Dropping it sleeps, waits for CPUs that are on their way, and runs `down` for every online CPU
/// if it was set up with [`Calls::OnlineCpusToo`].
///
/// # Invariants
///
/// `slot` has the callbacks of `T`.
pub struct Registration<T: State> {
    slot: Slot<T::Section>,
    calls: Calls,
    _state: PhantomData<fn() -> T>,
}

/// Why a state was not replaced, and the state as it was, if it could be put back.
pub type NotReplaced<T> = (Error, Option<Registration<T>>);

impl<T: State> Registration<T> {
    /// Sets up `T` at `slot`.
    ///
    /// # Errors
    ///
    /// - `-EBUSY` if the slot has callbacks already.
    /// - `-ENOSPC` if it is a dynamic one and there are no more.
    /// - What `up` returned on an online CPU; then `down` has run on those before it.
    ///
    /// # Safety
    ///
    /// What it returns is removed before the text of the module that `T` is in goes: it is not
    /// leaked, as by `mem::forget()`. The kernel would go on calling that text.
    ///
    /// # Context
    ///
    /// Sleeps. The caller holds no [`CpusRead`], which is taken here.
    pub unsafe fn new(slot: Slot<T::Section>, calls: Calls) -> Result<Registration<T>> {
        let (up, down) = const { callbacks::<T>() };

        // SAFETY: The callbacks are for single instances and take a CPU number; by the function's
        // requirement they and the name stay until the registration is dropped. The slot is in the
        // section of `T`.
        let number = unsafe {
            __cpuhp_setup_state(
                slot.number(),
                T::NAME.as_char_ptr(),
                calls == Calls::OnlineCpusToo,
                up,
                down,
                false,
            )
        };
        Registration::done(slot, number, calls)
    }

    /// The same for a caller that holds [`CpusRead`].
    ///
    /// # Errors
    ///
    /// Those of [`Registration::new`].
    ///
    /// # Safety
    ///
    /// That of [`Registration::new`].
    pub unsafe fn new_locked(
        slot: Slot<T::Section>,
        calls: Calls,
        _cpus: &CpusRead,
    ) -> Result<Registration<T>> {
        let (up, down) = const { callbacks::<T>() };

        // SAFETY: As in `new`; the lock is held.
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
        Registration::done(slot, number, calls)
    }

    /// `number` is what the setup returned: negative an error, positive the slot that was handed
    /// out for a dynamic one.
    fn done(slot: Slot<T::Section>, number: c_int, calls: Calls) -> Result<Registration<T>> {
        kernel::error::to_result(number)?;
        // INVARIANT: The setup succeeded.
        Ok(Registration {
            slot: if number > 0 {
                slot.handed_out(number)
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
    pub fn remove_locked(self, _cpus: &CpusRead) {
        let calls = self.calls == Calls::OnlineCpusToo;

        // SAFETY: The lock is held, and by the type invariants the slot is ours.
        unsafe { __cpuhp_remove_state_cpuslocked(self.slot.number(), calls) };
        // Removed just now.
        core::mem::forget(self);
    }

    /// Empties the slot without running anything, to fill it at once with something else.
    pub fn vacate(self, cpus: &CpusRead) -> Vacancy<'_, T::Section> {
        let slot = self.slot;

        core::mem::forget(self);
        // SAFETY: By the type invariants the callbacks are our own, and nobody removes them again.
        unsafe { cpus.vacate(slot) }
    }

    /// Puts `U` in the place of `T`, in one step: every CPU goes through either the one or the
    /// other. No callback runs because of it; that is [`Calls::HotplugOnly`] from here on.
    ///
    /// # Errors
    ///
    /// `-EBUSY` if somebody else took the slot in that moment: see [`NotReplaced`].
    ///
    /// # Safety
    ///
    /// That of [`Registration::new`], for `U`.
    pub unsafe fn replace<U: State<Section = T::Section>>(
        self,
        cpus: &CpusRead,
    ) -> Result<Registration<U>, NotReplaced<T>> {
        let slot = self.slot;

        // The guard keeps CPUs from coming online in between. litmus: hotplug+replace
        //
        // SAFETY: By the function's requirement.
        unsafe { self.vacate(cpus).fill::<U>() }.map_err(|error| {
            let back = Vacancy { cpus, slot };

            // SAFETY: By that of whoever set up `self`, which it takes the place of.
            (error, unsafe { back.fill::<T>() }.ok())
        })
    }
}

impl<T: State> Drop for Registration<T> {
    fn drop(&mut self) {
        let calls = self.calls == Calls::OnlineCpusToo;

        // SAFETY: By the type invariants the slot is ours. After this the callbacks neither run nor
        // will run.
        unsafe { __cpuhp_remove_state(self.slot.number(), calls) };
    }
}
