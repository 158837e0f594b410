// SPDX-License-Identifier: GPL-2.0
// needs: kernel with rust_riscv_text_hooks
// expect: E0200: the trait `Provider` requires an `unsafe impl` declaration

//! Implements `Provider` without the promise that text is written as requested.

use kernel::bindings::pt_regs;
use riscv::text::{
    lock::TextLock,
    provider::{
        Declined,
        Flush,
        Kernel,
        Provider,
        Synced,
        Text, //
    }, //
};

pub struct Nothing;

/// The same functions with and without the promise.
macro_rules! declines_everything {
    ($($promise:tt)?) => {
        $($promise)? impl Provider for Nothing {
            unsafe fn write(
                &mut self,
                _: Kernel<'_>,
                _: usize,
                _: &[u8],
                _: Flush,
            ) -> Result<(), Declined> {
                Err(Declined)
            }

            unsafe fn set(
                &mut self,
                _: Kernel<'_>,
                _: usize,
                _: u8,
                _: usize,
            ) -> Result<(), Declined> {
                Err(Declined)
            }

            unsafe fn patch(
                &mut self,
                _: Kernel<'_>,
                _: usize,
                _: &[u8],
                _: &TextLock,
            ) -> Result<(), Declined> {
                Err(Declined)
            }

            unsafe fn queue(&mut self, _: Kernel<'_>, _: &[Text]) -> usize {
                0
            }

            fn sync(&mut self, _: Kernel<'_>) -> Synced {
                Synced::Empty
            }

            unsafe fn breakpoint(_: &mut pt_regs) -> bool {
                false
            }
        }
    };
}

#[cfg(misuse)]
declines_everything!();

// SAFETY: It declines everything.
#[cfg(not(misuse))]
declines_everything!(unsafe);
