// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_kernel_flush`: harts that have fetched the old text execute what the kernel's
//! own users of text patching have written. See [`crate::flush`].

use kernel::prelude::*;

use riscv_patch::fail_next;

use crate::{
    bindings::rust_riscv_test_call,
    module_parameters,
    reader::*,
    support::{
        is_alone,
        skip, //
    },
    targets::addr,
    writes::{
        queue,
        queued,
        write,
        write_after_queue, //
    }, //
};

/// Returns whether all readers see each write of the word by `patch`.
fn word_is_seen(patch: impl Fn(usize, &[u8]) -> Result) -> Result<bool> {
    seen_each_time(rust_riscv_read_word, [0, 1], |to| {
        patch(addr(rust_riscv_read_word), &WORDS[to])
    })
}

/// As [`word_is_seen`], with readers that spin.
fn word_is_followed(patch: impl Fn(usize, &[u8]) -> Result) -> Result<bool> {
    followed_each_time(rust_riscv_read_word, [0, 1], |to| {
        patch(addr(rust_riscv_read_word), &WORDS[to])
    })
}

/// Why readers that spin may not follow what the kernel writes, if they may not. It writes once.
fn not_followed() -> Option<&'static str> {
    if is_alone() {
        Some("one hart: nobody else has fetched anything")
    } else if riscv::compat::parameter::<u8>(module_parameters::write_twice.value()) != 0 {
        Some("QEMU may go on with what it translates during a write")
    } else {
        None
    }
}

/// Exhausts the rate limit of log messages for some seconds: a message makes other harts take
/// interrupts, which discard what they have fetched.
fn stop_logging() {
    while riscv::may_log() {}
}

#[kunit_tests(rust_riscv_kernel_flush)]
mod tests {
    use super::*;

    #[test]
    fn patch_text_nosync_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| write(
            rust_riscv_test_call::RUST_RISCV_TEST_NOSYNC,
            at,
            bytes
        ))?);
        Ok(())
    }

    #[test]
    fn patch_text_set_nosync_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        let answers = FILLED.map(|(_, answer)| answer);

        assert!(seen_each_time(rust_riscv_read_bytes, answers, |to| {
            write(
                rust_riscv_test_call::RUST_RISCV_TEST_SET,
                read_filled(),
                &[FILLED[to].0; 8],
            )
        })?);
        Ok(())
    }

    #[test]
    fn patch_text_reaches_other_harts() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| write(
            rust_riscv_test_call::RUST_RISCV_TEST_PATCH,
            at,
            bytes
        ))?);
        Ok(())
    }

    #[test]
    fn queued_write_reaches_other_harts_after_sync() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| queue(&[queued(
            at, bytes, false
        )]))?);
        Ok(())
    }

    /// A write for this CPU only, followed by a sync of an empty queue.
    #[test]
    fn patch_insn_write_reaches_other_harts_after_sync() -> Result {
        if is_alone() {
            return skip("one hart: nobody else has fetched anything");
        }
        assert!(word_is_seen(|at, bytes| write(
            rust_riscv_test_call::RUST_RISCV_TEST_INSN_WRITE,
            at,
            bytes
        ))?);
        Ok(())
    }

    /// The engine fails, so the kernel writes the queue.
    #[test]
    fn fallback_reaches_other_harts_after_sync() -> Result {
        if let Some(reason) = not_followed() {
            return skip(reason);
        }
        stop_logging();
        assert!(word_is_followed(|at, bytes| {
            fail_next(1);
            queue(&[queued(at, bytes, false)])
        })?);
        Ok(())
    }

    /// As above, with another write instead of a sync.
    #[test]
    fn fallback_reaches_other_harts_before_the_next_write() -> Result {
        if let Some(reason) = not_followed() {
            return skip(reason);
        }
        stop_logging();
        assert!(word_is_followed(|at, bytes| {
            fail_next(1);
            write_after_queue(
                &queued(at, bytes, false),
                &queued(read_filled(), &[FILLED[0].0; 8], false),
            )
        })?);
        Ok(())
    }
}
