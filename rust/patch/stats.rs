// SPDX-License-Identifier: GPL-2.0

//! Counters of batches, errors and the time that CPUs were stopped.
//!
//! `debugfs.rs` creates the file that shows them.

use kernel::{
    bindings,
    ffi::c_int,
    fmt,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use riscv::text::plan::Strategy;

/// The counters of this module.
pub(crate) static STATS: Stats = Stats::new();

/// The number of buckets of the histogram. Their upper bounds are powers of two, in microseconds;
/// the last bucket has no upper bound.
const BUCKETS: usize = 20;

const STRATEGIES: [(&str, Strategy); 4] = [
    ("live", Strategy::Live),
    ("phased", Strategy::Phased),
    ("rendezvous", Strategy::Rendezvous),
    ("guarded", Strategy::Guarded),
];

/// The errors that have a counter of their own.
const ERRORS: [(&str, u32); 14] = [
    ("ENODATA", bindings::ENODATA),
    ("EMSGSIZE", bindings::EMSGSIZE),
    ("EINVAL", bindings::EINVAL),
    ("EADDRNOTAVAIL", bindings::EADDRNOTAVAIL),
    ("ECHRNG", bindings::ECHRNG),
    ("EFAULT", bindings::EFAULT),
    ("EBUSY", bindings::EBUSY),
    ("ESHUTDOWN", bindings::ESHUTDOWN),
    ("ENOMEM", bindings::ENOMEM),
    ("EEXIST", bindings::EEXIST),
    ("E2BIG", bindings::E2BIG),
    ("EILSEQ", bindings::EILSEQ),
    ("EOPNOTSUPP", bindings::EOPNOTSUPP),
    ("ENODEV", bindings::ENODEV),
];

/// The calls that the kernel's own users make to the provider.
#[derive(Clone, Copy)]
pub enum Call {
    /// An unsynchronised write.
    Write,
    /// A fill of a range with one byte.
    Set,
    /// A write for which no CPU may execute a mixture of old and new bytes.
    Patch,
    /// A write that is queued, to be part of a batch.
    Queue,
}

const CALLS: [&str; 4] = ["write", "set", "patch", "queue"];

impl Call {
    /// The name in debugfs and in the log.
    #[cfg_attr(not(rust_riscv_text_hooks), expect(dead_code, reason = "hooks only"))]
    pub(crate) const fn name(self) -> &'static str {
        CALLS[self as usize]
    }
}

struct PerStrategy {
    batches: Atomic<u64>,
    edits: Atomic<u64>,
}

impl PerStrategy {
    const fn new() -> Self {
        PerStrategy {
            batches: Atomic::new(0),
            edits: Atomic::new(0),
        }
    }
}

/// The counters. All accesses are relaxed: the counters are independent, and no other access
/// depends on them.
pub(crate) struct Stats {
    strategies: [PerStrategy; STRATEGIES.len()],
    calls: [Atomic<u64>; CALLS.len()],
    fallbacks: Atomic<u64>,
    rollbacks: Atomic<u64>,
    errors: [Atomic<u64>; ERRORS.len()],
    other_errors: Atomic<u64>,
    stops: Atomic<u64>,
    stopped_ns: Atomic<u64>,
    stopped_min_ns: Atomic<u64>,
    stopped_max_ns: Atomic<u64>,
    histogram: [Atomic<u64>; BUCKETS],
}

impl Stats {
    const fn new() -> Stats {
        Stats {
            strategies: [const { PerStrategy::new() }; STRATEGIES.len()],
            calls: [const { Atomic::new(0) }; CALLS.len()],
            fallbacks: Atomic::new(0),
            rollbacks: Atomic::new(0),
            errors: [const { Atomic::new(0) }; ERRORS.len()],
            other_errors: Atomic::new(0),
            stops: Atomic::new(0),
            stopped_ns: Atomic::new(0),
            stopped_min_ns: Atomic::new(u64::MAX),
            stopped_max_ns: Atomic::new(0),
            histogram: [const { Atomic::new(0) }; BUCKETS],
        }
    }

    /// Counts a batch that was committed.
    pub(crate) fn count_batch(&self, strategy: Strategy, edits: usize) {
        let counters = &self.strategies[strategy as usize];

        counters.batches.fetch_add(1, Relaxed);
        counters.edits.fetch_add(edits as u64, Relaxed);
    }

    /// Counts `number` calls of the kernel's own users.
    #[cfg_attr(not(rust_riscv_text_hooks), expect(dead_code, reason = "hooks only"))]
    pub(crate) fn count_calls(&self, call: Call, number: usize) {
        self.calls[call as usize].fetch_add(number as u64, Relaxed);
    }

    /// Counts a write that fell back to C.
    #[cfg_attr(not(rust_riscv_text_hooks), expect(dead_code, reason = "hooks only"))]
    pub(crate) fn count_fallback(&self) {
        self.fallbacks.fetch_add(1, Relaxed);
    }

    /// Counts a batch that was rolled back.
    pub(crate) fn count_rollback(&self) {
        self.rollbacks.fetch_add(1, Relaxed);
    }

    /// Counts an error, by its negative errno.
    pub(crate) fn count_error(&self, errno: c_int) {
        let counter = ERRORS
            .iter()
            .position(|(_, known)| -(*known as c_int) == errno)
            .map_or(&self.other_errors, |n| &self.errors[n]);

        counter.fetch_add(1, Relaxed);
    }

    /// Counts one stop of all CPUs. The caller holds the engine's lock, so the minimum and the
    /// maximum can be updated without a compare-and-exchange loop.
    pub(crate) fn count_stop(&self, nanoseconds: u64) {
        let microseconds = nanoseconds / 1000;
        let bucket = (u64::BITS - microseconds.leading_zeros()) as usize;

        self.stops.fetch_add(1, Relaxed);
        self.stopped_ns.fetch_add(nanoseconds, Relaxed);
        self.histogram[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        if nanoseconds < self.stopped_min_ns.load(Relaxed) {
            self.stopped_min_ns.store(nanoseconds, Relaxed);
        }
        if nanoseconds > self.stopped_max_ns.load(Relaxed) {
            self.stopped_max_ns.store(nanoseconds, Relaxed);
        }
    }
}

/// Returns how often the kernel's own users have made `call`.
pub fn calls(call: Call) -> u64 {
    STATS.calls[call as usize].load(Relaxed)
}

/// Returns the number of writes that fell back to C.
pub fn fallbacks() -> u64 {
    STATS.fallbacks.load(Relaxed)
}

/// Shows the counters, in the format that `Documentation/text-patching.rst` describes.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, strategy) in STRATEGIES {
            let counters = &self.strategies[strategy as usize];

            writeln!(
                f,
                "{name}: batches={} edits={}",
                counters.batches.load(Relaxed),
                counters.edits.load(Relaxed)
            )?;
        }
        writeln!(f, "rollbacks: {}", self.rollbacks.load(Relaxed))?;

        write!(f, "provider:")?;
        for (name, counter) in CALLS.iter().zip(&self.calls) {
            write!(f, " {name}={}", counter.load(Relaxed))?;
        }
        writeln!(f, " c_fallbacks={}", self.fallbacks.load(Relaxed))?;

        write!(f, "errors:")?;
        let named = ERRORS.iter().map(|(name, _)| *name).zip(&self.errors);
        let all = Iterator::chain(named, [("other", &self.other_errors)]);
        for (name, counter) in all {
            match counter.load(Relaxed) {
                0 => {}
                count => write!(f, " {name}={count}")?,
            }
        }
        writeln!(f)?;

        let stops = self.stops.load(Relaxed);
        let min = self.stopped_min_ns.load(Relaxed);
        writeln!(
            f,
            "stopped: count={stops} min_ns={} max_ns={} total_ns={}",
            if stops == 0 { 0 } else { min },
            self.stopped_max_ns.load(Relaxed),
            self.stopped_ns.load(Relaxed)
        )?;
        writeln!(f, "stopped_us:")?;
        for (bucket, counter) in self.histogram.iter().enumerate() {
            match counter.load(Relaxed) {
                0 => {}
                count if bucket == BUCKETS - 1 => writeln!(f, " more: {count}")?,
                count => writeln!(f, " <{}: {count}", 1u64 << bucket)?,
            }
        }
        Ok(())
    }
}
