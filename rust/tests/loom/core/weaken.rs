// SPDX-License-Identifier: GPL-2.0

//! The orderings that a model goes through, and weakening one of them.
//!
//! An ordering is known by where it stands in the source and which thread comes there: what two
//! threads do in one function are two.

use std::{
    cell::RefCell,
    fmt,
    panic::Location,
    sync::atomic::Ordering, //
};

/// What a fence orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Loads before it before all that follows.
    Read,
    /// What is before it before stores that follow. (Loom has no fence for stores only.)
    Write,
    /// All but a store before a later load.
    Both,
    /// Everything.
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

/// With its line, which is another one after each change.
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
    /// A name for people: without the line, but with a number if it is not the first of `all` that
    /// has the same one.
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

/// What an ordering can be weakened to, in words.
pub type Weaker = &'static str;

#[derive(Default)]
struct State {
    /// Every ordering that was gone through, and what it can be weakened to.
    seen: Vec<(Site, &'static [Weaker])>,
    /// What is weakened, and to what.
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

/// All orderings that were gone through so far, and what each can be weakened to.
pub fn seen() -> Vec<(Site, &'static [Weaker])> {
    STATE.with_borrow(|state| state.seen.clone())
}

/// The name that the current thread of the model was given.
pub fn thread() -> String {
    loom::thread::current().name().unwrap_or("main").into()
}

/// Where in the source, from the folder that our code is in.
fn place(file: &str) -> &str {
    file.rsplit("../").next().unwrap_or(file)
}

/// Notes an ordering, and says to what it is weakened, if it is.
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

/// An ordering of an access in a file: as strong as it is now.
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

/// As [`order_at`], where it is called from.
#[track_caller]
pub fn order(what: &str, order: Ordering) -> Ordering {
    let at = Location::caller();

    order_at(at.file(), at.line(), what, order)
}

/// A fence in a file.
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

/// A fence where it is called from.
#[track_caller]
pub fn fence(what: &str, fence: Fence) {
    let at = Location::caller();

    fence_at(at.file(), at.line(), what, fence);
}

/// Whether something that waits for others, or keeps them out, does so: not if it is weakened.
pub fn holds_at(file: &str, line: u32, what: &str) -> bool {
    go_through(file, line, what, &["nothing"]).is_none()
}
