// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers of `helpers.h`: a function, and kprobes and tracers that count its calls.

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

/// The instruction that a kprobe replaces. Without compressed instructions, all are the first kind.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Probe {
    /// 4 aligned bytes.
    Word,
    /// 2 bytes.
    Half,
    /// 4 bytes across the end of a word.
    Unaligned,
}

/// All kprobes.
pub(crate) const PROBES: [Probe; bindings::RUST_RISCV_COUNTS_PROBES as usize] =
    [Probe::Word, Probe::Half, Probe::Unaligned];

impl Probe {
    /// Returns the number of hits since the module was loaded.
    pub(crate) fn hits(self) -> u64 {
        // SAFETY: `self` is the number of a probe.
        unsafe { bindings::rust_riscv_counts_probe_hits(self as u32) as u64 }
    }
}

/// A tracer of the function.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tracer {
    /// While it is the only one, ftrace calls it directly.
    First,
    /// With a second one, ftrace calls both through its list function.
    Second,
}

impl Tracer {
    /// Returns the number of calls since the module was loaded.
    pub(crate) fn hits(self) -> u64 {
        // SAFETY: `self` is the number of a tracer.
        unsafe { bindings::rust_riscv_counts_tracer_hits(self as u32) as u64 }
    }
}

enum What {
    Probe(Probe),
    Tracer(Tracer),
}

/// A probe or tracer that is registered until this is dropped. There is at most one of each, since
/// tests do not run concurrently.
pub(crate) struct Armed(What);

impl Armed {
    /// Registers a kprobe.
    pub(crate) fn probe(probe: Probe) -> Result<Armed> {
        // SAFETY: `probe` is the number of a probe, which is not registered.
        to_result(unsafe { bindings::rust_riscv_counts_probe_on(probe as u32) })?;
        Ok(Armed(What::Probe(probe)))
    }

    /// Registers a tracer.
    pub(crate) fn tracer(tracer: Tracer) -> Result<Armed> {
        // SAFETY: `tracer` is the number of a tracer, which is not registered.
        to_result(unsafe { bindings::rust_riscv_counts_tracer_on(tracer as u32) })?;
        Ok(Armed(What::Tracer(tracer)))
    }

    /// Returns the number of hits since the module was loaded.
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

/// Delays breakpoint handlers until this is dropped, if Rust patches.
pub(crate) struct SlowTraps(());

impl SlowTraps {
    /// Starts the delays.
    pub(crate) fn start() -> SlowTraps {
        // 40 ms with QEMU's clock of 10 MHz: longer than removing a probe takes on a busy host.
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
    /// Starts the threads.
    pub(crate) fn start() -> Result<Callers> {
        // SAFETY: The helper starts threads, which requires a context that may sleep, as in a test.
        // No callers run yet, since KUnit runs one test at a time, and each has one `Callers`.
        to_result(unsafe { bindings::rust_riscv_counts_callers_start() })?;
        Ok(Callers(()))
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        // SAFETY: The helper stops the threads that `start` has started, which requires a context
        // that may sleep, as in a test.
        unsafe { bindings::rust_riscv_counts_callers_stop() };
    }
}

/// Returns the number of calls so far. It is exact while there are no [`Callers`].
pub(crate) fn calls() -> u64 {
    // SAFETY: The helper only reads an atomic.
    unsafe { bindings::rust_riscv_counts_calls() as u64 }
}

/// Calls the function on this CPU.
pub(crate) fn call(times: u32) {
    // SAFETY: The helper only calls a function that counts, and adds to an atomic.
    unsafe { bindings::rust_riscv_counts_call(times) };
}

/// Calls the function on all CPUs at the same time.
pub(crate) fn call_everywhere(times: u32) {
    // SAFETY: Interrupts are on, as in all of a KUnit test.
    unsafe { bindings::rust_riscv_counts_call_everywhere(times) };
}

/// Sets the static key with which the function counts its own calls.
pub(crate) fn set_key(on: bool) {
    // SAFETY: `static_branch_enable()` and `static_branch_disable()` may be called where one may
    // sleep, without `cpus_read_lock`, as by a test. The key is the helper's own.
    unsafe { bindings::rust_riscv_counts_key_set(on) };
}

/// Returns the number of calls that were counted with the key.
pub(crate) fn key_hits() -> u64 {
    // SAFETY: The helper only reads an atomic.
    unsafe { bindings::rust_riscv_counts_key_hits() as u64 }
}
