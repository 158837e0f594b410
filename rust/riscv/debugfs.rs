// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that keep their module loaded while they are open.
//!
//! The interface is that of [`kernel::debugfs`]. Files there have no owner: `rmmod` can free the
//! code of a file that is open, and closing the file then calls freed code. (`patches/fixes/` has a
//! fix, which no kernel has yet.) Here the owner is the module that creates the file, not the module
//! of this crate.

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

/// Data, and a directory at the root of debugfs with files that show it.
///
/// Dropping it removes the directory with all its files, waits for reads and writes of the files
/// that are under way, and then drops the data.
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
/// /// Creates a file `hits` that shows the number of events.
/// fn files() -> Result<Pin<KBox<Scope<Atomic<u64>>>>> {
///     // SAFETY: The scope is dropped below, and this is not an init function.
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
    /// Creates the directory `name`, and calls `fill` to create the files in it. A file that cannot
    /// be created is left out without an error, as is usual for debugfs.
    ///
    /// # Errors
    ///
    /// Those of the initialiser `data`.
    ///
    /// # Safety
    ///
    /// - The scope is dropped before the module that creates it is unloaded: it must not be leaked,
    ///   as by `mem::forget()`, or opening a file would call code that was freed.
    /// - In a module's init function it is the last step that can fail, since a module whose init
    ///   function fails is freed even while a file is open.
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

/// The directory of a [`Scope`] while its files are created. They may refer to data that lives for
/// `'data`.
pub struct ScopedDir<'data, 'dir> {
    entry: &'dir Entry,
    // Contravariant, so that a lifetime shorter than that of the scope is not accepted.
    _data: PhantomData<fn(&'data ())>,
}

// The methods are inlined, so that the file operations with their owner are in the caller's module.
impl<'data> ScopedDir<'data, '_> {
    /// Creates a file that shows `data`.
    #[inline]
    pub fn read_only_file<T>(&self, name: &CStr, data: &'data T)
    where
        T: Writer + Send + Sync + 'static,
    {
        self.read_callback_file(name, data, &T::write);
    }

    /// Creates a file that shows what `show` writes.
    ///
    /// `show` must be a function or a closure that captures nothing; others do not compile.
    #[inline]
    pub fn read_callback_file<T, F>(&self, name: &CStr, data: &'data T, _show: &'static F)
    where
        T: Send + Sync + 'static,
        F: Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result + Send + Sync,
    {
        entry::read_only::<T, F>(self.entry, name, data);
    }

    /// Creates a file that shows what `show` writes; `take` reads what user space writes to it.
    ///
    /// `show` and `take` must be functions or closures that capture nothing; others do not compile.
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

    /// Creates a write-only file; `take` reads what user space writes to it.
    ///
    /// `take` must be a function or a closure that captures nothing; others do not compile.
    #[inline]
    pub fn write_only_callback_file<T, W>(&self, name: &CStr, data: &'data T, _take: &'static W)
    where
        T: Send + Sync + 'static,
        W: Fn(&T, &mut UserSliceReader) -> Result + Send + Sync,
    {
        entry::write_only::<T, W>(self.entry, name, data);
    }
}
