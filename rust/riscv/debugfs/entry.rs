// SPDX-License-Identifier: GPL-2.0

//! Directories and files in debugfs, and the file operations.

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
    /// The module that this is linked into. Only generic code may refer to it, since that is
    /// compiled into the module that uses it. Only its address is used, and only in constant data:
    /// in the kernel image it is an absolute 0 (`helpers/this_module.S`), to which code cannot refer
    /// if the kernel is relocatable: it would not link.
    static __this_module: c_void;
}

/// A directory. Dropping it removes it with everything in it.
///
/// # Invariants
///
/// The pointer is `NULL`, an error pointer, or a directory that this owns.
pub(super) struct Entry(*mut bindings::dentry);

// SAFETY: debugfs functions may be called by any task, also by another than created the directory.
unsafe impl Send for Entry {}

// SAFETY: debugfs functions lock the directory themselves, so they may run concurrently.
unsafe impl Sync for Entry {}

impl Entry {
    pub(super) fn none() -> Entry {
        Entry(ptr::null_mut())
    }

    /// Creates a directory at the root of debugfs.
    pub(super) fn dir(name: &CStr) -> Entry {
        // SAFETY: `name` is a C string; `debugfs_create_dir()` accepts `NULL` as the parent.
        Entry(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), ptr::null_mut()) })
    }

    /// Creates a file in the directory.
    ///
    /// # Safety
    ///
    /// `data` lives until the directory is dropped, and has the type that `operations` expect in
    /// the inode's `i_private`.
    unsafe fn file<T>(
        &self,
        name: &CStr,
        mode: u16,
        data: &T,
        operations: &'static bindings::file_operations,
    ) {
        // SAFETY: `name` is a C string, and by the type invariant the directory is what debugfs
        // takes as a parent. `data` outlives the file by the requirement of this function, and the
        // operations are `'static`.
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
        // SAFETY: By the type invariant, `NULL`, an error pointer or our directory:
        // `debugfs_remove()` takes any of them.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

// The kernel uses the operations until the file is closed, even if it was removed before. They are
// constants of the module that owns the file, which stays loaded for as long.

#[inline]
pub(super) fn read_only<T, F>(dir: &Entry, name: &CStr, data: &T)
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    let operations = const { &Callbacks::<T, F, ()>::READ_ONLY };

    // SAFETY: By its lifetime in `ScopedDir`, `data` lives as long as the scope, which drops the
    // directory first. The operations are those of a file whose data is a `T`.
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

    // SAFETY: By its lifetime in `ScopedDir`, `data` lives as long as the scope, which drops the
    // directory first. The operations are those of a file whose data is a `T`.
    unsafe { dir.file(name, 0o600, data, operations) };
}

#[inline]
pub(super) fn write_only<T, W>(dir: &Entry, name: &CStr, data: &T)
where
    T: Send + Sync + 'static,
    W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync + 'static,
{
    let operations = const { &Callbacks::<T, (), W>::WRITE_ONLY };

    // SAFETY: By its lifetime in `ScopedDir`, `data` lives as long as the scope, which drops the
    // directory first. The operations are those of a file whose data is a `T`.
    unsafe { dir.file(name, 0o200, data, operations) };
}

/// The callback of type `F`, which is zero-sized and so has only one value.
///
/// # Safety
///
/// There is a value of the type `F` that lives forever.
unsafe fn callback<F: 'static>() -> &'static F {
    const { assert!(size_of::<F>() == 0, "a callback captures nothing") };
    // SAFETY: A reference to a zero-sized type has only to be aligned and not null; by the
    // requirement of this function there is a value of that type.
    unsafe { NonNull::<F>::dangling().as_ref() }
}

/// The file operations of a file whose data is a `T`, shown by an `F` and written by a `W`.
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
        write: Some(write::<T, W>),
        llseek: Some(bindings::noop_llseek),
        ..pin_init::zeroed()
    };
}

/// Data that is formatted by its callback.
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

/// The `open` operation of a file that is shown by an `F`.
///
/// # Safety
///
/// The caller is the VFS, opening `file` of `inode`, whose `i_private` points to a `T` that
/// outlives the file's directory. There is a value of `F` that lives forever.
unsafe extern "C" fn open<T, F>(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    // SAFETY: The VFS passes a valid inode.
    let data = unsafe { (*inode).i_private };

    // SAFETY: The VFS is opening `file`, which is not used by others yet. `show` requires that the
    // data is a `T` that is alive: it outlives the directory.
    unsafe { bindings::single_open(file, Some(show::<T, F>), data) }
}

/// The `show` operation of a file's `seq_file`.
///
/// # Safety
///
/// The caller is `seq_read()`, with a `seq` that `open` created and that is not used by others
/// meanwhile. The data of the file is alive.
unsafe extern "C" fn show<T, F>(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int
where
    T: Send + Sync + 'static,
    F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync + 'static,
{
    // SAFETY: `seq` is valid, and `open` has set its `private` to the data of the file, a `T`. That
    // lives longer than the directory, which debugfs does not remove while one of its files is
    // read.
    let data = unsafe { &*(*seq).private.cast::<T>() };
    // SAFETY: The method of `ScopedDir` that created the file was passed a `&'static F`.
    let show = unsafe { callback::<F>() };
    // SAFETY: `seq_read()` passes a valid `seq`, which is not used by others until this returns.
    let seq = unsafe { SeqFile::from_raw(seq) };

    seq_print!(seq, "{}", Shown { data, show });
    0
}

/// The `write` operation of a file that is written by a `W`. Returns `count` or an error.
///
/// # Safety
///
/// The caller is the VFS, and the `i_private` of the inode of `file` points to a `T` that outlives
/// the file's directory. There is a value of `W` that lives forever.
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
    // SAFETY: The VFS passes an open file, which has an inode. Its `i_private` is the data of the
    // file, a `T`. That lives longer than the directory, which debugfs does not remove while one of
    // its files is written.
    let data = unsafe { &*(*(*file).f_inode).i_private.cast::<T>() };
    // SAFETY: The method of `ScopedDir` that created the file was passed a `&'static W`.
    let take = unsafe { callback::<W>() };
    let from = UserPtr::from_ptr(buf.cast_mut().cast());

    match take(data, &mut UserSlice::new(from, count).reader()) {
        Ok(()) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}
