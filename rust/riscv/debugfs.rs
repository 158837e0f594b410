// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that keep their module loaded while they are open.
//!
//! Used as [`kernel::debugfs`], whose files have no owner: there `rmmod` frees the code of a file
//! that is open, and closing the file runs into it. The owner here is the module that makes the
//! file, not the one of this crate.

use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    ops::Deref, //
};

use kernel::{
    fmt,
    prelude::*,
    str::CStr,
    uaccess::UserSliceReader, //
};

pub use kernel::debugfs::Writer;

#[cfg(CONFIG_DEBUG_FS)]
mod entry;
#[cfg(not(CONFIG_DEBUG_FS))]
#[path = "debugfs/no_entry.rs"]
mod entry;

use entry::Entry;

/// Data, and a directory at the root of debugfs whose files show it.
///
/// Dropping it removes the directory and all that is in it, waits for who reads or writes a file
/// right now, and then drops the data.
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::atomic::{
///         Atomic,
///         Relaxed, //
///     }, //
/// };
/// use riscv::debugfs::Scope;
///
/// /// Makes a file `hits`, which says how often something happened.
/// fn files() -> Result<Pin<KBox<Scope<Atomic<u64>>>>> {
///     // SAFETY: Dropped below, and not in an init function.
///     let files = unsafe {
///         Scope::dir(Atomic::new(0), c"rust_riscv_example", |hits, dir| {
///             dir.read_callback_file(c"hits", hits, &|hits: &Atomic<u64>, f| {
///                 writeln!(f, "{}", hits.load(Relaxed))
///             });
///         })
///     };
///
///     KBox::pin_init(files, GFP_KERNEL)
/// }
///
/// files()?.fetch_add(1, Relaxed);
/// # Ok::<(), Error>(())
/// ```
#[pin_data]
pub struct Scope<T> {
    // Dropped first: the files refer to the data.
    entry: Entry,
    #[pin]
    data: T,
    #[pin]
    _pin: PhantomPinned,
}

impl<T> Scope<T> {
    /// Makes the directory `name`, and has `fill` make the files in it. A file that cannot be made
    /// is missing, as everywhere in debugfs.
    ///
    /// # Errors
    ///
    /// Those of `data`.
    ///
    /// # Safety
    ///
    /// - The scope is dropped before the text of the module that makes it goes: it is not leaked,
    ///   as by `mem::forget()`. Who opens a file would run into that text.
    /// - In a module's init function it is the last step that can fail: a module whose init function
    ///   fails is freed even while a file is open.
    pub unsafe fn dir<'a, E: 'a, F>(
        data: impl PinInit<T, E> + 'a,
        name: &'a CStr,
        fill: F,
    ) -> impl PinInit<Self, E> + 'a
    where
        T: 'a,
        F: for<'data, 'dir> FnOnce(&'data T, &'dir ScopedDir<'data, 'dir>) + 'a,
    {
        try_pin_init!(Self {
            entry: Entry::none(),
            data <- data,
            _pin: PhantomPinned,
        }? E)
        .pin_chain(|scope| {
            // SAFETY: Only `entry` is written, which is not structurally pinned.
            let scope = unsafe { Pin::into_inner_unchecked(scope) };

            scope.entry = Entry::dir(name);
            fill(
                &scope.data,
                &ScopedDir {
                    entry: &scope.entry,
                    _data: PhantomData,
                },
            );
            Ok(())
        })
    }
}

impl<T> Deref for Scope<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// The directory of a [`Scope`], while it is filled. Its files may refer to what lives for `'data`.
pub struct ScopedDir<'data, 'dir> {
    entry: &'dir Entry,
    // Contravariant: a shorter `'data` than the scope's will not do.
    _data: PhantomData<fn(&'data ())>,
}

// The methods are inlined, so that what has the owner in it is made in the caller's module.
impl<'data> ScopedDir<'data, '_> {
    /// Makes a file that shows `data`.
    #[inline]
    pub fn read_only_file<T>(&self, name: &CStr, data: &'data T)
    where
        T: Writer + Send + Sync + 'static,
    {
        self.read_callback_file(name, data, &T::write);
    }

    /// Makes a file that shows what `show` writes.
    ///
    /// `show` is a function or a closure that captures nothing; others do not compile.
    #[inline]
    pub fn read_callback_file<T, F>(&self, name: &CStr, data: &'data T, _show: &'static F)
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        entry::read_only::<T, F>(self.entry, name, data);
    }

    /// Makes a file that shows what `show` writes, and takes what `take` reads.
    ///
    /// `show` and `take` are functions or closures that capture nothing; others do not compile.
    #[inline]
    pub fn read_write_callback_file<T, F, W>(
        &self,
        name: &CStr,
        data: &'data T,
        _show: &'static F,
        _take: &'static W,
    ) where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        entry::read_write::<T, F, W>(self.entry, name, data);
    }

    /// Makes a file that takes what `take` reads.
    ///
    /// `take` is a function or a closure that captures nothing; others do not compile.
    #[inline]
    pub fn write_only_callback_file<T, W>(&self, name: &CStr, data: &'data T, _take: &'static W)
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        entry::write_only::<T, W>(self.entry, name, data);
    }
}
