// SPDX-License-Identifier: GPL-2.0

//! Kernel threads that call functions in a loop, on all CPUs except this one.

use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use crate::{
    bindings,
    support::{
        hold,
        Held, //
    },
    targets::Function, //
};

/// A function and the results that it may return.
#[derive(Clone, Copy)]
pub(crate) struct Called {
    pub(crate) function: Function,
    pub(crate) answers: [u64; 2],
}

struct Shared {
    called: KVec<Called>,
    calls: Atomic<u64>,
    wrong: Atomic<u64>,
    last_wrong: Atomic<u64>,
    started: Atomic<u32>,
}

/// Threads that call functions until they are stopped or the test has ended.
pub(crate) struct Hammer {
    threads: KVec<*mut kernel::bindings::task_struct>,
    shared: KBox<Shared>,
}

// SAFETY: Any task may stop the threads. What they share is atomic, or is not changed.
unsafe impl Send for Hammer {}

/// What the threads saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    pub(crate) wrong: u64,
    /// One of the wrong results.
    pub(crate) last_wrong: u64,
}

impl Hammer {
    /// Starts a thread on every other online CPU, and waits until each has called the functions.
    pub(crate) fn start(called: &[Called]) -> Result<Held<Hammer>> {
        let mut list = KVec::new();
        list.extend_from_slice(called, GFP_KERNEL)?;

        let mut hammer = Hammer {
            threads: KVec::new(),
            shared: KBox::new(
                Shared {
                    called: list,
                    calls: Atomic::new(0),
                    wrong: Atomic::new(0),
                    last_wrong: Atomic::new(0),
                    started: Atomic::new(0),
                },
                GFP_KERNEL,
            )?,
        };
        let here = CpuId::current().as_u32();

        for cpu in online().filter(|&cpu| cpu != here) {
            let data: *const Shared = &*hammer.shared;
            hammer.threads.reserve(1, GFP_KERNEL)?;
            // SAFETY: `shared` outlives the thread, which is stopped before it is freed.
            let task = unsafe {
                bindings::rust_riscv_test_thread_start(cpu, Some(thread), data.cast_mut().cast())
            };
            if task.is_null() {
                return Err(ENOMEM);
            }
            hammer.threads.push(task, GFP_KERNEL)?;
        }
        while (hammer.shared.started.load(Relaxed) as usize) < hammer.threads.len() {
            // SAFETY: `cpu_relax()` may be called in any context.
            unsafe { kernel::bindings::cpu_relax() };
        }
        hold(hammer)
    }

    fn join(&mut self) {
        while let Some(task) = self.threads.pop() {
            // SAFETY: `task` was started by us and is stopped once.
            unsafe { bindings::rust_riscv_test_thread_stop(task) };
        }
    }
}

impl Held<Hammer> {
    /// Stops the threads and returns what they saw.
    pub(crate) fn stop(mut self) -> Seen {
        self.join();
        Seen {
            calls: self.shared.calls.load(Relaxed),
            wrong: self.shared.wrong.load(Relaxed),
            last_wrong: self.shared.last_wrong.load(Relaxed),
        }
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        self.join();
    }
}

/// # Safety
///
/// The caller is a kernel thread. `data` points to a [`Shared`] that lives until this returns.
unsafe extern "C" fn thread(data: *mut c_void) -> c_int {
    // SAFETY: `Hammer::start` passes its `Shared`, which it frees only after it has stopped the
    // thread.
    let shared = unsafe { &*data.cast::<Shared>() };

    call_all(shared);
    shared.started.fetch_add(1, Relaxed);
    // SAFETY: This is a kernel thread.
    while !unsafe { bindings::rust_riscv_test_thread_should_stop() } {
        for _ in 0..64 {
            call_all(shared);
        }
    }
    0
}

fn call_all(shared: &Shared) {
    for called in &shared.called {
        // SAFETY: The functions take no arguments and may be called in any context.
        let answer: c_ulong = unsafe { (called.function)() };

        if !called.answers.contains(&(answer as u64)) {
            shared.wrong.fetch_add(1, Relaxed);
            shared.last_wrong.store(answer as u64, Relaxed);
        }
    }
    shared.calls.fetch_add(shared.called.len() as u64, Relaxed);
}

/// The CPUs that are online now.
pub(crate) fn online() -> impl Iterator<Item = u32> {
    // SAFETY: `cpu` is less than `nr_cpu_ids`.
    (0..nr_cpu_ids()).filter(|&cpu| unsafe { bindings::rust_riscv_test_cpu_is_online(cpu) })
}
