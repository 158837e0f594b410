// SPDX-License-Identifier: GPL-2.0

//! Delays at named points, for tests: they make races likely that are rare otherwise.
//!
//! Only in a kernel with KUnit; elsewhere [`at`] is nothing. The delays are busy waits, and this is
//! called in any context, also in the handler of a breakpoint at the first instruction of some
//! function: nothing here calls anything. So the atomics are the library's.

use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

use crate::time::Ticks;

/// A point between two steps whose order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Point {
    /// A hart has run into a breakpoint, and has not looked up yet what it is about.
    Trapped,
    /// A table of guarded edits is published, and none of their breakpoints is written.
    Published,
    /// A breakpoint of a few bytes is seen by all harts, and what is behind it is not written.
    StoodIn,
    /// Text is written, and no other hart has flushed its instruction cache.
    Stored,
    /// All harts have flushed, and the writer goes on.
    Flushed,
    /// The last breakpoint of guarded edits is gone, and their table is still there.
    Unguarded,
    /// A forbidden access was found, its VMA is unlocked, and it is not reported yet.
    Unlocked,
}

impl Point {
    /// How many.
    const COUNT: usize = Point::Unlocked as usize + 1;

    /// One in how many visits is delayed. Traps are many.
    const fn rarity(self) -> u64 {
        match self {
            Point::Trapped => 1024,
            _ => 2,
        }
    }
}

/// The longest delay at all, in ticks: less than what the detectors of lockups wait for.
const MOST: u64 = 100_000_000;

/// The longest random delay that may be asked for, in microseconds: interrupts are off meanwhile.
pub const MOST_US: u32 = 10_000;

/// The longest random delay in ticks of the timebase; 0 for none.
///
/// Relaxed, as all here: nothing is read through it.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// The state of the random numbers.
static STATE: AtomicU64 = AtomicU64::new(0);

/// The delay of each point in ticks, whatever the random one would be; 0 for none.
static FIXED: [AtomicU64; Point::COUNT] = [const { AtomicU64::new(0) }; Point::COUNT];

/// How many CPUs wait at each point now.
static WAITING: [AtomicU64; Point::COUNT] = [const { AtomicU64::new(0) }; Point::COUNT];

/// Delays all points at random from now on, by at most `longest` ticks; 0 ends that.
///
/// The same `seed` gives the same delays in the same order, whichever hart comes for one.
pub fn start(seed: u64, longest: u64) {
    STATE.store(seed, Ordering::Relaxed);
    LONGEST.store(longest.min(MOST), Ordering::Relaxed);
}

/// Delays every visit of `point` by `ticks`, until this is called with 0.
pub fn delay(point: Point, ticks: u64) {
    FIXED[point as usize].store(ticks.min(MOST), Ordering::Relaxed);
}

/// How many CPUs wait at `point` now.
pub fn waiting(point: Point) -> u64 {
    WAITING[point as usize].load(Ordering::Relaxed)
}

/// Waits here if a test wants it. Any context.
#[inline(always)]
pub fn at(point: Point) {
    if !cfg!(CONFIG_KUNIT) {
        return;
    }
    let ticks = FIXED[point as usize].load(Ordering::Relaxed);

    if ticks > 0 {
        return wait(point, ticks);
    }
    let longest = LONGEST.load(Ordering::Relaxed);

    if longest > 0 {
        let random = random();

        if random % point.rarity() == 0 {
            wait(point, (random >> 32) % longest);
        }
    }
}

#[inline(always)]
fn wait(point: Point, ticks: u64) {
    let start = Ticks::now().as_u64();

    WAITING[point as usize].fetch_add(1, Ordering::Relaxed);
    while Ticks::now().as_u64().wrapping_sub(start) < ticks {}
    WAITING[point as usize].fetch_sub(1, Ordering::Relaxed);
}

/// The next random number: SplitMix64.
#[inline(always)]
fn random() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);

    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
