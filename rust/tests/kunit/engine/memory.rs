// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_memory`: failing allocations, and commits without allocations.

use kernel::prelude::*;

#[cfg(CONFIG_FAILSLAB)]
use crate::{
    bindings,
    flip::*,
    targets::*, //
};

#[kunit_tests(rust_riscv_memory)]
mod tests {
    #[cfg(CONFIG_FAILSLAB)]
    use super::*;

    /// Runs `work` with its `nth` allocation failing. Returns whether one failed, and the result.
    #[cfg(CONFIG_FAILSLAB)]
    fn with_failure<T>(nth: u32, work: impl FnOnce() -> T) -> (bool, T) {
        // SAFETY: The helper only writes a field of the current task.
        unsafe { bindings::rust_riscv_test_fail_nth(nth) };
        let result = work();
        // SAFETY: The helper only reads and writes a field of the current task.
        (unsafe { bindings::rust_riscv_test_has_failed() }, result)
    }

    #[test]
    #[cfg(CONFIG_FAILSLAB)]
    fn failed_allocation_returns_enomem() -> Result {
        const COUNT: usize = 100;

        // SAFETY: `module_refcount()` only reads an atomic, here of the helper's own module.
        let refs = || unsafe { bindings::rust_riscv_test_module_refs() };
        let before = refs();
        let (mut errors, mut fallbacks) = (0, 0);

        // Several rounds, since memory debugging sometimes allocates, too.
        for nth in (1..=6).cycle().take(30) {
            let (failed, result) = with_failure(nth, || {
                many_batch(COUNT, true, None).and_then(|batch| batch.commit())
            });

            assert_eq!(refs(), before);
            if result.is_ok() {
                // The allocation for the edits fell back from `kmalloc()` to `vmalloc()`.
                fallbacks += u32::from(failed);
                many_batch(COUNT, false, None)?.commit()?;
            } else {
                errors += 1;
                assert!(failed);
                assert_eq!(result, Err(ENOMEM));
            }
            assert_eq!(count_many(NOP), MANY);
        }
        pr_info!("{errors} failed allocations were errors, {fallbacks} fell back\n");
        assert!(errors > 0 && fallbacks > 0);
        Ok(())
    }

    #[test]
    #[cfg(CONFIG_FAILSLAB)]
    fn commit_does_not_allocate() -> Result {
        use riscv::text::plan::Strategy;
        use riscv_patch::batch::Options;

        for (on, strategy) in [(true, Strategy::Live), (false, Strategy::Phased)] {
            let batch = many_batch(MANY, on, None)?;
            let options = Options {
                strategy: Some(strategy),
                ..Options::default()
            };
            let (failed, result) = with_failure(1, || batch.commit_with(options));

            assert!(!failed);
            assert!(result.is_ok());
        }
        // Check that the injection works.
        // SAFETY: `kmalloc()` with `GFP_KERNEL` may be called where sleeping is allowed, as here.
        // The helper frees what it allocates.
        let (failed, allocated) =
            with_failure(1, || unsafe { bindings::rust_riscv_test_allocate() });
        assert!(failed);
        assert!(!allocated);
        Ok(())
    }
}
