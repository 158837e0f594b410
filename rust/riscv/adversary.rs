// SPDX-License-Identifier: GPL-2.0

//! Delays at named points, which make rare races likely, and functions that are called at named
//! places, for tests.
//!
//! Only in a kernel with KUnit; elsewhere [`at`] is a no-op. The delays are busy waits. [`at`] is
//! called in any context, including the handler of a breakpoint at the first instruction of any
//! function. So it calls no functions, and uses the atomics of `core`.
//!
//! # Examples
//!
//! ```
//! use riscv::adversary::{self, Point};
//!
//! adversary::at(Point::Stored); // No delay, unless a test has requested one.
//! ```

use core::sync::atomic::{
    AtomicPtr,
    AtomicU64,
    Ordering, //
};

use crate::timebase::Ticks;

/// A point between two steps whose order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Point {
    /// A hart has hit a breakpoint, and has not looked it up yet.
    Trapped,
    /// A table of guarded edits is published, and none of their breakpoints is written yet.
    Published,
    /// The stand-in of an edit is visible to all harts, and its tail is not written yet.
    StoodIn,
    /// Text is written, and no other hart has flushed its instruction cache yet.
    Stored,
    /// All harts have flushed, and the writer has not continued yet.
    Flushed,
    /// The last breakpoint of guarded edits is removed, and their table is still published.
    Unguarded,
    /// A forbidden access was found and its VMA unlocked, and it is not reported yet.
    Unlocked,
}

impl Point {
    /// The number of points.
    const COUNT: usize = Point::Unlocked as usize + 1;

    /// One in this many visits is delayed. Traps are frequent.
    const fn rarity(self) -> u64 {
        match self {
            Point::Trapped => 1024,
            _ => 2,
        }
    }
}

/// A place where every CPU calls a function, if a test has requested it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Place {
    /// Before a CPU arrives at a rendezvous, with interrupts off.
    BeforeStop,
    /// When it leaves, interrupts still off, and has executed `fence.i`.
    AfterStop,
}

/// The maximum of any delay, in ticks: less than the limits of the lockup detectors.
const MOST: u64 = 100_000_000;

/// The maximum of `adversary_us`, in microseconds: interrupts can be off during the delay.
pub const MOST_US: u32 = 10_000;

/// The longest random delay in ticks of the timebase; 0 for none.
///
/// Relaxed, as all atomics here: no access depends on it.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// The state of the random number generator.
static STATE: AtomicU64 = AtomicU64::new(0);

/// The fixed delay of each point in ticks, which overrides the random one; 0 for none.
static FIXED: [AtomicU64; Point::COUNT] = [const { AtomicU64::new(0) }; Point::COUNT];

/// The number of CPUs that are waiting at each point.
static WAITING: [AtomicU64; Point::COUNT] = [const { AtomicU64::new(0) }; Point::COUNT];

/// The function that is called at each place; null for none.
static CALLED: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];

/// Delays all points at random from now on, by at most `longest` ticks, or not if that is 0.
///
/// The same `seed` gives the same delays in the same order, regardless of which hart gets them.
pub fn start(seed: u64, longest: u64) {
    STATE.store(seed, Ordering::Relaxed);
    LONGEST.store(longest.min(MOST), Ordering::Relaxed);
}

/// Delays every visit of `point` by `ticks`, until this is called with 0.
pub fn delay(point: Point, ticks: u64) {
    FIXED[point as usize].store(ticks.min(MOST), Ordering::Relaxed);
}

/// Returns the number of CPUs that are waiting at `point`.
pub fn waiting(point: Point) -> u64 {
    WAITING[point as usize].load(Ordering::Relaxed)
}

/// Waits if a test has requested it for `point`. Any context.
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

/// Has every CPU call `function` at `place`, until this is called with `None`.
///
/// # Safety
///
/// - The function is in `.kprobes.text`, does not sleep, and calls nothing that can be traced.
/// - It may be called until this has been called with `None`, and every CPU that was at `place`
///   then has left it.
pub unsafe fn call(place: Place, function: Option<fn()>) {
    let function = function.map_or(core::ptr::null_mut(), |function| function as *mut ());

    CALLED[place as usize].store(function, Ordering::Relaxed);
}

/// Calls the function of `place`, if there is one.
#[inline(always)]
pub(crate) fn called_at(place: Place) {
    if !cfg!(CONFIG_KUNIT) {
        return;
    }
    let function = CALLED[place as usize].load(Ordering::Relaxed);

    if !function.is_null() {
        // SAFETY: Only `call` stores here: a function that may be called.
        unsafe { core::mem::transmute::<*mut (), fn()>(function)() };
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
