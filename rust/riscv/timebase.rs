// SPDX-License-Identifier: GPL-2.0

//! The `time` CSR, which is synchronised between all harts of a RISC-V machine.

use crate::bindings;

/// A reading of the `time` CSR, in ticks of the platform's timebase.
///
/// # Examples
///
/// ```
/// use riscv::timebase::Ticks;
///
/// let start = Ticks::now();
/// let nanoseconds = Ticks::now().since(start);
/// assert!(nanoseconds < 1_000_000_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(u64);

impl Ticks {
    /// Returns the time now. Any context.
    #[inline(always)]
    pub fn now() -> Ticks {
        let ticks;

        // SAFETY: Reads a CSR that every hart running Linux may read.
        unsafe { core::arch::asm!("rdtime {}", out(reg) ticks, options(nomem, nostack)) };
        Ticks(ticks)
    }

    /// The ticks as a number.
    #[inline(always)]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The reading whose number of ticks is `ticks`.
    #[inline(always)]
    pub const fn from_u64(ticks: u64) -> Ticks {
        Ticks(ticks)
    }

    /// The number of ticks in `us` microseconds.
    pub fn in_us(us: u32) -> u64 {
        // SAFETY: `riscv_timebase` is written once, by `time_init()`, before any initcall.
        u64::from(us) * unsafe { bindings::riscv_timebase } as u64 / USEC_PER_SEC
    }

    /// The nanoseconds from `earlier` to this reading; 0 if `earlier` is later.
    pub fn since(self, earlier: Ticks) -> u64 {
        // SAFETY: `riscv_timebase` is written once, by `time_init()`, before any initcall.
        let frequency = unsafe { bindings::riscv_timebase } as u64;
        let ticks = self.0.saturating_sub(earlier.0);

        // Seconds and the rest separately, so that long times do not overflow.
        let seconds = ticks / frequency;
        seconds * NSEC_PER_SEC + ticks % frequency * NSEC_PER_SEC / frequency
    }
}

const NSEC_PER_SEC: u64 = 1_000_000_000;
const USEC_PER_SEC: u64 = 1_000_000;
