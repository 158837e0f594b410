// SPDX-License-Identifier: GPL-2.0

//! Symbol names for kernel addresses in the log, which must not reveal the addresses themselves.

use kernel::fmt;

use crate::bindings;

/// An address that is shown as `symbol+offset/size`, or as a hash if there is no symbol.
pub struct Symbol(pub usize);

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = [0u8; bindings::RUST_RISCV_SYMBOL_LEN];

        // SAFETY: `rust_riscv_symbol()` writes at most `RUST_RISCV_SYMBOL_LEN` bytes, which is the
        // length of the buffer. It accepts any address.
        let len = unsafe { bindings::rust_riscv_symbol(name.as_mut_ptr().cast(), self.0) };
        let name = name.get(..len).ok_or(fmt::Error)?;

        f.write_str(core::str::from_utf8(name).map_err(|_| fmt::Error)?)
    }
}
