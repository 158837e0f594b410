// SPDX-License-Identifier: GPL-2.0

//! The functions behind the kernel's primitives in `c/linux.h`, implemented with loom.
//!
//! Each variable is one of loom's, created on its first use in an execution with the value that C
//! initialised it with.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::{
        c_char,
        c_int,
        c_void,
        CStr, //
    },
    rc::Rc,
    sync::atomic::Ordering, //
};

use kernel::sync::atomic::update;
use loom::{
    sync::{
        atomic::{
            fence,
            AtomicU64, //
        },
        Mutex,
        MutexGuard, //
    },
    thread::yield_now, //
};
use loom_core::{
    pool,
    weaken::{
        self,
        fence_at,
        holds_at,
        order_at,
        Fence, //
    },
};

/// A mutex, and the guard while it is held.
struct Lock {
    mutex: &'static Mutex<()>,
    held: RefCell<Option<MutexGuard<'static, ()>>>,
}

/// The state of one execution.
#[derive(Default)]
struct Execution {
    variables: BTreeMap<usize, Rc<AtomicU64>>,
    locks: BTreeMap<usize, Rc<Lock>>,
    /// The nesting depth of each kind of section, by kind and thread.
    sections: BTreeMap<(c_int, String), Rc<AtomicU64>>,
}

thread_local! {
    // Loom runs all threads of a model on one of the system's.
    static EXECUTION: RefCell<Execution> = RefCell::default();
}

/// Begins an execution in which `threads` and the current thread call C.
pub fn begin(threads: &[&str]) {
    let sections = (0..SECTIONS)
        .flat_map(|kind| threads.iter().map(move |thread| (kind, thread.to_string())))
        .chain((0..SECTIONS).map(|kind| (kind, weaken::thread())))
        .map(|which| (which, pool::take(0)))
        .collect();

    EXECUTION.replace(Execution {
        sections,
        ..Execution::default()
    });
}

fn variable(at: *const c_void, size: usize) -> Rc<AtomicU64> {
    let initial = || {
        // SAFETY: C passes the address and the size of a variable, which it only accesses through
        // these functions.
        let value = unsafe {
            match size {
                4 => u64::from(at.cast::<u32>().read()),
                8 => at.cast::<u64>().read(),
                _ => panic!("a variable of {size} bytes"),
            }
        };
        pool::take(value)
    };

    EXECUTION.with_borrow_mut(|execution| {
        execution
            .variables
            .entry(at.addr())
            .or_insert_with(initial)
            .clone()
    })
}

fn text<'a>(text: *const c_char) -> &'a str {
    // SAFETY: C passes string literals only.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap()
}

/// Returns the ordering with a number of `enum loom_order`.
fn order(order: c_int, what: *const c_char, file: *const c_char, line: u32) -> Ordering {
    let order = [
        Ordering::Relaxed,
        Ordering::Acquire,
        Ordering::Release,
        Ordering::AcqRel,
    ][order as usize];

    order_at(text(file), line, text(what), order)
}

#[no_mangle]
extern "C-unwind" fn loom_load(
    at: *const c_void,
    size: usize,
    by: c_int,
    what: *const c_char,
    file: *const c_char,
    line: u32,
) -> u64 {
    variable(at, size).load(order(by, what, file, line))
}

#[no_mangle]
extern "C-unwind" fn loom_store(
    at: *const c_void,
    size: usize,
    value: u64,
    by: c_int,
    what: *const c_char,
    file: *const c_char,
    line: u32,
) {
    variable(at, size).store(value, order(by, what, file, line));
}

#[no_mangle]
extern "C-unwind" fn loom_add_return(
    at: *const c_void,
    size: usize,
    more: u64,
    by: c_int,
    what: *const c_char,
    file: *const c_char,
    line: u32,
) -> u64 {
    update(order(by, what, file, line), |order| {
        variable(at, size).fetch_add(more, order)
    }) + more
}

#[no_mangle]
extern "C-unwind" fn loom_fence(kind: c_int, what: *const c_char, file: *const c_char, line: u32) {
    let kind = [Fence::Read, Fence::Write, Fence::Full][kind as usize];

    fence_at(text(file), line, text(what), kind);
}

fn lock(at: *const c_void) -> Rc<Lock> {
    let new = || {
        Rc::new(Lock {
            mutex: Box::leak(Box::new(Mutex::new(()))),
            held: RefCell::new(None),
        })
    };

    EXECUTION
        .with_borrow_mut(|execution| execution.locks.entry(at.addr()).or_insert_with(new).clone())
}

#[no_mangle]
extern "C-unwind" fn loom_lock(
    at: *const c_void,
    what: *const c_char,
    file: *const c_char,
    line: u32,
) {
    if holds_at(text(file), line, text(what)) {
        let lock = lock(at);
        let guard = lock.mutex.lock().unwrap();

        lock.held.replace(Some(guard));
    }
}

#[no_mangle]
extern "C-unwind" fn loom_unlock(at: *const c_void) {
    let guard = lock(at).held.take();

    drop(guard);
}

/// The number of kinds in `enum loom_section`.
const SECTIONS: c_int = 2;

fn own_section(kind: c_int) -> Rc<AtomicU64> {
    EXECUTION.with_borrow(|execution| execution.sections[&(kind, weaken::thread())].clone())
}

/// Begins a section whose end other threads can wait for.
#[no_mangle]
extern "C-unwind" fn loom_enter(kind: c_int, what: *const c_char, file: *const c_char, line: u32) {
    if holds_at(text(file), line, text(what)) {
        enter(kind);
    }
}

fn enter(kind: c_int) {
    own_section(kind).fetch_add(1, Ordering::Relaxed);
    // Either a waiting thread sees this, or this thread sees what was written before the wait.
    fence(Ordering::SeqCst);
}

#[no_mangle]
extern "C-unwind" fn loom_leave(kind: c_int) {
    let section = own_section(kind);

    // 0 if the entry was weakened to nothing.
    if section.load(Ordering::Relaxed) > 0 {
        section.fetch_sub(1, Ordering::Release);
    }
}

/// Waits until all other threads have left the sections that they were in.
#[no_mangle]
extern "C-unwind" fn loom_synchronize(
    kind: c_int,
    what: *const c_char,
    file: *const c_char,
    line: u32,
) {
    if !holds_at(text(file), line, text(what)) {
        return;
    }
    let others: Vec<_> = EXECUTION.with_borrow(|execution| {
        execution
            .sections
            .iter()
            .filter(|((of, thread), _)| *of == kind && *thread != weaken::thread())
            .map(|(_, section)| section.clone())
            .collect()
    });

    fence(Ordering::SeqCst);
    for section in others {
        while section.load(Ordering::Acquire) > 0 {
            yield_now();
        }
    }
    fence(Ordering::SeqCst);
}

/// The values of `enum loom_section`.
#[cfg(rust_riscv_text_hooks)]
const RCU: c_int = 0;
const INTERRUPTS_OFF: c_int = 1;

fn within<R>(section: c_int, run: impl FnOnce() -> R) -> R {
    enter(section);
    let result = run();
    loom_leave(section);
    result
}

/// A read-side critical section of RCU.
#[cfg(rust_riscv_text_hooks)]
pub fn in_rcu<R>(run: impl FnOnce() -> R) -> R {
    within(RCU, run)
}

/// A trap: interrupts are off while `handler` runs.
pub fn trap<R>(handler: impl FnOnce() -> R) -> R {
    within(INTERRUPTS_OFF, handler)
}

#[no_mangle]
extern "C-unwind" fn loom_warn(what: *const c_char) -> c_int {
    panic!("WARNING: {}", text(what));
}

#[no_mangle]
extern "C-unwind" fn cpu_relax() {
    yield_now();
}
