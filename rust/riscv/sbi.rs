// SPDX-License-Identifier: GPL-2.0

//! Calls of the SBI implementation, the firmware below: IPIs, remote fences, the state of a hart.
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
    cpuhp::Here,
    errno, //
};

mod error;
mod harts;

pub use error::SbiError;
pub use harts::{
    HartId,
    Harts, //
};

impl From<SbiError> for Error {
    /// As `sbi_err_map_linux_errno()` does it, but for what that has no number for: there it is
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

/// Calls `function` of `extension`, and returns what it left in `a1`.
///
/// # Safety
///
/// The call does nothing to this system that breaks it.
unsafe fn call(extension: Extension, function: c_int, args: [usize; 4]) -> Result<usize, SbiError> {
    let [a, b, c, d] = args.map(|arg| arg as c_ulong);

    // SAFETY: By the function's requirement.
    let ret = unsafe { bindings::__sbi_ecall(a, b, c, d, 0, 0, function, extension as c_int) };
    SbiError::check(ret.error)?;
    Ok(ret.value as usize)
}

/// Whether the firmware has an extension. Any context.
pub fn has(extension: Extension) -> bool {
    // SAFETY: Only asks.
    unsafe { bindings::sbi_probe_extension(extension as c_int) > 0 }
}

/// Whether this kernel's IPIs are sent by SBI, not by an interrupt controller such as the IMSIC.
pub fn delivers_ipis() -> bool {
    // SAFETY: No requirements.
    unsafe { bindings::rr_sbi_delivers_ipis() }
}

impl HartId {
    /// The hart of a CPU; `None` if that has none.
    pub fn of(cpu: CpuId) -> Option<HartId> {
        // SAFETY: A CPU number is less than the length of the array, which is written only at boot.
        let hart = unsafe { bindings::rr_hart_of(cpu.as_u32()) } as usize;

        (hart != usize::MAX).then_some(HartId(hart))
    }
}

/// Sends each of `harts` an IPI: sets its `sip.SSIP`. Any context.
///
/// A hart that gets one for no reason looks for what it was told, finds nothing, and goes on.
///
/// # Errors
///
/// `-EINVAL` if one of the harts does not exist, though some firmware (OpenSBI 1.6) leaves that one
/// out instead; `-EOPNOTSUPP` without the extension.
pub fn send_ipi(harts: Harts) -> Result {
    let [mask, base] = harts.arguments();

    // SAFETY: As above.
    unsafe { call(Extension::Ipi, 0, [mask, base, 0, 0]) }?;
    Ok(())
}

/// Makes each of `harts` run `fence.i`, and waits for it. Any context.
///
/// # Errors
///
/// Those of [`send_ipi`].
pub fn remote_fence_i(harts: Harts) -> Result {
    let [mask, base] = harts.arguments();

    // SAFETY: `fence.i` only orders.
    unsafe { call(Extension::Rfence, 0, [mask, base, 0, 0]) }?;
    Ok(())
}

/// Makes each of `harts` forget its translations of `len` bytes from `start` on, of all address
/// spaces, and waits for it. Any context.
///
/// # Errors
///
/// Those of [`send_ipi`]; `-EFAULT` if the range is not one.
pub fn remote_sfence_vma(harts: Harts, start: usize, len: usize) -> Result {
    let [mask, base] = harts.arguments();

    // SAFETY: `sfence.vma` only orders and forgets what can be looked up again.
    unsafe { call(Extension::Rfence, 1, [mask, base, start, len]) }?;
    Ok(())
}

/// The state of a hart, as hart state management tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HartState {
    /// It runs.
    Started,
    /// It is off.
    Stopped,
    /// It was told to start.
    StartPending,
    /// It is about to stop.
    StopPending,
    /// It is suspended.
    Suspended,
    /// It is about to be suspended.
    SuspendPending,
    /// It is about to resume.
    ResumePending,
}

/// The state that a hart was in just now. Any context.
///
/// # Errors
///
/// `-EINVAL` if it does not exist, `-EOPNOTSUPP` without the extension, `-EIO` for a state that the
/// specification did not have when this was written.
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
    // SAFETY: Only asks.
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

/// Whether an IPI waits for this CPU, heard or not: its `sip.SSIP`.
#[inline]
pub fn ipi_is_pending(_here: &impl Here) -> bool {
    const SSIP: usize = 1 << 1;
    let sip: usize;

    // SAFETY: Reads a CSR of supervisor mode.
    unsafe { asm!("csrr {}, sip", out(reg) sip, options(nomem, nostack)) };
    sip & SSIP != 0
}
