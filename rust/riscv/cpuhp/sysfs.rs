// SPDX-License-Identifier: GPL-2.0

//! The name of the state in a slot, read from `/sys/devices/system/cpu/hotplug/states`.
//!
//! The state machine's table is not exported. A module that takes a state over from C code has no
//! other way to check that the C code still has it.

use kernel::{
    alloc::flags::GFP_KERNEL,
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

use super::{
    Section,
    Slot, //
};

use crate::{
    bindings,
    mm::pgtable::PAGE_SIZE, //
};

/// The name in a line such as `101: irqchip/sbi-ipi:starting`, if its number is `number`.
fn name_of(line: &[u8], number: c_int) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let colon = line.iter().position(|&byte| byte == b':')?;
    let digits = core::str::from_utf8(&line[..colon]).ok()?;

    (digits.parse() == Ok(number)).then(|| line[colon + 1..].trim_ascii())
}

/// Returns the name of the state in `slot`; `None` if the slot is empty.
///
/// # Errors
///
/// The errors of opening and reading the file, such as `-ENOENT` if sysfs is not mounted at `/sys`;
/// `-ENOMEM`.
///
/// # Context
///
/// Sleeps. The caller must not hold a [`CpusRead`](super::CpusRead): the locks of sysfs that are
/// taken here are held while CPUs are brought online through sysfs.
pub fn state_name<S: Section>(slot: Slot<S>) -> Result<Option<KVec<u8>>> {
    let path = c"/sys/devices/system/cpu/hotplug/states";
    // The maximum length of a sysfs file.
    let mut text = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;

    // SAFETY: A C string, and `text.len()` writable bytes.
    let got = unsafe {
        bindings::rust_riscv_read_file(path.as_char_ptr(), text.as_mut_ptr().cast(), text.len())
    };
    to_result(got.min(0) as c_int)?;

    let mut lines = text[..got as usize].split(|&byte| byte == b'\n');
    let Some(found) = lines.find_map(|line| name_of(line, slot.number())) else {
        return Ok(None);
    };
    let mut name = KVec::new();
    name.extend_from_slice(found, GFP_KERNEL)?;
    Ok(Some(name))
}
