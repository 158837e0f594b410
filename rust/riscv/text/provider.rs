// SPDX-License-Identifier: GPL-2.0

//! Providers: writers of kernel text that the kernel calls instead of its own C code.
//!
//! Available only in a kernel with our hooks. While a [`Registration`] exists, ftrace, kprobes,
//! jump labels, BPF and alternatives write through its [`Provider`].
//!
//! C header: `arch/riscv/include/asm/text-patching.h`, with the hook series applied.

use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};

use kernel::{
    bindings::pt_regs,
    error::to_result,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*, //
};

use crate::{
    adversary::{
        self,
        Point, //
    },
    bindings::{
        self,
        riscv_patch_provider,
        riscv_patch_text, //
    },
    text::lock::TextLock, //
};

/// The provider has declined a write, and has changed nothing. The kernel falls back to C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declined;

/// The result of [`Provider::sync`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// The queue was empty.
    Empty,
    /// All queued edits, and everything written before, are visible to all CPUs.
    Everywhere,
    /// All queued edits were written, by the C fallback. The caller has to flush.
    Flush,
    /// Some queued edits could not be written, not even by the C fallback.
    Lost(Error),
}

/// Which CPUs flush their instruction caches after a write, and so see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// None, since it is data, which is not fetched, or text that no CPU executes before all have
    /// flushed for another reason.
    NoCpu,
    /// The CPU that writes. The others see it after the next [`Provider::sync`].
    ThisCpu,
    /// All.
    AllCpus,
}

impl Flush {
    fn from_c(flush: c_uint) -> Flush {
        match flush {
            bindings::riscv_patch_flush_RISCV_PATCH_FLUSH_NONE => Flush::NoCpu,
            bindings::riscv_patch_flush_RISCV_PATCH_FLUSH_THIS => Flush::ThisCpu,
            _ => Flush::AllCpus,
        }
    }
}

/// The kernel's own C function for writing text, for writes that the provider cannot do itself.
#[derive(Clone, Copy)]
pub struct Kernel<'a>(&'a riscv_patch_provider);

impl Kernel<'_> {
    /// Writes `bytes` at `addr`, visible to this CPU only.
    ///
    /// # Errors
    ///
    /// `-EFAULT` if there is no memory at `addr`; `-ENODEV` if the kernel has set no fallback.
    ///
    /// # Safety
    ///
    /// The user in the kernel for which the provider was called requested `bytes` at `addr`, and
    /// owns that memory.
    pub unsafe fn write(&self, addr: usize, bytes: &[u8]) -> Result {
        let fallback = self.0.fallback.ok_or(ENODEV)?;
        let addr = core::ptr::with_exposed_provenance_mut(addr);

        // SAFETY: The kernel set `fallback` when it registered the provider. It must be called with
        // `text_mutex` held, as it is: a `Kernel` exists only during a call of a provider. The
        // caller guarantees that `bytes` may be written at `addr`.
        to_result(unsafe { fallback(addr, bytes.as_ptr().cast(), bytes.len()) })
    }
}

/// A text to be written by the next [`Provider::sync`].
#[repr(transparent)]
pub struct Text(riscv_patch_text);

impl Text {
    /// The address.
    #[inline(always)]
    pub fn addr(&self) -> usize {
        self.0.addr.addr()
    }

    /// The number of bytes.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty, reason = "no text is empty")]
    pub fn len(&self) -> usize {
        usize::from(self.0.len)
    }

    /// The new bytes, little-endian, in the low bytes.
    #[inline(always)]
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Whether all CPUs must see it before any text that is not first is written.
    #[inline(always)]
    pub fn is_first(&self) -> bool {
        self.0.first
    }

    /// Whether it is a literal that instructions load, rather than instructions.
    #[inline(always)]
    pub fn is_literal(&self) -> bool {
        self.0.literal
    }
}

/// A writer of kernel text that the kernel calls.
///
/// All methods except [`Provider::breakpoint`] are called under `text_mutex`, one at a time, and
/// may sleep. Addresses and bytes come from the kernel's own users, who are responsible for the
/// resulting code.
///
/// All methods that write, except [`Provider::queue`], first write what is queued.
///
/// Methods with an address are `unsafe`, since they write there. The kernel calls them.
///
/// # Safety
///
/// - A method that does not decline has written exactly the bytes that it was given, and they are
///   visible as its documentation says; for the texts that [`Provider::queue`]
///   has counted, after the next [`Provider::sync`].
///   The kernel's users execute the new code, and free the code that it replaced. A method that
///   declines has changed nothing.
/// - [`Provider::breakpoint`] does not take locks, sleep, or call functions that may be traced or
///   probed. If it returns `true`, the task may continue with `regs`.
pub unsafe trait Provider: Send + Sized + 'static {
    /// Writes `bytes` at `addr`, visible to the CPUs that `flush` names.
    ///
    /// # Safety
    ///
    /// A user in the kernel requested `bytes` at `addr`, and owns that memory.
    unsafe fn write(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        flush: Flush,
    ) -> Result<(), Declined>;

    /// Fills `len` bytes at `addr` with `byte`, visible to all CPUs.
    ///
    /// # Safety
    ///
    /// Those of [`Provider::write`].
    unsafe fn set(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        byte: u8,
        len: usize,
    ) -> Result<(), Declined>;

    /// Writes `bytes` at `addr`, visible to all CPUs. No CPU executes a mixture of old and new
    /// bytes.
    ///
    /// # Safety
    ///
    /// Those of [`Provider::write`].
    unsafe fn patch(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        lock: &TextLock,
    ) -> Result<(), Declined>;

    /// Queues `texts`, to be written by the next [`Provider::sync`]. Returns how many of them are
    /// queued, beginning with the first one; the kernel writes the next one itself.
    ///
    /// Texts that are [first](Text::is_first) are visible to all CPUs before any other queued text
    /// is written.
    ///
    /// # Safety
    ///
    /// Those of [`Provider::write`] for each text, until the next [`Provider::sync`].
    unsafe fn queue(&mut self, kernel: Kernel<'_>, texts: &[Text]) -> usize;

    /// Does all queued writes.
    fn sync(&mut self, kernel: Kernel<'_>) -> Synced;

    /// Handles the breakpoint that was hit with `regs`, if it is one of the provider's. Returns
    /// whether it is.
    ///
    /// Called in any context, like an NMI handler. It must not take locks or call functions that
    /// may be traced, and must be in `.kprobes.text`, as must everything that it calls.
    ///
    /// # Safety
    ///
    /// The caller is the handler of the breakpoint exception, with interrupts off since the trap.
    unsafe fn breakpoint(regs: &mut pt_regs) -> bool;
}

#[repr(C)]
struct Inner<P> {
    ops: UnsafeCell<riscv_patch_provider>,
    provider: UnsafeCell<P>,
}

/// A registered provider. Dropping it unregisters the provider.
///
/// # Invariants
///
/// The pointer is from [`KBox::into_raw`], nobody else frees it, and its `ops` are registered.
pub struct Registration<P: Provider>(NonNull<Inner<P>>);

// SAFETY: The only operation is to drop it, which any task may do. `P` is dropped with it, and is
// `Send`.
unsafe impl<P: Provider> Send for Registration<P> {}

// SAFETY: There are no operations on a shared reference.
unsafe impl<P: Provider> Sync for Registration<P> {}

impl<P: Provider> Registration<P> {
    /// Registers `provider` with the kernel.
    ///
    /// # Errors
    ///
    /// `-EBUSY` if a provider is registered already, `-ENOMEM` if there is no memory.
    ///
    /// # Safety
    ///
    /// The result is dropped before the module with the code of `P` is unloaded. If it were leaked,
    /// as by `mem::forget()`, the kernel would call code that was freed.
    ///
    /// # Context
    ///
    /// Sleeps. The caller holds neither `text_mutex` nor `cpus_read_lock`.
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

        // SAFETY: `riscv_patch_provider_register()` requires that `ops` is initialised, and valid
        // together with its functions until it is unregistered: `inner` is a box, and the caller
        // guarantees that the registration is dropped before the module is unloaded. The kernel
        // publishes `ops` under `text_mutex`. litmus: provider+publish
        to_result(unsafe { bindings::riscv_patch_provider_register(inner.ops.get()) })?;

        // INVARIANT: The `ops` were just registered. (`into_raw` never returns null.)
        Ok(Registration(
            NonNull::new(KBox::into_raw(inner)).ok_or(ENOMEM)?,
        ))
    }
}

impl<P: Provider> Drop for Registration<P> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the `ops` are registered, and nobody else frees the box.
        // When `riscv_patch_provider_unregister()` has returned, the kernel does not use it any
        // more.
        unsafe {
            bindings::riscv_patch_provider_unregister((*self.0.as_ptr()).ops.get());
            drop(KBox::from_raw(self.0.as_ptr()));
        }
    }
}

/// Returns the provider that a callback is for, and the kernel's fallback.
///
/// # Safety
///
/// `ops` is the pointer that [`Registration::new`] of the same `P` registered, and `text_mutex` is
/// held throughout `'a`.
unsafe fn called<'a, P: Provider>(ops: *mut riscv_patch_provider) -> (&'a mut P, Kernel<'a>) {
    let inner = ops.cast::<Inner<P>>();

    // SAFETY: `ops` is the first field of an `Inner<P>`, which outlives the registration. Since
    // `text_mutex` is held, this is the only reference to the provider. The kernel writes to `ops`
    // only during registration.
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
    // SAFETY: The caller guarantees that `bytes` is valid for reads of `len` bytes for `'a`.
    unsafe { core::slice::from_raw_parts(bytes.cast(), len) }
}

/// The C callback for [`Provider::write`].
///
/// # Safety
///
/// Those of [`called`], for the duration of the call; `bytes` is valid for reads of `len` bytes.
unsafe extern "C" fn write<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    bytes: *const c_void,
    len: usize,
    flush: c_uint,
) -> c_int {
    // SAFETY: The kernel passes the `ops` that `Registration::new` of the same `P` registered, and
    // holds `text_mutex` until this returns.
    let (provider, kernel) = unsafe { called::<P>(ops) };
    // SAFETY: The kernel passes `len` readable bytes.
    let bytes = unsafe { slice(bytes, len) };

    // SAFETY: The kernel calls this on behalf of one of its users, which owns the memory.
    answer(unsafe { provider.write(kernel, addr.addr(), bytes, Flush::from_c(flush)) })
}

/// The C callback for [`Provider::set`].
///
/// # Safety
///
/// Those of [`called`], for the duration of the call.
unsafe extern "C" fn set<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    byte: u8,
    len: usize,
) -> c_int {
    // SAFETY: As in `write`.
    let (provider, kernel) = unsafe { called::<P>(ops) };

    // SAFETY: As in `write`.
    answer(unsafe { provider.set(kernel, addr.addr(), byte, len) })
}

/// The C callback for [`Provider::patch`].
///
/// # Safety
///
/// Those of [`write`]; the caller also holds `cpus_read_lock`.
unsafe extern "C" fn patch<P: Provider>(
    ops: *mut riscv_patch_provider,
    addr: *mut c_void,
    bytes: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: As in `write`.
    let (provider, kernel) = unsafe { called::<P>(ops) };
    // SAFETY: As in `write`.
    let bytes = unsafe { slice(bytes, len) };
    // SAFETY: The callers of `patch_text()` hold `text_mutex` and `cpus_read_lock` during the call.
    let lock = unsafe { TextLock::held_by_caller() };

    // SAFETY: As in `write`.
    answer(unsafe { provider.patch(kernel, addr.addr(), bytes, &lock) })
}

/// The C callback for [`Provider::queue`].
///
/// # Safety
///
/// Those of [`called`], for the duration of the call; `texts` is valid for reads of `count` texts.
unsafe extern "C" fn queue<P: Provider>(
    ops: *mut riscv_patch_provider,
    texts: *const riscv_patch_text,
    count: usize,
) -> usize {
    // SAFETY: As in `write`.
    let (provider, kernel) = unsafe { called::<P>(ops) };
    // SAFETY: The kernel passes `count` texts, which it does not change meanwhile. A `Text` is one.
    let texts = unsafe { core::slice::from_raw_parts(texts.cast::<Text>(), count) };

    // SAFETY: As in `write`; the user keeps the memory until the kernel has called `sync`.
    unsafe { provider.queue(kernel, texts) }
}

/// The C callback for [`Provider::sync`].
///
/// # Safety
///
/// Those of [`called`], for the duration of the call.
unsafe extern "C" fn sync<P: Provider>(ops: *mut riscv_patch_provider) -> c_int {
    // SAFETY: As in `write`.
    let (provider, kernel) = unsafe { called::<P>(ops) };

    match provider.sync(kernel) {
        Synced::Empty => -(kernel::bindings::ENODATA as c_int),
        Synced::Everywhere => 0,
        Synced::Flush => -(kernel::bindings::EOPNOTSUPP as c_int),
        Synced::Lost(error) => error.to_errno(),
    }
}

/// The C callback for [`Provider::breakpoint`].
///
/// # Safety
///
/// The caller is the handler of the breakpoint exception, with interrupts off since the trap.
/// `regs` points to the registers of the context that hit it, which nobody else uses during the
/// call.
#[link_section = ".kprobes.text"]
unsafe extern "C" fn breakpoint<P: Provider>(regs: *mut pt_regs) -> bool {
    adversary::at(Point::Trapped);
    // SAFETY: The caller is the handler of the breakpoint exception. It passes valid registers,
    // which nobody else uses during the call.
    unsafe { P::breakpoint(&mut *regs) }
}
