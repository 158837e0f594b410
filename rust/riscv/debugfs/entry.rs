// SPDX-License-Identifier: GPL-2.0

//! Directories and files in debugfs, and the operations of the files.

use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    fmt,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    str::CStr,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

extern "C" {
    /// The module that this is linked into. Only generic code may name it: that is compiled, and
    /// linked, with its user. Only its address is used.
    static __this_module: c_void;
}

/// A directory; removed with all that is in it when dropped.
///
/// # Invariants
///
/// `NULL`, an error pointer, or a directory that is ours.
pub(super) struct Entry(*mut bindings::dentry);

// SAFETY: Any task may use and remove a directory.
unsafe impl Send for Entry {}

// SAFETY: debugfs does its own locking.
unsafe impl Sync for Entry {}

impl Entry {
    pub(super) fn none() -> Entry {
        Entry(ptr::null_mut())
    }

    /// Makes a directory at the root of debugfs.
    pub(super) fn dir(name: &CStr) -> Entry {
        // SAFETY: `name` is a C string; without a parent it is made at the root.
        Entry(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), ptr::null_mut()) })
    }

    /// Makes a file in the directory.
    ///
    /// # Safety
    ///
    /// `data` lives until the directory is dropped, and is what `operations` expect in their
    /// inode's `i_private`.
    unsafe fn file<T>(
        &self,
        name: &CStr,
        mode: u16,
        data: &T,
        operations: &'static bindings::file_operations,
    ) {
        // SAFETY: `name` is a C string, and the directory as debugfs wants its parents. `data` and
        // the operations outlive the file, by this function's requirements and by their type.
        unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                self.0,
                ptr::from_ref(data).cast_mut().cast(),
                ptr::null(),
                operations,
            )
        };
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: By the type's invariants, which are what this function takes.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

// The kernel looks at the operations even after the file was removed, and until it is closed: they
// are constants of the module that the open file keeps.

#[inline]
pub(super) fn read_only<T, F>(dir: &Entry, name: &CStr, data: &T)
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    let operations = const { &Callbacks::<T, F, ()>::READ_ONLY };

    // SAFETY: `ScopedDir` has `data` live for as long as the scope, which drops the directory
    // first.
    unsafe { dir.file(name, 0o400, data, operations) };
}

#[inline]
pub(super) fn read_write<T, F, W>(dir: &Entry, name: &CStr, data: &T)
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    let operations = const { &Callbacks::<T, F, W>::READ_WRITE };

    // SAFETY: As in `read_only`.
    unsafe { dir.file(name, 0o600, data, operations) };
}

#[inline]
pub(super) fn write_only<T, W>(dir: &Entry, name: &CStr, data: &T)
where
    T: Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    let operations = const { &Callbacks::<T, (), W>::WRITE_ONLY };

    // SAFETY: As in `read_only`.
    unsafe { dir.file(name, 0o200, data, operations) };
}

/// A callback of a type that has one value, which the caller has shown us.
///
/// # Safety
///
/// There is a value of the type `F` that lives forever.
unsafe fn callback<F: 'static>() -> &'static F {
    const { assert!(size_of::<F>() == 0, "a callback captures nothing") };
    // SAFETY: A reference to no bytes has only to be aligned, and there is such a value.
    unsafe { NonNull::<F>::dangling().as_ref() }
}

/// The operations of a file whose data is a `T`, shown by an `F` and taken by a `W`.
struct Callbacks<T, F, W>(PhantomData<(T, F, W)>);

impl<T, F> Callbacks<T, F, ()>
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    const READ_ONLY: bindings::file_operations = bindings::file_operations {
        owner: (&raw const __this_module).cast_mut().cast(),
        open: Some(open::<T, F>),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };
}

impl<T, F, W> Callbacks<T, F, W>
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    const READ_WRITE: bindings::file_operations = bindings::file_operations {
        write: Some(write::<T, W>),
        ..Callbacks::<T, F, ()>::READ_ONLY
    };
}

impl<T, W> Callbacks<T, (), W>
where
    T: Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    const WRITE_ONLY: bindings::file_operations = bindings::file_operations {
        owner: (&raw const __this_module).cast_mut().cast(),
        open: Some(bindings::simple_open),
        write: Some(write_plain::<T, W>),
        llseek: Some(bindings::noop_llseek),
        ..pin_init::zeroed()
    };
}

/// Data, as its callback shows it.
struct Shown<'a, T, F> {
    data: &'a T,
    show: &'a F,
}

impl<T, F> fmt::Display for Shown<'_, T, F>
where
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.show)(self.data, f)
    }
}

/// Opens a file that is shown by an `F`.
///
/// # Safety
///
/// `inode` and `file` are those of an `open`, the inode's `i_private` is a `T` that outlives the
/// file's directory, and there is an `F`.
unsafe extern "C" fn open<T, F>(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    // SAFETY: By the function's requirements.
    let data = unsafe { (*inode).i_private };

    // SAFETY: By the function's requirements; `show` gets the data it needs.
    unsafe { bindings::single_open(file, Some(show::<T, F>), data) }
}

/// Shows the data of a file.
///
/// # Safety
///
/// `seq` is one that `open` made, and is used by nobody else now; its data is alive.
unsafe extern "C" fn show<T, F>(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    // SAFETY: By the function's requirements. debugfs removes no file while it is read.
    let data = unsafe { &*(*seq).private.cast::<T>() };
    // SAFETY: Who made the file had a `&'static F`.
    let show = unsafe { callback::<F>() };
    // SAFETY: By the function's requirements.
    let seq = unsafe { SeqFile::from_raw(seq) };

    seq_print!(seq, "{}", Shown { data, show });
    0
}

fn take<T, W>(data: &T, buf: *const c_char, count: usize) -> isize
where
    T: Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    let from = UserPtr::from_ptr(buf.cast_mut().cast());
    // SAFETY: Who made the file had a `&'static W`.
    let take = unsafe { callback::<W>() };

    match take(data, &mut UserSlice::new(from, count).reader()) {
        Ok(()) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Writes to a file that can be read, too.
///
/// # Safety
///
/// `file` is one that `open` opened, and its data is alive.
unsafe extern "C" fn write<T, W>(
    file: *mut bindings::file,
    buf: *const c_char,
    count: usize,
    _pos: *mut bindings::loff_t,
) -> isize
where
    T: Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    // SAFETY: By the function's requirements: `single_open` has made it a `seq_file`.
    let data = unsafe { (*(*file).private_data.cast::<bindings::seq_file>()).private };

    // SAFETY: By the function's requirements. debugfs removes no file while it is written.
    take::<T, W>(unsafe { &*data.cast::<T>() }, buf, count)
}

/// Writes to a file that can only be written.
///
/// # Safety
///
/// `file` is one that `simple_open` opened, whose inode's `i_private` is a `T` that is alive.
unsafe extern "C" fn write_plain<T, W>(
    file: *mut bindings::file,
    buf: *const c_char,
    count: usize,
    _pos: *mut bindings::loff_t,
) -> isize
where
    T: Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    // SAFETY: By the function's requirements. debugfs removes no file while it is written.
    take::<T, W>(unsafe { &*(*file).private_data.cast::<T>() }, buf, count)
}
