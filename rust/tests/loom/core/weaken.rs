// SPDX-License-Identifier: GPL-2.0

//! The orderings that a model executes, and weakening one of them.
//!
//! An ordering is identified by its place in the source and the thread that executes it: in two
//! threads, the same function has two orderings.

use std::{
    cell::RefCell,
    fmt,
    panic::Location,
    sync::atomic::Ordering, //
};

/// What a fence orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Orders earlier loads before all later accesses.
    Read,
    /// Orders all earlier accesses before later stores. (Loom has no fence for stores only.)
    Write,
    /// Orders everything except an earlier store before a later load.
    Both,
    /// Orders everything.
    Full,
}

/// An ordering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    file: String,
    line: u32,
    what: String,
    thread: String,
}

/// Includes the line, which changes with the source.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Site {
            file,
            line,
            what,
            thread,
        } = self;

        write!(f, "{file}:{line} {what} in {thread}")
    }
}

impl Site {
    /// Returns a readable name: without the line, but with a number if it is not the first of `all`
    /// with that name.
    pub fn name(&self, all: &[(Site, &[Weaker])]) -> String {
        let Site {
            file,
            line,
            what,
            thread,
        } = self;
        let file = file.rsplit('/').next().unwrap();
        let before = all
            .iter()
            .filter(|(other, _)| {
                (&other.file, &other.what, &other.thread) == (&self.file, what, thread)
                    && other.line < *line
            })
            .count();

        match before {
            0 => format!("{file} {what} in {thread}"),
            n => format!("{file} {what} ({}) in {thread}", n + 1),
        }
    }
}

/// The name of what an ordering can be weakened to.
pub type Weaker = &'static str;

#[derive(Default)]
struct State {
    /// Every ordering that was executed, and what it can be weakened to.
    seen: Vec<(Site, &'static [Weaker])>,
    /// The ordering that is weakened, and what it is weakened to.
    weakened: Option<(String, String)>,
}

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static STATE: RefCell<State> = RefCell::default();
}

/// Weakens one ordering from now on.
pub fn weaken(site: &str, to: &str) {
    STATE.with_borrow_mut(|state| state.weakened = Some((site.into(), to.into())));
}

/// Returns all orderings that were executed so far, and what each can be weakened to.
pub fn seen() -> Vec<(Site, &'static [Weaker])> {
    STATE.with_borrow(|state| state.seen.clone())
}

/// Returns the name of the current thread of the model.
pub fn thread() -> String {
    loom::thread::current().name().unwrap_or("main").into()
}

/// Returns the path relative to the folder of our code.
fn place(file: &str) -> &str {
    file.rsplit("../").next().unwrap_or(file)
}

/// Records an ordering, and returns what it is weakened to, if it is the one to weaken.
fn go_through(file: &str, line: u32, what: &str, weaker: &'static [Weaker]) -> Option<Weaker> {
    let site = Site {
        file: place(file).into(),
        line,
        what: what.into(),
        thread: thread(),
    };

    STATE
        .with_borrow_mut(|state| {
            if !state.seen.iter().any(|(seen, _)| *seen == site) {
                state.seen.push((site.clone(), weaker));
            }
            let (weakened, to) = state.weakened.as_ref()?;
            weaker
                .iter()
                .find(|weak| *weakened == site.to_string() && *to == **weak)
        })
        .copied()
}

/// Returns the ordering of an access in a file, weakened if it is the one to weaken.
pub fn order_at(file: &str, line: u32, what: &str, order: Ordering) -> Ordering {
    let weaker: &[Weaker] = match order {
        Ordering::Relaxed => return order,
        Ordering::AcqRel => &["relaxed", "acquire", "release"],
        _ => &["relaxed"],
    };

    match go_through(file, line, what, weaker) {
        Some("relaxed") => Ordering::Relaxed,
        Some("acquire") => Ordering::Acquire,
        Some("release") => Ordering::Release,
        _ => order,
    }
}

/// Like [`order_at`], for the caller's place in the source.
#[track_caller]
pub fn order(what: &str, order: Ordering) -> Ordering {
    let at = Location::caller();

    order_at(at.file(), at.line(), what, order)
}

/// Executes a fence in a file, weakened if it is the one to weaken.
pub fn fence_at(file: &str, line: u32, what: &str, fence: Fence) {
    let (order, weaker): (_, &[Weaker]) = match fence {
        Fence::Read => (Ordering::Acquire, &["nothing"]),
        Fence::Write => (Ordering::Release, &["nothing"]),
        Fence::Both => (Ordering::AcqRel, &["nothing", "acquire", "release"]),
        Fence::Full => (Ordering::SeqCst, &["nothing", "acquire and release"]),
    };
    let order = match go_through(file, line, what, weaker) {
        Some("nothing") => return,
        Some("acquire") => Ordering::Acquire,
        Some("release") => Ordering::Release,
        Some("acquire and release") => Ordering::AcqRel,
        _ => order,
    };

    loom::sync::atomic::fence(order);
}

/// Like [`fence_at`], for the caller's place in the source.
#[track_caller]
pub fn fence(what: &str, fence: Fence) {
    let at = Location::caller();

    fence_at(at.file(), at.line(), what, fence);
}

/// Returns whether a lock or a wait takes effect: false if it is the one to weaken.
pub fn holds_at(file: &str, line: u32, what: &str) -> bool {
    go_through(file, line, what, &["nothing"]).is_none()
}
