// SPDX-License-Identifier: GPL-2.0

//! A replacement for the engine that writes at once, to text whose accesses loom checks.

use std::{
    cell::Cell,
    ptr, //
};

use kernel::{
    error::{
        Error,
        Result, //
    },
    ffi::{
        c_int,
        c_void, //
    },
};
use loom::cell::UnsafeCell;

use crate::{
    sources::text::{
        commit::Failure,
        edit::{
            Edit,
            Machine, //
        },
        lock::TextLock,
        plan::Strategy, //
    }, //
};

/// The text of an execution: two instructions.
pub struct Text {
    words: std::cell::UnsafeCell<[u32; 2]>,
    uses: UnsafeCell<()>,
}

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static TEXT: Cell<Option<&'static Text>> = const { Cell::new(None) };
}

impl Text {
    /// Begins an execution with new text.
    pub fn begin(words: [u32; 2]) -> &'static Text {
        let text = Box::leak(Box::new(Text {
            words: std::cell::UnsafeCell::new(words),
            uses: UnsafeCell::new(()),
        }));

        TEXT.set(Some(text));
        text
    }

    pub fn address(&self, word: usize) -> usize {
        self.words.get().expose_provenance() + 4 * word
    }

    pub fn words(&self) -> [u32; 2] {
        self.uses.with(|_| ());
        // SAFETY: `uses.with()` has made loom check that no write is concurrent.
        unsafe { *self.words.get() }
    }
}

fn text() -> &'static Text {
    TEXT.get().unwrap()
}

/// Returns `len` bytes at `addr`, like `riscv::text::read`.
pub unsafe fn read(addr: usize, len: usize) -> u64 {
    let mut bytes = [0; 8];

    text().uses.with(|_| ());
    // SAFETY: The models pass addresses in their text. Loom checks that no write is concurrent.
    unsafe {
        ptr::copy_nonoverlapping(ptr::with_exposed_provenance(addr), bytes.as_mut_ptr(), len);
    }
    u64::from_le_bytes(bytes)
}

fn write(addr: usize, bytes: &[u8]) {
    text().uses.with_mut(|_| ());
    // SAFETY: The models pass addresses in their text. Loom checks that no access is concurrent.
    unsafe {
        ptr::copy_nonoverlapping(
            bytes.as_ptr(),
            ptr::with_exposed_provenance_mut(addr),
            bytes.len(),
        );
    }
}

/// The C function that writes text when no provider is registered.
#[no_mangle]
extern "C-unwind" fn patch_fixmap_write(
    addr: *mut c_void,
    bytes: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C's callers pass `len` bytes.
    write(addr.expose_provenance(), unsafe {
        std::slice::from_raw_parts(bytes.cast(), len)
    });
    0
}

pub struct Report {
    pub strategy: Strategy,
}

pub unsafe fn commit_for_kernel(
    edits: &[Edit],
    _lock: Option<&TextLock>,
    _local_before: bool,
) -> Result<Report, Failure> {
    for edit in edits {
        // SAFETY: The caller guarantees that the edits are in the text of the model.
        assert_eq!(unsafe { read(edit.addr(), edit.len()) }, edit.old());
        write(edit.addr(), &edit.new_bytes().to_le_bytes()[..edit.len()]);
    }
    Ok(Report {
        strategy: Strategy::Live,
    })
}

pub fn machine() -> Machine {
    Machine {
        atomic_fetch: true,
        reruns_accesses: true,
    }
}

/// `crate::poke`.
pub mod poke {
    use super::*;

    pub unsafe fn write(addr: usize, bytes: &[u8], _everywhere: bool) -> Result<(), Error> {
        super::write(addr, bytes);
        Ok(())
    }

    pub unsafe fn fill(addr: usize, byte: u8, len: usize) -> Result<(), Error> {
        super::write(addr, &vec![byte; len]);
        Ok(())
    }
}
