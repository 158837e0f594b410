// SPDX-License-Identifier: GPL-2.0

//! Litmus tests of the barrier patterns on the harts of this machine, with and without barriers.
//!
//! `insmod rust_litmus.ko rounds=1000000` runs all tests. The results are in the log and in
//! `rust_litmus/results` in debugfs: `ok`, `not ok`, or `nothing` if a run is inconclusive.

use kernel::{
    bindings::{
        __cpu_online_mask,
        cpus_read_lock,
        cpus_read_unlock, //
    },
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    cpumask::Cpumask,
    fmt,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        }, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use riscv::{
    barrier::{
        barrier,
        cancel::{
            Cancel,
            Cancelled, //
        },
        message::Message,
        smp_mb,
        smp_store_mb,
        wake_up::WakeUp,
        Full, //
    },
    debugfs::Scope,
    thread::pair,
    timebase::Ticks, //
};

module! {
    type: RustLitmus,
    name: "rust_litmus",
    authors: ["rust-riscv contributors"],
    description: "Litmus tests of barriers on real harts",
    license: "GPL",
    params: {
        rounds: u64 {
            default: 10_000_000,
            description: "Rounds of each test",
        },
        steps: u64 {
            default: 1_000_000,
            description: "Rounds of each test whose sides synchronise before each round",
        },
        seconds: u64 {
            default: 20,
            description: "Maximum duration of such a test in seconds",
        },
    },
}

/// The expected result for a test's marked outcome.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// Must be seen.
    Seen,
    /// Allowed, but not seen on many machines.
    Maybe,
    /// Must not be seen. Conclusive only if the test with this index in [`TESTS`] has seen it.
    Never(usize),
}

struct Test {
    name: &'static str,
    /// The names of the two values of an outcome.
    shown: [&'static str; 2],
    /// The outcome that the barriers forbid.
    marked: [u32; 2],
    expect: Expect,
    /// Whether the two sides synchronise before each round. This is slow.
    steps: bool,
    run: fn(&Setup<'_>) -> Result<Counts>,
}

const SB: [&str; 2] = ["0:r0", "1:r0"];
const MP: [&str; 2] = ["1:r0", "1:r1"];
const SLEEP: [&str; 2] = ["sleeper sees condition", "waker sees sleeper"];

const TESTS: [Test; 10] = [
    Test {
        name: "wake-up+no-barriers",
        shown: SB,
        marked: [0, 0],
        expect: Expect::Seen,
        steps: false,
        run: |setup| store_buffering(setup, false, false),
    },
    Test {
        name: "wake-up+no-waker-barrier",
        shown: SB,
        marked: [0, 0],
        expect: Expect::Maybe,
        steps: false,
        run: |setup| store_buffering(setup, true, false),
    },
    Test {
        name: "wake-up+no-sleeper-barrier",
        shown: SB,
        marked: [0, 0],
        expect: Expect::Maybe,
        steps: false,
        run: |setup| store_buffering(setup, false, true),
    },
    Test {
        name: "wake-up",
        shown: SB,
        marked: [0, 0],
        expect: Expect::Never(0),
        steps: false,
        run: |setup| store_buffering(setup, true, true),
    },
    Test {
        name: "message+no-barriers",
        shown: MP,
        marked: [1, 0],
        expect: Expect::Maybe,
        steps: false,
        run: |setup| message_passing(setup, false),
    },
    Test {
        name: "message",
        shown: MP,
        marked: [1, 0],
        expect: Expect::Never(4),
        steps: false,
        run: |setup| message_passing(setup, true),
    },
    Test {
        name: "WakeUp+no-barriers",
        shown: SLEEP,
        marked: [0, 0],
        expect: Expect::Seen,
        steps: true,
        run: wake_up_without,
    },
    Test {
        name: "WakeUp",
        shown: SLEEP,
        marked: [0, 0],
        expect: Expect::Never(6),
        steps: true,
        run: wake_up,
    },
    Test {
        name: "Cancel",
        shown: ["worker sees flag", "canceller sees worker"],
        marked: [0, 0],
        expect: Expect::Never(6),
        steps: true,
        run: cancel,
    },
    Test {
        name: "Message",
        shown: ["received", "right"],
        marked: [1, 0],
        expect: Expect::Never(4),
        steps: true,
        run: message,
    },
];

/// The results of a number of rounds.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// How often each outcome was seen. Bit 0 of the index is the first value, bit 1 the second.
    states: [u64; 4],
    /// The number of rounds in which the other side was seen to make progress.
    together: u64,
}

impl Counts {
    fn add(&mut self, more: Counts) {
        for (sum, count) in self.states.iter_mut().zip(more.states) {
            *sum += count;
        }
        self.together += more.together;
    }
}

/// The number of rounds after which a test's memory is initialised again.
const BATCH: usize = 100_000;

/// The number of rounds between two synchronisations in a test without steps.
const STRETCH: u32 = 5_000;

/// How long a test is repeated until it has enough rounds for a verdict, in nanoseconds.
const RETRIED: u64 = 60 * NSEC_PER_SEC;

/// A result is inconclusive if the other side made progress in fewer than one in this many rounds.
const TOGETHER: u64 = 1_000;

const NSEC_PER_SEC: u64 = 1_000_000_000;

/// The number of polls for the other side before a side sleeps.
const PATIENCE: u32 = 20_000;

/// A variable in a cache line of its own.
#[repr(align(64))]
struct Line(Atomic<u32>);

struct Setup<'a> {
    cpus: [u32; 2],
    rounds: usize,
    /// The number of synchronisations that each of the two sides has reached.
    at: &'a [Line; 2],
}

impl Setup<'_> {
    /// Waits until the other side has reached synchronisation `number`, counted from 1.
    fn meet(&self, me: usize, number: u32) {
        let mut looks = 0u32;

        self.at[me].store(number);
        while self.at[1 - me].load() < number {
            looks = looks.wrapping_add(1);
            if looks % PATIENCE == 0 {
                // In a guest, the other hart's vCPU thread may be waiting for this host CPU.
                fsleep(Delta::from_micros(20));
            }
        }
    }
}

/// The next Xorshift random number, with which the two sides vary their timing.
fn next(mut random: u32) -> u32 {
    random ^= random << 13;
    random ^= random >> 17;
    random ^ random << 5
}

fn seed() -> u32 {
    ((Ticks::now().as_u64() as u32) << 1) | 1
}

/// One side of a test with steps: synchronises with the other side before each round, delays for a
/// random time, and runs its part. The side that arrives last starts earlier, by the time that its
/// store takes; the delays compensate for that.
fn side(
    setup: &Setup<'_>,
    me: usize,
    seed: u32,
    results: &mut [u8],
    part: impl FnMut(usize) -> u8,
) {
    let mut part = part;
    let mut random = seed;

    for (round, result) in results.iter_mut().enumerate() {
        setup.meet(me, round as u32 + 1);
        random = next(random);
        for _ in 0..random % 512 {
            // Keeps the compiler from removing the loop. litmus: same-cpu
            barrier();
        }
        *result = part(round);
    }
}

/// Runs both sides of a test with steps. Their results in the same round are an outcome.
fn both(
    setup: &Setup<'_>,
    first: impl FnMut(usize) -> u8 + Send,
    second: impl FnMut(usize) -> u8 + Send,
) -> Result<Counts> {
    let mut results = [KVVec::new(), KVVec::new()];

    for list in &mut results {
        list.resize(setup.rounds, 0u8, GFP_KERNEL)?;
    }
    let [r0, r1] = &mut results;
    let seed = seed();
    pair(
        setup.cpus,
        || side(setup, 0, seed, r0, first),
        || side(setup, 1, !seed, r1, second),
    )?;

    let mut counts = Counts::default();
    for (a, b) in results[0].iter().zip(results[1].iter()) {
        counts.states[usize::from((a | b) & 3)] += 1;
    }
    counts.together = setup.rounds as u64;
    Ok(counts)
}

/// Returns a vector with the result of `make` for each round.
fn each<T>(setup: &Setup<'_>, mut make: impl FnMut(usize) -> T) -> Result<KVVec<T>> {
    let mut list = KVVec::with_capacity(setup.rounds, GFP_KERNEL)?;

    for n in 0..setup.rounds {
        list.push(make(n), GFP_KERNEL)?;
    }
    Ok(list)
}

fn line(_: usize) -> Line {
    Line(Atomic::new(0))
}

/// Relaxed stores and loads without the call of a C helper that [`Atomic::store`] and
/// [`Atomic::load`] make: it takes longer than draining the store buffer.
impl Line {
    #[inline(always)]
    fn store(&self, value: u32) {
        // SAFETY: `write_volatile()` requires a valid, aligned pointer, which `as_ptr()` returns. A
        // volatile access of a `u32` is atomic (`WRITE_ONCE()`), so it may race with others.
        unsafe { self.0.as_ptr().write_volatile(value) };
    }

    #[inline(always)]
    fn load(&self) -> u32 {
        // SAFETY: As in `store` (`READ_ONCE()`).
        unsafe { self.0.as_ptr().read_volatile() }
    }
}

/// One side of a test without steps: calls `part` with increasing numbers, and records the results.
/// The delays are short and random, so that the two sides drift.
fn freely(
    setup: &Setup<'_>,
    me: usize,
    seed: u32,
    seen: &mut [u32],
    mut part: impl FnMut(u32) -> u32,
) {
    let mut random = seed;

    for (n, seen) in (1..).zip(seen.iter_mut()) {
        // From time to time, so that harts that share a host CPU do not alternate in long slices.
        if n % STRETCH == 1 {
            setup.meet(me, n);
        }
        *seen = part(n);
        random = next(random);
        for _ in 0..random % 8 {
            // litmus: same-cpu
            barrier();
        }
    }
}

fn list(setup: &Setup<'_>) -> Result<KVVec<u32>> {
    let mut list = KVVec::new();

    list.resize(setup.rounds, 0, GFP_KERNEL)?;
    Ok(list)
}

/// Store buffering without steps: the first side stores n to x and reads y, the second stores m to
/// y and reads x. A round of the first side is evaluated with two rounds of the second: the last
/// one that it saw, and the first one that it did not see.
fn store_buffering(setup: &Setup<'_>, first: bool, second: bool) -> Result<Counts> {
    let (x, y) = (&line(0), &line(0));
    let (mut saw_y, mut saw_x) = (list(setup)?, list(setup)?);
    let seed = seed();

    pair(
        setup.cpus,
        || {
            freely(setup, 0, seed, &mut saw_y, |n| {
                if first {
                    // litmus: wake-up
                    smp_store_mb(&x.0, n);
                } else {
                    x.store(n);
                }
                y.load()
            })
        },
        || {
            freely(setup, 1, !seed, &mut saw_x, |m| {
                y.store(m);
                if second {
                    // litmus: wake-up
                    smp_mb(Full);
                }
                x.load()
            })
        },
    )?;

    let mut counts = Counts::default();
    let mut last = 0;
    for (n, &seen) in (1..).zip(saw_y.iter()) {
        // Whether round `m` of the second side, counted from 1, saw this round.
        let saw = |m: u32| {
            saw_x
                .get((m as usize).wrapping_sub(1))
                .map(|&seen| seen >= n)
        };

        if let Some(too) = saw(seen) {
            counts.states[1 | usize::from(too) << 1] += 1;
        }
        if let Some(too) = saw(seen + 1) {
            counts.states[usize::from(too) << 1] += 1;
        }
        counts.together += u64::from(seen != core::mem::replace(&mut last, seen));
    }
    Ok(counts)
}

/// Message passing without steps: the first side stores n to the data, then to the flag. The values
/// of an outcome are whether the second side saw a new flag, and whether the data was at least as
/// new.
fn message_passing(setup: &Setup<'_>, ordered: bool) -> Result<Counts> {
    let (data, ready) = (&line(0), &line(0));
    let (mut unused, mut result) = (list(setup)?, list(setup)?);
    let mut last = 0;
    let seed = seed();

    pair(
        setup.cpus,
        || {
            freely(setup, 0, seed, &mut unused, |n| {
                data.store(n);
                if ordered {
                    // litmus: message
                    ready.0.store(n, Release);
                } else {
                    ready.store(n);
                }
                0
            })
        },
        || {
            freely(setup, 1, !seed, &mut result, |_| {
                let flag = if ordered {
                    // litmus: message
                    ready.0.load(Acquire)
                } else {
                    ready.load()
                };
                let right = data.load() >= flag;
                let new = flag != core::mem::replace(&mut last, flag);
                u32::from(new) | u32::from(right) << 1
            })
        },
    )?;

    let mut counts = Counts::default();
    for &state in result.iter() {
        counts.states[(state & 3) as usize] += 1;
        counts.together += u64::from(state & 1);
    }
    Ok(counts)
}

/// A value in a cache line of its own: a later load can overtake a store that has to fetch its
/// cache line.
#[repr(align(64))]
struct Apart<T>(T);

/// `WakeUp` without its barriers, and with a store instead of `xchg()`, which is a full barrier on
/// an x86 host. It shows whether the runner can detect missing barriers on this machine. The stores
/// are inlined and in cache lines of their own, so that fewer rounds are needed.
struct Unordered {
    asleep: Apart<Line>,
    condition: Apart<Line>,
}

fn wake_up_without(setup: &Setup<'_>) -> Result<Counts> {
    let shared = &each(setup, |n| Unordered {
        asleep: Apart(line(n)),
        condition: Apart(line(n)),
    })?;

    both(
        setup,
        |n| {
            shared[n].asleep.0.store(1);
            shared[n].condition.0.load() as u8
        },
        |n| {
            shared[n].condition.0.store(1);
            (shared[n].asleep.0.load() as u8) << 1
        },
    )
}

fn wake_up(setup: &Setup<'_>) -> Result<Counts> {
    let mut shared = each(setup, |_| Apart(WakeUp::new()))?;
    let (mut sleepers, mut wakers) = (KVVec::new(), KVVec::new());

    for one in shared.iter_mut() {
        let (sleeper, waker) = one.0.split();
        sleepers.push(sleeper, GFP_KERNEL)?;
        wakers.push(waker, GFP_KERNEL)?;
    }
    both(
        setup,
        |n| match sleepers[n].prepare() {
            // Not dropped: a later waker must still see that the sleeper is asleep.
            Some(asleep) => {
                core::mem::forget(asleep);
                0
            }
            None => 1,
        },
        |n| u8::from(wakers[n].set()) << 1,
    )
}

fn cancel(setup: &Setup<'_>) -> Result<Counts> {
    let mut shared = each(setup, |_| Apart(Cancel::new()))?;
    let (mut workers, mut cancellers) = (KVVec::new(), KVVec::new());

    for one in shared.iter_mut() {
        let (worker, canceller) = one.0.split();
        workers.push(worker, GFP_KERNEL)?;
        cancellers.push(canceller, GFP_KERNEL)?;
    }
    both(
        setup,
        |n| match workers[n].start() {
            Some(running) => {
                core::mem::forget(running);
                0
            }
            None => 1,
        },
        |n| u8::from(cancellers[n].cancel() == Cancelled::StillRunning) << 1,
    )
}

fn message(setup: &Setup<'_>) -> Result<Counts> {
    let mut shared = each(setup, |_| Apart(Message::new()))?;
    let (mut senders, mut receivers) = (KVVec::new(), KVVec::new());

    for one in shared.iter_mut() {
        let (sender, receiver) = one.0.split();
        senders.push(Some(sender), GFP_KERNEL)?;
        receivers.push(receiver, GFP_KERNEL)?;
    }
    both(
        setup,
        |n| {
            if let Some(sender) = senders[n].take() {
                sender.send(!n);
            }
            0
        },
        |n| match receivers[n].receive() {
            Some(received) => 1 | u8::from(received == !n) << 1,
            None => 0,
        },
    )
}

struct Outcome {
    counts: Counts,
    /// The number of rounds that were requested.
    wanted: u64,
    nanoseconds: u64,
}

impl Outcome {
    fn add(&mut self, more: Outcome) {
        self.counts.add(more.counts);
        self.nanoseconds += more.nanoseconds;
    }

    fn marked(&self, test: &Test) -> u64 {
        self.counts.states[(test.marked[0] | test.marked[1] << 1) as usize]
    }

    fn rounds(&self) -> u64 {
        self.counts.states.iter().sum()
    }

    /// Whether the two sides ran at the same time often enough for a conclusive result.
    fn is_together(&self) -> bool {
        self.counts.together >= (self.wanted / TOGETHER).max(1)
    }

    /// Whether the rounds so far are enough for a verdict.
    fn is_enough(&self, test: &Test) -> bool {
        match test.expect {
            Expect::Seen => self.marked(test) > 0,
            Expect::Never(_) => self.marked(test) > 0 || self.is_together(),
            Expect::Maybe => true,
        }
    }
}

#[derive(PartialEq)]
enum Verdict {
    Passed(&'static str),
    Failed(&'static str),
    /// The run is inconclusive.
    Nothing(&'static str),
}

struct Results(KVec<Outcome>);

impl Results {
    fn verdict(&self, n: usize) -> Verdict {
        let test = &TESTS[n];
        let seen = self.0[n].marked(test);

        match test.expect {
            Expect::Seen if seen > 0 => Verdict::Passed("seen, as expected"),
            Expect::Seen => Verdict::Failed("not seen, so tests that rely on it are inconclusive"),
            Expect::Maybe if seen > 0 => Verdict::Passed("seen, and allowed"),
            Expect::Maybe => Verdict::Nothing("allowed, but not seen on this machine"),
            Expect::Never(_) if seen > 0 => Verdict::Failed("SEEN despite the barriers"),
            Expect::Never(_) if !self.0[n].is_together() => {
                Verdict::Nothing("not seen, but the two harts rarely ran at the same time")
            }
            Expect::Never(bare) if self.0[bare].marked(&TESTS[bare]) > 0 => {
                Verdict::Passed("not seen; seen without the barriers")
            }
            Expect::Never(_) => Verdict::Nothing("not seen with or without the barriers"),
        }
    }

    fn show(&self, n: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (test, outcome) = (&TESTS[n], &self.0[n]);
        let states = outcome.counts.states.iter().filter(|&&count| count > 0);
        let (seen, rounds) = (outcome.marked(test), outcome.rounds());
        let [left, right] = test.shown;
        let observation = match seen {
            0 => "Never",
            _ if seen == rounds => "Always",
            _ => "Sometimes",
        };

        writeln!(f, "Test {} Allowed", test.name)?;
        writeln!(f, "Histogram ({} states)", states.count())?;
        for (state, &count) in outcome.counts.states.iter().enumerate() {
            let (a, b) = (state as u32 & 1, state as u32 >> 1);
            let mark = if [a, b] == test.marked { '*' } else { ':' };

            if count > 0 {
                writeln!(f, "{count:<8}{mark}>{left}={a}; {right}={b};")?;
            }
        }
        writeln!(f, "{}", if seen > 0 { "Ok" } else { "No" })?;
        writeln!(
            f,
            "Witnesses\nPositive: {seen}, Negative: {}",
            rounds - seen
        )?;
        let [a, b] = test.marked;
        writeln!(f, "Condition exists ({left}={a} /\\ {right}={b})")?;
        writeln!(
            f,
            "Observation {} {observation} {seen} {}",
            test.name,
            rounds - seen
        )?;
        writeln!(f, "Together {} {}", test.name, outcome.counts.together)?;
        let ms = outcome.nanoseconds / 1_000_000;
        writeln!(f, "Time {} {}.{:03}", test.name, ms / 1000, ms % 1000)?;
        match self.verdict(n) {
            Verdict::Passed(why) => writeln!(f, "ok {}: {why}", test.name),
            Verdict::Failed(why) => writeln!(f, "not ok {}: {why}", test.name),
            Verdict::Nothing(why) => writeln!(f, "nothing {}: {why}", test.name),
        }
    }

    fn sum(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut passed, mut failed, mut nothing) = (0, 0, 0);

        for n in 0..self.0.len() {
            match self.verdict(n) {
                Verdict::Passed(_) => passed += 1,
                Verdict::Failed(_) => failed += 1,
                Verdict::Nothing(_) => nothing += 1,
            }
        }
        if nothing > 0 {
            writeln!(f, "{nothing} inconclusive")?;
        }
        write!(f, "{passed} passed, {failed} failed")
    }
}

/// A value that a function formats.
struct Show<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Show<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// A guard that keeps CPUs from going offline.
struct CpusHeld;

impl CpusHeld {
    fn new() -> CpusHeld {
        // SAFETY: `cpus_read_lock()` may be called where the task may sleep, as in a module's
        // `init`. The guard releases the lock in the same task, since it does not leave `init`.
        unsafe { cpus_read_lock() };
        CpusHeld
    }
}

impl Drop for CpusHeld {
    fn drop(&mut self) {
        // SAFETY: `cpus_read_unlock()` requires that this task holds the lock, which `new` took.
        unsafe { cpus_read_unlock() };
    }
}

fn is_online(cpu: u32) -> bool {
    // SAFETY: `from_raw()` requires a valid pointer to a mask that does not change. The mask is
    // static, and does not change while the caller holds `CpusHeld`.
    let online = unsafe { Cpumask::from_raw(&raw const __cpu_online_mask) };

    CpuId::from_u32(cpu).is_some_and(|cpu| online.test(cpu))
}

/// Runs a test on all pairs of neighbouring CPUs in turn, in batches of [`BATCH`] rounds, of which
/// none begins after `limit` nanoseconds.
fn run(test: &Test, cpus: &[u32], rounds: u64, limit: u64) -> Result<Outcome> {
    let at = [line(0), line(1)];
    let start = Ticks::now();
    let mut counts = Counts::default();
    let mut left = rounds;

    for pair in cpus.windows(2).cycle() {
        let setup = Setup {
            cpus: [pair[0], pair[1]],
            rounds: left.min(BATCH as u64) as usize,
            at: &at,
        };
        for at in &at {
            at.store(0);
        }
        counts.add((test.run)(&setup)?);
        left -= setup.rounds as u64;
        if left == 0 || Ticks::now().since(start) > limit {
            break;
        }
    }
    Ok(Outcome {
        counts,
        wanted: rounds,
        nanoseconds: Ticks::now().since(start),
    })
}

struct RustLitmus(#[expect(dead_code)] Pin<KBox<Scope<Results>>>);

impl kernel::Module for RustLitmus {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let rounds = riscv::compat::parameter::<u64>(module_parameters::rounds.value()).max(1);
        let steps = riscv::compat::parameter::<u64>(module_parameters::steps.value()).max(1);
        let seconds = riscv::compat::parameter::<u64>(module_parameters::seconds.value());
        let mut results = Results(KVec::new());
        {
            let _held = CpusHeld::new();
            let mut cpus = KVec::new();
            for cpu in (0..nr_cpu_ids()).filter(|&cpu| is_online(cpu)) {
                cpus.push(cpu, GFP_KERNEL)?;
            }
            if cpus.len() < 2 {
                pr_err!("at least two harts are needed\n");
                return Err(ENODEV);
            }
            for (n, test) in TESTS.iter().enumerate() {
                // Synchronising harts that share a host CPU takes long: limit the time.
                let (rounds, limit) = if test.steps {
                    (steps, seconds.saturating_mul(NSEC_PER_SEC))
                } else {
                    (rounds, u64::MAX)
                };
                let mut outcome = run(test, &cpus, rounds, limit)?;

                // On a busy host, a guest's harts may not have run at the same time.
                while !outcome.is_enough(test) && outcome.nanoseconds < RETRIED {
                    outcome.add(run(test, &cpus, rounds, limit)?);
                }
                results.0.push(outcome, GFP_KERNEL)?;
                pr_info!("{}", Show(|f| results.show(n, f)));
            }
            pr_info!("{} harts, rounds={rounds} steps={steps}\n", cpus.len());
        }
        pr_info!("{}\n", Show(|f| results.sum(f)));

        // SAFETY: `dir()` requires that no later step of `init` fails, and none does; and that the
        // scope is dropped before the module is unloaded: the module's data contains it.
        let files = unsafe {
            Scope::dir(results, c"rust_litmus", |results, dir| {
                dir.read_callback_file(c"results", results, &|results, f| {
                    for n in 0..results.0.len() {
                        results.show(n, f)?;
                        writeln!(f)?;
                    }
                    results.sum(f)?;
                    writeln!(f)
                });
            })
        };
        Ok(RustLitmus(KBox::pin_init(files, GFP_KERNEL)?))
    }
}
