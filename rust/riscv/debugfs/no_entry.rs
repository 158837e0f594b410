// SPDX-License-Identifier: GPL-2.0

//! No-op stand-ins for directories and files, for a kernel without debugfs.

use kernel::str::CStr;

/// A directory that does not exist.
pub(super) struct Entry;

impl Entry {
    pub(super) fn none() -> Entry {
        Entry
    }

    pub(super) fn dir(_name: &CStr) -> Entry {
        Entry
    }
}

pub(super) fn read_only<T, F>(_dir: &Entry, _name: &CStr, _data: &T) {}

pub(super) fn read_write<T, F, W>(_dir: &Entry, _name: &CStr, _data: &T) {}

pub(super) fn write_only<T, W>(_dir: &Entry, _name: &CStr, _data: &T) {}
