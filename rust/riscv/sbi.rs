// SPDX-License-Identifier: GPL-2.0

//! SBI calls to the firmware: IPIs, remote fences, and the state of a hart.
//!
//! C header: [`arch/riscv/include/asm/sbi.h`](srctree/arch/riscv/include/asm/sbi.h)

use core::arch::asm;

use kernel::{
    bindings::{
        EALREADY,
        EIO,
        EOPNOTSUPP,
        ETIMEDOUT, //
    },
    cpu::CpuId,
    ffi::{
        c_int,
        c_ulong, //
    },
    prelude::*, //
};

use crate::{
    bindings,
    compat::errno,
    cpuhp::Here, //
};

mod error;
mod hart_mask;

pub use error::SbiError;
pub use hart_mask::{
    HartId,
    Harts, //
};

impl From<SbiError> for Error {
    /// Maps errors as `sbi_err_map_linux_errno()` does, except for those that it maps to
    /// `-ENOTSUPP`, which user space does not know.
    fn from(error: SbiError) -> Error {
        match error {
            SbiError::Denied | SbiError::DeniedLocked => EPERM,
            SbiError::InvalidParam | SbiError::InvalidState => EINVAL,
            SbiError::InvalidAddress => EFAULT,
            SbiError::BadRange => ERANGE,
            SbiError::NoSharedMemory => ENOMEM,
            SbiError::Timeout => errno(ETIMEDOUT),
            SbiError::AlreadyAvailable | SbiError::AlreadyStarted | SbiError::AlreadyStopped => {
                errno(EALREADY)
            }
            SbiError::NotSupported => errno(EOPNOTSUPP),
            SbiError::Failed | SbiError::Io | SbiError::Unknown => errno(EIO),
        }
    }
}

/// An extension of the SBI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Extension {
    /// Inter-processor interrupts, "sPI".
    Ipi = 0x0073_5049,
    /// Remote fences, "RFNC".
    Rfence = 0x5246_4E43,
    /// Hart state management, "HSM".
    Hsm = 0x0048_534D,
}

/// Calls `function` of `extension`, and returns the value that it left in `a1`.
///
/// # Safety
///
/// The call has no effect that violates memory safety of the running kernel.
unsafe fn call(extension: Extension, function: c_int, args: [usize; 4]) -> Result<usize, SbiError> {
    let [a, b, c, d] = args.map(|arg| arg as c_ulong);

    // SAFETY: `__sbi_ecall()` may be called in any context; the caller guarantees that the effect
    // of this call does not violate memory safety.
    let ret = unsafe { bindings::__sbi_ecall(a, b, c, d, 0, 0, function, extension as c_int) };
    SbiError::check(ret.error)?;
    Ok(ret.value as usize)
}

/// Returns whether the firmware implements an extension. Any context.
///
/// # Examples
///
/// ```
/// use riscv::sbi::{has, hart_state, Extension, HartId};
///
/// let here = HartId::of(kernel::cpu::CpuId::current()).ok_or(ENODEV)?;
/// assert_eq!(hart_state(here).is_ok(), has(Extension::Hsm));
/// # Ok::<(), Error>(())
/// ```
pub fn has(extension: Extension) -> bool {
    // SAFETY: `sbi_probe_extension()` only queries the firmware, in any context.
    unsafe { bindings::sbi_probe_extension(extension as c_int) > 0 }
}

/// Returns whether this kernel's IPIs are sent by SBI, not by an interrupt controller such as the
/// IMSIC.
pub fn delivers_ipis() -> bool {
    // SAFETY: `riscv_use_sbi_for_rfence()` only tests a static key, in any context.
    unsafe { bindings::rust_riscv_sbi_delivers_ipis() }
}

impl HartId {
    /// Returns the hart of a CPU; `None` if the CPU has no hart.
    pub fn of(cpu: CpuId) -> Option<HartId> {
        // SAFETY: A CPU number is less than the length of the array, which is written only at boot.
        let hart = unsafe { bindings::rust_riscv_hart_of(cpu.as_u32()) } as usize;

        (hart != usize::MAX).then_some(HartId(hart))
    }
}

/// Sends an IPI to each of `harts`, which sets its `sip.SSIP`. Any context.
///
/// An IPI without a message is harmless: the hart finds no message, and continues.
///
/// # Errors
///
/// `-EINVAL` if one of the harts does not exist, though some firmware (OpenSBI 1.6) ignores that
/// hart instead; `-EOPNOTSUPP` without the extension.
pub fn send_ipi(harts: Harts) -> Result {
    let [mask, base] = harts.arguments();

    // SAFETY: An IPI without a message does not affect memory: its handler finds no message.
    unsafe { call(Extension::Ipi, 0, [mask, base, 0, 0]) }?;
    Ok(())
}

/// Makes each of `harts` execute `fence.i`, and waits until all have done so. Any context.
///
/// # Errors
///
/// Those of [`send_ipi`].
pub fn remote_fence_i(harts: Harts) -> Result {
    let [mask, base] = harts.arguments();

    // SAFETY: The call only makes harts execute `fence.i`, which orders and has no other effect.
    unsafe { call(Extension::Rfence, 0, [mask, base, 0, 0]) }?;
    Ok(())
}

/// Makes each of `harts` flush its translations of `len` bytes from `start` on, in all address
/// spaces, and waits until all have done so. Any context.
///
/// # Errors
///
/// Those of [`send_ipi`]; `-EFAULT` if the range is invalid.
pub fn remote_sfence_vma(harts: Harts, start: usize, len: usize) -> Result {
    let [mask, base] = harts.arguments();

    // SAFETY: The call only makes harts execute `sfence.vma`, which orders and drops cached
    // translations.
    unsafe { call(Extension::Rfence, 1, [mask, base, start, len]) }?;
    Ok(())
}

/// The state of a hart, as reported by the HSM extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HartState {
    /// The hart is running.
    Started,
    /// The hart is off.
    Stopped,
    /// The hart was requested to start.
    StartPending,
    /// The hart is about to stop.
    StopPending,
    /// The hart is suspended.
    Suspended,
    /// The hart is about to be suspended.
    SuspendPending,
    /// The hart is about to resume.
    ResumePending,
}

/// Returns the current state of a hart, which may change at any time. Any context.
///
/// # Errors
///
/// `-EINVAL` if the hart does not exist, `-EOPNOTSUPP` without the extension, `-EIO` for a state
/// that is not in [`HartState`].
///
/// # Examples
///
/// ```
/// use kernel::cpu::CpuId;
/// use riscv::sbi::{hart_state, HartId, HartState};
///
/// let here = HartId::of(CpuId::current()).ok_or(ENODEV)?;
/// assert_eq!(hart_state(here)?, HartState::Started);
/// # Ok::<(), Error>(())
/// ```
pub fn hart_state(hart: HartId) -> Result<HartState> {
    // SAFETY: `sbi_hart_get_status` only queries the state.
    match unsafe { call(Extension::Hsm, 2, [hart.0, 0, 0, 0]) }? {
        0 => Ok(HartState::Started),
        1 => Ok(HartState::Stopped),
        2 => Ok(HartState::StartPending),
        3 => Ok(HartState::StopPending),
        4 => Ok(HartState::Suspended),
        5 => Ok(HartState::SuspendPending),
        6 => Ok(HartState::ResumePending),
        _ => Err(errno(EIO)),
    }
}

/// Returns whether an IPI is pending on this CPU, enabled or not: `sip.SSIP`.
#[inline]
pub fn ipi_is_pending(_here: &impl Here) -> bool {
    const SSIP: usize = 1 << 1;
    let sip: usize;

    // SAFETY: Only reads `sip`, a CSR of supervisor mode, in which the kernel runs.
    unsafe { asm!("csrr {}, sip", out(reg) sip, options(nomem, nostack)) };
    sip & SSIP != 0
}
