// SPDX-License-Identifier: GPL-2.0

//! Unsynchronised writes for the kernel's own users, which ensure that no CPU executes the text
//! during the write.

use core::ops::Range;

use kernel::prelude::*;

use riscv::{
    mm::{
        flush,
        pgtable::PAGE_SIZE, //
    },
    text::{
        commit::twice,
        window::OpenHere, //
    }, //
};

use crate::engine;

/// Writes `bytes` at `addr`, visible to all CPUs if `everywhere`, else to this CPU only.
///
/// # Errors
///
/// `-EFAULT` if there is no memory at one of the addresses. Some bytes may have been written then.
///
/// # Safety
///
/// The caller may write `bytes.len()` bytes at `addr`, which are text or will become text.
pub(crate) unsafe fn write(addr: usize, bytes: &[u8], everywhere: bool) -> Result {
    // SAFETY: The caller guarantees that all of the bytes may be written.
    let write = || unsafe {
        on_pages(addr, bytes.len(), |open, at, part| {
            open.write(at, &bytes[part])
        })
    };

    if everywhere {
        for_all(write)
    } else {
        write()
    }
}

/// Fills `len` bytes at `addr` with `byte`, visible to all CPUs.
///
/// # Errors
///
/// Those of [`write`].
///
/// # Safety
///
/// Those of [`write`].
pub(crate) unsafe fn fill(addr: usize, byte: u8, len: usize) -> Result {
    // SAFETY: The caller guarantees that all of the bytes may be written.
    let fill = || unsafe { on_pages(addr, len, |open, at, part| open.fill(at, byte, part.len())) };

    for_all(fill)
}

/// Calls `write`, and flushes the instruction caches of all CPUs.
fn for_all(write: impl FnMut() -> Result) -> Result {
    twice(engine::write_twice(), write)?;
    flush::instructions_everywhere();
    Ok(())
}

/// Opens the pages of a range one after the other, and calls `f` for each, with the offset in the
/// page and the part of the range that is in the page.
///
/// # Safety
///
/// Those of [`write`].
unsafe fn on_pages(
    addr: usize,
    len: usize,
    mut f: impl FnMut(&mut OpenHere<'_>, usize, Range<usize>) -> Result,
) -> Result {
    engine::with_window(|window| {
        let mut done = 0;

        while done < len {
            let offset = (addr + done) % PAGE_SIZE;
            let part = done..len.min(done + PAGE_SIZE - offset);

            done = part.end;
            // SAFETY: The caller guarantees that the range may be written. `open` is dropped at the
            // end of this iteration.
            let mut open = unsafe { window.open_here(addr + part.start - offset) }?;
            f(&mut open, offset, part)?;
        }
        Ok(())
    })
}
