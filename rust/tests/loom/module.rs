// SPDX-License-Identifier: GPL-2.0

//! A stand-in for a module's data, which exists only while the module is loaded.
//!
//! loom reports a use of the data that is not ordered against its creation or removal.

use loom::cell::UnsafeCell;

/// A module's data, and whether it exists.
pub struct Module(UnsafeCell<bool>);

// SAFETY: loom's cell checks that the accesses are ordered, which is what the models test.
unsafe impl Sync for Module {}

impl Module {
    pub fn new(exists: bool) -> &'static Module {
        Box::leak(Box::new(Module(UnsafeCell::new(exists))))
    }

    /// Uses the data, as a function of the module does.
    pub fn uses(&self) {
        // SAFETY: loom's cell checks that no thread writes it at the same time.
        assert!(self.0.with(|exists| unsafe { *exists }));
    }

    /// Creates or removes the data, as loading and unloading the module does.
    pub fn set_exists(&self, exists: bool) {
        // SAFETY: loom's cell checks that no other thread accesses it at the same time.
        self.0.with_mut(|was| unsafe { *was = exists });
    }
}

std::thread_local! {
    // loom runs all threads of a model on one thread of the system.
    static MODULE: std::cell::Cell<Option<&'static Module>> = const { std::cell::Cell::new(None) };
}

/// Begins an execution, in which the module's data exists or not.
pub fn begin(exists: bool) {
    MODULE.set(Some(Module::new(exists)));
}

/// Returns the module's data of this execution.
pub fn module() -> &'static Module {
    MODULE.get().unwrap()
}
