// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_provider`: writes by the kernel's own users of text patching.

use kernel::prelude::*;

use riscv_patch::{
    fail_next,
    stats::{
        calls,
        fallbacks,
        Call, //
    }, //
};

use crate::{
    bindings::{
        self,
        rust_riscv_test_call, //
    },
    hammer::{
        online,
        Called,
        Hammer, //
    },
    support::{
        is_alone,
        skip, //
    },
    targets::*,
    writes::{
        queue,
        queued,
        write, //
    }, //
};

/// Returns whether `function` returns `answer` on every online CPU.
fn all_see(function: Function, answer: u64) -> bool {
    // SAFETY: A target may be called anywhere.
    online().all(
        |cpu| unsafe { bindings::rust_riscv_test_call_on(cpu, Some(function)) } as u64 == answer,
    )
}

const WAYS: [(rust_riscv_test_call, Call); 4] = [
    (
        rust_riscv_test_call::RUST_RISCV_TEST_INSN_WRITE,
        Call::Write,
    ),
    (rust_riscv_test_call::RUST_RISCV_TEST_NOSYNC, Call::Write),
    (rust_riscv_test_call::RUST_RISCV_TEST_PATCH, Call::Patch),
    (rust_riscv_test_call::RUST_RISCV_TEST_QUEUE, Call::Queue),
];

#[kunit_tests(rust_riscv_provider)]
mod tests {
    use super::*;

    #[test]
    fn every_write_function_calls_the_provider() -> Result {
        for (way, call) in WAYS {
            let before = (calls(call), fallbacks());

            write(way, addr(rust_riscv_target_word), &LI_1.to_le_bytes())?;
            // Writes what is queued.
            queue(&[])?;
            assert!(all_see(rust_riscv_target_word, 1));
            write(way, addr(rust_riscv_target_word), &LI_0.to_le_bytes())?;
            queue(&[])?;
            assert!(all_see(rust_riscv_target_word, 0));
            assert_eq!((calls(call), fallbacks()), (before.0 + 2, before.1));
        }
        Ok(())
    }

    #[test]
    fn patch_text_set_nosync_fills_bytes() -> Result {
        let before = calls(Call::Set);
        let nops = [NOP.to_le_bytes(); 24];

        // Across two pages, at odd addresses. No CPU executes this.
        let at = ((many(0) + 4096) & !4095) - 37;
        write(rust_riscv_test_call::RUST_RISCV_TEST_SET, at, &[0xa5; 75])?;
        let first = many((at - many(0)) / 4);
        for n in 0..24 {
            for (byte, &is) in word_at(first + 4 * n).to_le_bytes().iter().enumerate() {
                let here = first + 4 * n + byte;
                let set = (at..at + 75).contains(&here);
                assert_eq!(is, if set { 0xa5 } else { NOP.to_le_bytes()[byte] });
            }
        }
        write(
            rust_riscv_test_call::RUST_RISCV_TEST_NOSYNC,
            first,
            nops.as_flattened(),
        )?;
        assert_eq!(calls(Call::Set), before + 1);
        for n in 0..24 {
            assert_eq!(word_at(first + 4 * n), NOP);
        }
        Ok(())
    }

    /// A long write at any address, as BPF makes for whole programs.
    #[test]
    fn long_unaligned_write() -> Result {
        let mut bytes = KVec::new();
        for n in 0..9000u32 {
            bytes.push((n * 7 + n / 256) as u8, GFP_KERNEL)?;
        }
        for skip in 0..3 {
            let before = fallbacks();
            write(
                rust_riscv_test_call::RUST_RISCV_TEST_NOSYNC,
                many(0) + skip,
                &bytes,
            )?;
            let text = core::ptr::with_exposed_provenance::<u8>(many(0) + skip);
            for (n, byte) in bytes.iter().enumerate() {
                // SAFETY: The address is within the target.
                assert_eq!(unsafe { text.add(n).read_volatile() }, *byte);
            }
            assert_eq!(fallbacks(), before);
        }
        let mut nops = KVec::new();
        for _ in 0..MANY {
            nops.extend_from_slice(&NOP.to_le_bytes(), GFP_KERNEL)?;
        }
        write(rust_riscv_test_call::RUST_RISCV_TEST_NOSYNC, many(0), &nops)?;
        assert_eq!(word_at(many(MANY - 1)), NOP);
        Ok(())
    }

    /// If the provider fails, the kernel writes instead, and the caller gets no error.
    #[test]
    fn kernel_writes_if_the_provider_fails() -> Result {
        for (way, _) in WAYS {
            let before = fallbacks();

            fail_next(1);
            write(way, addr(rust_riscv_target_word), &LI_1.to_le_bytes())?;
            queue(&[])?;
            assert_eq!(fallbacks(), before + 1);
            assert!(all_see(rust_riscv_target_word, 1));
            write(way, addr(rust_riscv_target_word), &LI_0.to_le_bytes())?;
            queue(&[])?;
            assert_eq!(fallbacks(), before + 1);
            assert!(all_see(rust_riscv_target_word, 0));
        }
        Ok(())
    }

    #[test]
    fn kernel_writes_the_queue_if_the_provider_fails() -> Result {
        let before = fallbacks();
        let (literal_bytes, load_bytes) = (ANSWER.to_le_bytes(), LOAD_LITERAL.to_le_bytes());

        fail_next(1);
        queue(&[
            queued(load(), &load_bytes, false),
            queued(literal(), &literal_bytes, true),
        ])?;
        assert_eq!(fallbacks(), before + 2);
        assert!(all_see(LOADER, ANSWER));
        queue(&[queued(load(), &LOAD_ZERO.to_le_bytes(), false)])?;
        queue(&[queued(literal(), &POISON.to_le_bytes(), true)])?;
        assert!(all_see(LOADER, 0));
        Ok(())
    }

    /// Queued writes can have any order, and a place may be written twice.
    #[test]
    fn queue_in_any_order() -> Result {
        let words = [NOP, NOP_1].map(u32::to_le_bytes);
        // A permutation, since 97 and 512 have no common divisor. Few addresses follow each other.
        let mut writes = KVec::new();
        for n in 0..512 {
            writes.push(queued(many(n * 97 % 512), &words[1], false), GFP_KERNEL)?;
        }
        let before = fallbacks();
        queue(&writes)?;
        for n in 0..512 {
            assert_eq!(word_at(many(n)), NOP_1);
        }
        // Each place twice: the last write wins.
        writes.clear();
        for n in (0..512).rev() {
            writes.push(queued(many(n), &words[n % 2], false), GFP_KERNEL)?;
            writes.push(queued(many(n), &words[0], false), GFP_KERNEL)?;
        }
        queue(&writes)?;
        for n in 0..512 {
            assert_eq!(word_at(many(n)), NOP);
        }
        assert_eq!(fallbacks(), before);
        Ok(())
    }

    /// The kernel writes the texts that the provider declines, and passes the others on to it.
    #[test]
    fn kernel_writes_declined_texts() -> Result {
        const TEXTS: usize = 300;
        // Declined, since it is not aligned: from the second half of a word to the first half of
        // the next one, which does not change.
        let across = u32::to_le_bytes(NOP_1 >> 16 | NOP << 16);
        let word = NOP_1.to_le_bytes();
        let mut writes = KVec::new();

        assert_eq!(NOP & 0xffff, NOP_1 & 0xffff);
        for n in 0..TEXTS {
            let write = if n % 5 == 3 {
                queued(many(n) + 2, &across, false)
            } else {
                queued(many(n), &word, false)
            };
            writes.push(write, GFP_KERNEL)?;
        }
        queue(&writes)?;
        for n in 0..TEXTS {
            assert_eq!(word_at(many(n)), NOP_1);
        }
        let word = NOP.to_le_bytes();
        writes.clear();
        for n in 0..TEXTS {
            writes.push(queued(many(n), &word, false), GFP_KERNEL)?;
        }
        queue(&writes)?;
        for n in 0..TEXTS {
            assert_eq!(word_at(many(n)), NOP);
        }
        Ok(())
    }

    /// A literal that is queued with `first` is visible before the instruction that loads it,
    /// although it has a higher address, and many edits are between the two.
    #[test]
    fn queued_literal_is_written_before_its_load() -> Result {
        if is_alone() {
            return skip("one hart: nobody runs what is patched");
        }
        let (on, answer) = (LOAD_LITERAL.to_le_bytes(), ANSWER.to_le_bytes());
        let words = [NOP_1, NOP].map(u32::to_le_bytes);
        // QEMU takes longer to write text that is being executed.
        let hammer = Hammer::start(&[
            Called {
                function: LOADER,
                answers: [0, ANSWER],
            },
            Called {
                function: rust_riscv_target_run_many,
                answers: [0, 0],
            },
        ])?;

        for round in 0..40 {
            let mut writes = KVVec::with_capacity(MANY + 2, GFP_KERNEL)?;

            writes.push(queued(load(), &on, false), GFP_KERNEL)?;
            for n in 0..MANY {
                writes.push(queued(many(n), &words[round % 2], false), GFP_KERNEL)?;
            }
            writes.push(queued(literal(), &answer, true), GFP_KERNEL)?;
            queue(&writes)?;
            queue(&[queued(load(), &LOAD_ZERO.to_le_bytes(), false)])?;
            queue(&[queued(literal(), &POISON.to_le_bytes(), true)])?;
        }
        let seen = hammer.stop();
        assert_eq!(seen.wrong, 0);
        assert!(seen.calls > 0);
        Ok(())
    }

    #[test]
    fn second_provider_is_refused() {
        // SAFETY: `riscv_patch_provider_register()` may be called where sleeping is allowed, as
        // here. If the provider is registered, the helper unregisters it.
        let error = unsafe { bindings::rust_riscv_test_second_provider() };
        assert_eq!(error, EBUSY.to_errno());
    }

    /// No CPU answers an IPI while the machine is stopped. So the rendezvous sends none.
    #[test]
    fn flush_ipi_in_stop_machine_is_not_answered() -> Result {
        if is_alone() {
            return skip("one hart: there is nobody to ask");
        }
        // SAFETY: `stop_machine()` may be called where sleeping is allowed, without
        // `cpus_read_lock`, as here.
        assert_eq!(unsafe { bindings::rust_riscv_test_flush_inside_stop() }, 0);
        Ok(())
    }
}
