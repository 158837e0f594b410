// SPDX-License-Identifier: GPL-2.0

//! Writing kernel text in place of the kernel.
//!
//! Only with our hooks in the kernel. What ftrace, kprobes, jump labels, BPF and alternatives
//! write goes to a [`Provider`] from [`Registration::new`] until the registration is dropped.
//!
//! C header: `arch/riscv/include/asm/text-patching.h`, as the hook series leaves it.

use core::{
    cell::UnsafeCell,
    ptr::NonNull,
    sync::atomic::{
        AtomicU64,
        Ordering, //
    }, //
};

use kernel::{
    bindings::pt_regs,
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*, //
};

use crate::{
    bindings::{
        self,
        riscv_patch_provider, //
    },
    text_lock::TextLock,
    time::Ticks, //
};

/// The provider has changed nothing: the kernel shall write itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined;

/// What became of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// There was nothing in it.
    Empty,
    /// All of it, and all written before, is visible to every CPU.
    Everywhere,
    /// All of it is written by the kernel's own means: flush.
    Flush,
    /// Some of it could not be written by any means.
    Lost(Error),
}

/// The kernel's own way to write, for what a provider cannot.
#[derive(Clone, Copy)]
pub struct Kernel<'a>(&'a riscv_patch_provider);

impl Kernel<'_> {
    /// Writes `bytes` at `addr`, visible to this CPU only.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if there is no memory at `addr`.
    ///
    /// # Safety
    ///
    /// The kernel's user that the provider is called for wants `bytes` at `addr`, which it owns.
    pub unsafe fn write(&self, addr: usize, bytes: &[u8]) -> Result {
        let fallback = self.0.fallback.ok_or(ENODEV)?;
        let addr = core::ptr::with_exposed_provenance_mut(addr);

        // SAFETY: The kernel set it when it registered us. `text_mutex` is held, as `Kernel` is
        // only lent to a provider that is being called. By the function's requirement it may be
        // written there.
        to_result(unsafe { fallback(addr, bytes.as_ptr().cast(), bytes.len()) })
    }
}

/// Writes kernel text.
///
/// All methods but [`Provider::breakpoint`] are called under `text_mutex`, one at a time, and may
/// sleep. Addresses and bytes are those of the kernel's own users, who answer for what the code
/// does that results.
///
/// Every method but [`Provider::queue`] first writes what is queued.
///
/// The methods that get an address are `unsafe`, since they write there. Their caller is the kernel.
///
/// # Safety
///
/// - A method that does not decline has written, or for [`Provider::queue`] will have by the next
///   [`Provider::sync`], just these bytes there, as visibly as it says: the kernel's users run them,
///   and free what they have replaced. One that declines has changed nothing.
/// - [`Provider::breakpoint`] does not lock, sleep, or call what is traced or probed. If it says that
///   the breakpoint was dealt with, `regs` is where the task may go on.
pub unsafe trait Provider: Send + Sized + 'static {
    /// Writes `bytes` at `addr`: visible to this CPU, or `everywhere`.
    ///
    /// # Safety
    ///
    /// A user in the kernel wants `bytes` at `addr`, which it owns.
    unsafe fn write(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        everywhere: bool,
    ) -> Result<(), Declined>;

    /// Makes `len` bytes at `addr` `byte`, visible everywhere.
    ///
    /// # Safety
    ///
    /// As for [`Provider::write`].
    unsafe fn set(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        byte: u8,
        len: usize,
    ) -> Result<(), Declined>;

    /// Writes `bytes` at `addr` so that no CPU runs a mixture of old and new, visible everywhere.
    ///
    /// # Safety
    ///
    /// As for [`Provider::write`].
    unsafe fn patch(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        lock: &TextLock,
    ) -> Result<(), Declined>;

    /// Writes `bytes` at `addr` by the next [`Provider::sync`]; what is `first` is visible
    /// everywhere before anything that is not is written.
    ///
    /// # Safety
    ///
    /// As for [`Provider::write`], and until the next [`Provider::sync`].
    unsafe fn queue(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        first: bool,
    ) -> Result<(), Declined>;

    /// Writes what is queued.
    fn sync(&mut self, kernel: Kernel<'_>) -> Synced;

    /// Whether the breakpoint at `regs` is ours, and was dealt with.
    ///
    /// Called in any context, as an NMI is: it must not lock or call what is traced, and is in
    /// `.kprobes.text` with all that it calls.
    ///
    /// # Safety
    ///
    /// Called by the handler of the breakpoint exception, with interrupts off since the trap.
    unsafe fn breakpoint(regs: &mut pt_regs) -> bool;
}

#[repr(C)]
struct Inner<P> {
    ops: UnsafeCell<riscv_patch_provider>,
    provider: UnsafeCell<P>,
}

/// A provider that the kernel calls until this is dropped.
///
/// # Invariants
///
/// The pointer comes from [`KBox::into_raw`], is ours, and its `ops` are registered.
pub struct Registration<P: Provider>(NonNull<Inner<P>>);

// SAFETY: Dropping it, which is all one can do with it, may be done by any task; so may dropping
// `P`.
unsafe impl<P: Provider> Send for Registration<P> {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl<P: Provider> Sync for Registration<P> {}

impl<P: Provider> Registration<P> {
    /// Has the kernel call `provider`.
    ///
    /// # Errors
    ///
    /// `-EBUSY` if there is a provider already, `-ENOMEM` without memory.
    ///
    /// # Safety
    ///
    /// What it returns is dropped before the text of the module that `P` is in goes: it is not
    /// leaked, as by `mem::forget()`. The kernel would go on calling that text.
    ///
    /// # Context
    ///
    /// Sleeps. The caller does not hold `text_mutex`.
    pub unsafe fn new(provider: P) -> Result<Registration<P>> {
        let inner = KBox::new(
            Inner {
                ops: UnsafeCell::new(riscv_patch_provider {
                    fallback: None,
                    write: Some(write::<P>),
                    set: Some(set::<P>),
                    patch: Some(patch::<P>),
                    queue: Some(queue::<P>),
                    sync: Some(sync::<P>),
                    breakpoint: Some(breakpoint::<P>),
                }),
                provider: UnsafeCell::new(provider),
            },
            GFP_KERNEL,
        )?;

        // SAFETY: `inner` stays where it is, and `ops` is all set, until it is unregistered, which
        // by the function's requirement is before the functions go. The kernel publishes it under
        // `text_mutex`. litmus: provider+publish
        to_result(unsafe { bindings::riscv_patch_provider_register(inner.ops.get()) })?;

        // INVARIANT: Just registered; `into_raw` never returns null.
        Ok(Registration(
            NonNull::new(KBox::into_raw(inner)).ok_or(ENOMEM)?,
        ))
    }
}

impl<P: Provider> Drop for Registration<P> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. On return nobody calls us any more.
        unsafe {
            bindings::riscv_patch_provider_unregister((*self.0.as_ptr()).ops.get());
            drop(KBox::from_raw(self.0.as_ptr()));
        }
    }
}

/// The provider that a callback is for, and the kernel's own way.
///
/// # Safety
///
/// `ops` is what the kernel was given by [`Registration::new`] of the same `P`; `text_mutex` is
/// held for `'a`.
unsafe fn called<'a, P: Provider>(ops: *mut riscv_patch_provider) -> (&'a mut P, Kernel<'a>) {
    let inner = ops.cast::<Inner<P>>();

    // SAFETY: `ops` is the first field of a `repr(C)` struct, which outlives the registration. The
    // lock makes this the only reference to the provider; `ops` itself is written by the kernel
    // only when it is registered.
    unsafe { (&mut *(*inner).provider.get(), Kernel(&*ops)) }
}

fn answer(result: Result<(), Declined>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(Declined) => -(kernel::bindings::EOPNOTSUPP as c_int),
    }
}

/// # Safety
///
/// `bytes` is valid for reads of `len` bytes for `'a`.
unsafe fn slice<'a>(bytes: *const c_void, len: usize) -> &'a [u8] {
    // SAFETY: By the function's requirement.
    unsafe { core::slice::from_raw_parts(bytes.cast(), len) }
}

/// # Safety
///
/// As for [`called`], for the time of the call; `bytes` is valid for reads of `len` bytes.
unsafe extern "C" fn write<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    bytes: *const c_void,
    len: usize,
    everywhere: bool,
) -> c_int {
    // SAFETY: By the function's requirements.
    let (provider, kernel) = unsafe { called::<P>(ops) };
    // SAFETY: As above.
    let bytes = unsafe { slice(bytes, len) };

    // SAFETY: The kernel calls, for one of its users.
    answer(unsafe { provider.write(kernel, addr.addr(), bytes, everywhere) })
}

/// # Safety
///
/// As for [`called`], for the time of the call.
unsafe extern "C" fn set<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    byte: u8,
    len: usize,
) -> c_int {
    // SAFETY: By the function's requirements.
    let (provider, kernel) = unsafe { called::<P>(ops) };

    // SAFETY: The kernel calls, for one of its users.
    answer(unsafe { provider.set(kernel, addr.addr(), byte, len) })
}

/// # Safety
///
/// As for [`write`]; the caller holds `cpus_read_lock`, too.
unsafe extern "C" fn patch<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    bytes: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: By the function's requirements.
    let (provider, kernel) = unsafe { called::<P>(ops) };
    // SAFETY: By the function's requirements.
    let bytes = unsafe { slice(bytes, len) };
    // SAFETY: By the function's requirements, both locks are held.
    let lock = unsafe { TextLock::held_by_caller() };

    // SAFETY: The kernel calls, for one of its users.
    answer(unsafe { provider.patch(kernel, addr.addr(), bytes, &lock) })
}

/// # Safety
///
/// As for [`write`].
unsafe extern "C" fn queue<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    bytes: *const c_void,
    len: usize,
    first: bool,
) -> c_int {
    // SAFETY: By the function's requirements.
    let (provider, kernel) = unsafe { called::<P>(ops) };
    // SAFETY: By the function's requirements.
    let bytes = unsafe { slice(bytes, len) };

    // SAFETY: The kernel calls, for one of its users, and syncs before the text goes.
    answer(unsafe { provider.queue(kernel, addr.addr(), bytes, first) })
}

/// # Safety
///
/// As for [`called`], for the time of the call.
unsafe extern "C" fn sync<P: Provider>(ops: *mut riscv_patch_provider) -> c_int {
    // SAFETY: By the function's requirements.
    let (provider, kernel) = unsafe { called::<P>(ops) };

    match provider.sync(kernel) {
        Synced::Empty => -(kernel::bindings::ENODATA as c_int),
        Synced::Everywhere => 0,
        Synced::Flush => -(kernel::bindings::EOPNOTSUPP as c_int),
        Synced::Lost(error) => error.to_errno(),
    }
}

/// For how many ticks of the clock a trap waits before anything is looked up. The library's type,
/// whose loads are no calls; relaxed: nothing is read through it.
static DELAY: AtomicU64 = AtomicU64::new(0);

/// Has every breakpoint in the kernel wait for `ticks` of the clock before anybody looks up what it
/// is about, while there is a provider: for tests, and only in a kernel with KUnit.
///
/// It makes a window long that is short otherwise, between the trap and that look-up.
pub fn delay_breakpoints(ticks: u64) {
    DELAY.store(ticks, Ordering::Relaxed);
}

#[inline(always)]
fn wait_if_asked() {
    if !cfg!(CONFIG_KUNIT) {
        return;
    }
    let ticks = DELAY.load(Ordering::Relaxed);
    let start = Ticks::now().as_u64();

    while ticks > 0 && Ticks::now().as_u64().wrapping_sub(start) < ticks {}
}

/// # Safety
///
/// The caller is the handler of the breakpoint exception, with interrupts off since the trap. `regs`
/// points to the registers of the context that ran into it, which nobody else uses until this
/// returns.
#[link_section = ".kprobes.text"]
unsafe extern "C" fn breakpoint<P: Provider>(regs: *mut pt_regs) -> bool {
    wait_if_asked();
    // SAFETY: By the function's requirements.
    unsafe { P::breakpoint(&mut *regs) }
}
