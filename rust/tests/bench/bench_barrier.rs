// SPDX-License-Identifier: GPL-2.0

//! A benchmark of barriers in C and in Rust, and of the rendezvous with a superfluous barrier.
//!
//! It runs at `insmod`; `rust_riscv_bench_barrier/samples` in debugfs has lines for `make bench`.

use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    }, //
};

use riscv::{
    barrier::{
        barrier,
        dma_mb,
        mb,
        smp_mb,
        smp_store_mb,
        Full,
        Read,
        Write, //
    },
    debugfs::Scope,
    stop_machine::protocol::{
        run_on_last,
        Arrivals, //
    },
    thread::pair,
    timebase::Ticks, //
};

#[path = "../kunit/support/bindings.rs"]
mod bindings;

module! {
    type: Bench,
    name: "rust_riscv_bench_barrier",
    authors: ["rust-riscv contributors"],
    description: "What barriers cost, in C and in Rust",
    license: "GPL",
    params: {
        pairs: u32 {
            default: 5,
            description: "Samples of each side",
        },
        loops: u32 {
            default: 500_000,
            description: "How often each barrier is repeated for a sample",
        },
        rounds: u32 {
            default: 100,
            description: "Rounds of 100 rendezvous of two CPUs for a sample; 0 for none",
        },
    },
}

/// Repeats an operation, and returns the nanoseconds that all repetitions took.
#[inline(always)]
fn repeat(loops: u32, op: impl Fn()) -> u64 {
    let start = Ticks::now();

    for _ in 0..loops {
        op();
        barrier();
    }
    Ticks::now().since(start)
}

/// Like [`repeat`], with the operation and the loop in C.
fn repeat_in_c(loops: u32, op: bindings::rust_riscv_test_op) -> u64 {
    let start = Ticks::now();

    // SAFETY: The helper only repeats barriers and accesses to an atomic of its own.
    unsafe { bindings::rust_riscv_test_repeat(op, loops as usize) };
    Ticks::now().since(start)
}

/// A sample of a figure: on one side, `count` operations took `nanoseconds`.
struct Sample {
    name: &'static str,
    side: &'static str,
    nanoseconds: u64,
    count: u32,
}

struct Samples(KVec<Sample>);

impl Samples {
    fn push(&mut self, name: &'static str, side: &'static str, count: u32, ns: u64) -> Result {
        let sample = Sample {
            name,
            side,
            nanoseconds: ns,
            count,
        };
        Ok(self.0.push(sample, GFP_KERNEL)?)
    }

    /// Takes a sample of a barrier in C and one in Rust.
    #[inline(always)]
    fn both(
        &mut self,
        name: &'static str,
        loops: u32,
        in_c: bindings::rust_riscv_test_op,
        op: impl Fn(),
    ) -> Result {
        self.push(name, "c", loops, repeat_in_c(loops, in_c))?;
        self.push(name, "rust", loops, repeat(loops, op))
    }

    fn barriers(&mut self, loops: u32) -> Result {
        let word = Atomic::new(0u32);

        self.both(
            "nothing",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_NOTHING,
            || (),
        )?;
        self.both(
            "compiler",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_COMPILER,
            barrier,
        )?;
        self.both(
            "store",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_STORE,
            || word.store(1, Relaxed),
        )?;
        self.both(
            "store-release",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_STORE_RELEASE,
            || word.store(1, Release),
        )?;
        self.both(
            "smp-store-mb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_STORE_MB,
            || smp_store_mb(&word, 1),
        )?;
        self.both(
            "load",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_LOAD,
            || _ = word.load(Relaxed),
        )?;
        self.both(
            "load-acquire",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_LOAD_ACQUIRE,
            || _ = word.load(Acquire),
        )?;
        self.both(
            "fetch-add",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_ADD,
            || _ = word.fetch_add(1, Relaxed),
        )?;
        self.both(
            "fetch-add-full",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_ADD_FULL,
            || _ = word.fetch_add(1, Full),
        )?;
        self.both(
            "smp-mb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_SMP_MB,
            || smp_mb(Full),
        )?;
        self.both(
            "smp-rmb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_SMP_RMB,
            || smp_mb(Read),
        )?;
        self.both(
            "smp-wmb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_SMP_WMB,
            || smp_mb(Write),
        )?;
        self.both(
            "mb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_MB,
            || mb(Full),
        )?;
        self.both(
            "rmb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_RMB,
            || mb(Read),
        )?;
        self.both(
            "wmb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_WMB,
            || mb(Write),
        )?;
        self.both(
            "dma-rmb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_DMA_RMB,
            || dma_mb(Read),
        )?;
        self.both(
            "dma-wmb",
            loops,
            bindings::rust_riscv_test_op_RUST_RISCV_TEST_DMA_WMB,
            || dma_mb(Write),
        )?;
        Ok(())
    }

    /// Takes a sample of the rendezvous with a full barrier after each read of the counter, and one
    /// of the rendezvous as it is.
    fn rendezvous(&mut self, rounds: u32) -> Result {
        let full = round_of::<Superfluous>(rounds)?;
        self.push("rendezvous", "full", ROUND as u32, full)?;
        let ours = round_of::<Enough>(rounds)?;
        self.push("rendezvous", "rust", ROUND as u32, ours)
    }
}

impl Samples {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for s in &self.0 {
            let ps = s.nanoseconds * 1000 / u64::from(s.count.max(1));
            let (ns, ps) = (ps / 1000, ps % 1000);
            writeln!(f, "sample barrier-{} ns {} {ns}.{ps:03}", s.name, s.side)?;
        }
        Ok(())
    }
}

/// A counter with the orderings of `KernelCounter`, which the rendezvous uses.
#[derive(Default)]
struct Enough(Count);

/// Like [`Enough`], with a full barrier after each read by a waiter, as in earlier versions of C.
#[derive(Default)]
struct Superfluous(Count);

struct Count(Atomic<u32>);

impl Default for Count {
    fn default() -> Count {
        Count(Atomic::new(0))
    }
}

impl Arrivals for Enough {
    fn arrive(&self) -> u32 {
        self.0 .0.fetch_add(1, Full) + 1
    }

    fn release(&self) {
        self.0 .0.fetch_add(1, Release);
    }

    fn arrived(&self) -> u32 {
        self.0 .0.load(Acquire)
    }

    fn cpu_relax() {
        core::hint::spin_loop();
    }
}

impl Arrivals for Superfluous {
    fn arrive(&self) -> u32 {
        self.0 .0.fetch_add(1, Full) + 1
    }

    fn release(&self) {
        self.0 .0.fetch_add(1, Release);
    }

    fn arrived(&self) -> u32 {
        let count = self.0 .0.load(Acquire);
        smp_mb(Full);
        count
    }

    fn cpu_relax() {
        core::hint::spin_loop();
    }
}

/// The number of rendezvous that are timed together.
const ROUND: usize = 100;

/// Returns the nanoseconds that two CPUs take for [`ROUND`] rendezvous: the median of many rounds,
/// since in a guest a hart may be preempted by the host during a round.
fn round_of<C: Arrivals + Default + Sync>(rounds: u32) -> Result<u64> {
    let mut counters = KVVec::<C>::with_capacity((rounds as usize + 1) * ROUND, GFP_KERNEL)?;
    let mut times = KVec::with_capacity(rounds as usize, GFP_KERNEL)?;

    for _ in 0..(rounds as usize + 1) * ROUND {
        counters.push(C::default(), GFP_KERNEL)?;
    }
    // The first round is not timed, since the threads do not start at the same time.
    let (first, counters) = counters.split_at(ROUND);
    let meet_all = |counters: &[C]| {
        for counter in counters {
            run_on_last(counter, 2, || ());
        }
    };
    pair(
        [0, 1],
        || {
            meet_all(first);
            for round in counters.chunks_exact(ROUND) {
                let start = Ticks::now();
                meet_all(round);
                // Does not fail: the capacity was allocated above.
                let _ = times.push(Ticks::now().since(start), GFP_ATOMIC);
            }
        },
        || {
            meet_all(first);
            counters.chunks_exact(ROUND).for_each(meet_all);
        },
    )?;
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or(EINVAL)
}

struct Bench(#[expect(dead_code)] Pin<KBox<Scope<Samples>>>);

impl kernel::Module for Bench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut samples = Samples(KVec::new());
        let loops = riscv::compat::parameter::<u32>(module_parameters::loops.value());
        let rounds = riscv::compat::parameter::<u32>(module_parameters::rounds.value());

        for _ in 0..riscv::compat::parameter::<u32>(module_parameters::pairs.value()) {
            samples.barriers(loops)?;
            if rounds > 0 {
                samples.rendezvous(rounds)?;
            }
        }

        // SAFETY: This is the last step that can fail, and the files are dropped with the module's
        // data, before its text is freed.
        let files = unsafe {
            Scope::dir(samples, c"rust_riscv_bench_barrier", |samples, dir| {
                dir.read_callback_file(c"samples", samples, &|samples, f| samples.show(f));
            })
        };
        Ok(Bench(KBox::pin_init(files, GFP_KERNEL)?))
    }
}
