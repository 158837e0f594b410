// SPDX-License-Identifier: GPL-2.0

//! A function whose calls are counted, and what counts them: `helpers.h`, made safe.

#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    improper_ctypes,
    non_camel_case_types,
    unreachable_pub,
    reason = "generated code"
)]
mod bindings {
    use kernel::ffi;

    include!(concat!(
        env!("RUST_RISCV_OBJ"),
        "/tests/kunit/counts/helpers_generated.rs"
    ));
}

use kernel::{
    error::to_result,
    prelude::*, //
};

#[cfg(rust_riscv_text_hooks)]
use riscv::adversary::{
    self,
    Point, //
};

/// The instruction that a kprobe replaces.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Probe {
    /// 4 aligned bytes.
    Word,
    /// 2 bytes.
    Half,
    /// 4 bytes across the end of a word.
    Unaligned,
}

/// All of them.
pub(crate) const PROBES: [Probe; bindings::RUST_RISCV_COUNTS_PROBES as usize] =
    [Probe::Word, Probe::Half, Probe::Unaligned];

impl Probe {
    /// How often it was hit since the module was loaded.
    pub(crate) fn hits(self) -> u64 {
        // SAFETY: `self` is the number of a probe.
        unsafe { bindings::rust_riscv_counts_probe_hits(self as u32) as u64 }
    }
}

/// A tracer of the function.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tracer {
    /// The one that ftrace calls directly, while it is alone.
    First,
    /// With it, ftrace goes through a list.
    Second,
}

impl Tracer {
    /// How often it was called since the module was loaded.
    pub(crate) fn hits(self) -> u64 {
        // SAFETY: `self` is the number of a tracer.
        unsafe { bindings::rust_riscv_counts_tracer_hits(self as u32) as u64 }
    }
}

enum What {
    Probe(Probe),
    Tracer(Tracer),
}

/// A probe or tracer that is on until this is dropped. There is at most one of each: tests run one
/// after the other.
pub(crate) struct Armed(What);

impl Armed {
    /// Registers a kprobe.
    pub(crate) fn probe(probe: Probe) -> Result<Armed> {
        // SAFETY: `probe` is the number of a probe, which is off.
        to_result(unsafe { bindings::rust_riscv_counts_probe_on(probe as u32) })?;
        Ok(Armed(What::Probe(probe)))
    }

    /// Registers a tracer.
    pub(crate) fn tracer(tracer: Tracer) -> Result<Armed> {
        // SAFETY: `tracer` is the number of a tracer, which is off.
        to_result(unsafe { bindings::rust_riscv_counts_tracer_on(tracer as u32) })?;
        Ok(Armed(What::Tracer(tracer)))
    }

    /// How often it was hit since the module was loaded.
    pub(crate) fn hits(&self) -> u64 {
        match self.0 {
            What::Probe(probe) => probe.hits(),
            What::Tracer(tracer) => tracer.hits(),
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        match self.0 {
            // SAFETY: It was registered when this was made.
            What::Probe(probe) => unsafe { bindings::rust_riscv_counts_probe_off(probe as u32) },
            What::Tracer(tracer) => {
                // SAFETY: It was registered when this was made.
                let err = unsafe { bindings::rust_riscv_counts_tracer_off(tracer as u32) };
                if err != 0 {
                    pr_err!("a tracer cannot be unregistered: {err}\n");
                }
            }
        }
    }
}

/// Until this is dropped, breakpoints wait before they are dealt with, if Rust patches.
pub(crate) struct SlowTraps(());

impl SlowTraps {
    /// Makes them slow.
    pub(crate) fn start() -> SlowTraps {
        // 40 ms of a clock of 10 MHz, as QEMU has: more than removing a probe takes on a busy host.
        #[cfg(rust_riscv_text_hooks)]
        adversary::delay(Point::Trapped, 400_000);
        SlowTraps(())
    }
}

impl Drop for SlowTraps {
    fn drop(&mut self) {
        #[cfg(rust_riscv_text_hooks)]
        adversary::delay(Point::Trapped, 0);
    }
}

/// Threads on all other CPUs that call the function until this is dropped.
pub(crate) struct Callers(());

impl Callers {
    /// Starts them.
    pub(crate) fn start() -> Result<Callers> {
        // SAFETY: The helper starts threads, which takes a context that may sleep, as a test's. No
        // callers run yet: KUnit runs one test after the other, and each has one `Callers`.
        to_result(unsafe { bindings::rust_riscv_counts_callers_start() })?;
        Ok(Callers(()))
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        // SAFETY: The helper stops the threads that `start` has started, which takes a context that
        // may sleep, as a test's.
        unsafe { bindings::rust_riscv_counts_callers_stop() };
    }
}

/// All calls up to now; exact while there are no [`Callers`].
pub(crate) fn calls() -> u64 {
    // SAFETY: The helper only reads an atomic.
    unsafe { bindings::rust_riscv_counts_calls() as u64 }
}

/// Calls the function on this CPU.
pub(crate) fn call(times: u32) {
    // SAFETY: The helper only calls a function that counts, and adds to an atomic.
    unsafe { bindings::rust_riscv_counts_call(times) };
}

/// Calls the function on all CPUs, at the same time.
pub(crate) fn call_everywhere(times: u32) {
    // SAFETY: Interrupts are on, as in all of a KUnit test.
    unsafe { bindings::rust_riscv_counts_call_everywhere(times) };
}

/// Lets the function count its calls itself, or not any more.
pub(crate) fn set_key(on: bool) {
    // SAFETY: `static_branch_enable()` and `static_branch_disable()` may be called where one may
    // sleep, without `cpus_read_lock`, as by a test. The key is the helper's own.
    unsafe { bindings::rust_riscv_counts_key_set(on) };
}

/// How many it has counted.
pub(crate) fn key_hits() -> u64 {
    // SAFETY: The helper only reads an atomic.
    unsafe { bindings::rust_riscv_counts_key_hits() as u64 }
}
