// SPDX-License-Identifier: GPL-2.0

//! Load during CPU hotplug: work items, timers, cross-calls, text patching, ftrace. For each there
//! is a kernel thread on the boot CPU that starts one operation at a time, and measures how long it
//! takes until it is done.

use kernel::{
    bindings::task_struct,
    cpu::nr_cpu_ids,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use riscv::{
    insn::Insn,
    text::plan::Strategy,
    timebase::Ticks, //
};
use riscv_patch::batch::{
    Batch,
    Options, //
};

use crate::bindings;

core::arch::global_asm!(
    ".balign 4",
    "rust_riscv_load_target:",
    ".4byte 0x00000513", // li a0, 0
    "ret",
);

extern "C" {
    fn rust_riscv_load_target() -> u64;
}

/// What one thread has done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) name: &'static str,
    pub(crate) sent: u64,
    pub(crate) done: u64,
    pub(crate) worst_ns: u64,
    /// Whether one CPU does the operation. (Patching and tracing wait for all CPUs.)
    pub(crate) is_answer: bool,
}

/// The operation of one thread. The counters are relaxed, since they are read after it has ended.
struct Job {
    name: &'static str,
    /// Does the operation once, for a CPU. Returns whether it was started.
    once: fn(&Job, c_uint) -> bool,
    is_answer: bool,
    /// Milliseconds between two operations.
    pause: i64,
    sent: Atomic<u64>,
    done: Atomic<u64>,
    worst_ns: Atomic<u64>,
}

impl Job {
    const fn new(
        name: &'static str,
        is_answer: bool,
        pause: i64,
        once: fn(&Job, c_uint) -> bool,
    ) -> Job {
        Job {
            name,
            once,
            is_answer,
            pause,
            sent: Atomic::new(0),
            done: Atomic::new(0),
            worst_ns: Atomic::new(0),
        }
    }

    fn done(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    fn data(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    fn seen(&self) -> Seen {
        Seen {
            name: self.name,
            sent: self.sent.load(Relaxed),
            done: self.done.load(Relaxed),
            worst_ns: self.worst_ns.load(Relaxed),
            is_answer: self.is_answer,
        }
    }
}

static JOBS: [Job; 5] = [
    Job::new("work items", true, 1, work),
    Job::new("timers", true, 1, timer),
    Job::new("cross-calls", true, 1, call),
    Job::new("text patches", false, 50, patch),
    Job::new("ftrace switches", false, 200, ftrace),
];

/// Runs in a work item, a timer, or a cross-call.
///
/// # Safety
///
/// `data` points to one of [`JOBS`].
unsafe extern "C" fn run(data: *mut c_void) {
    // SAFETY: The jobs pass themselves, by `Job::data`, and are static.
    let job = unsafe { &*data.cast::<Job>() };

    // SAFETY: The function takes no arguments, and both versions of it return a number.
    if unsafe { rust_riscv_load_target() } <= 1 {
        job.done();
    }
}

fn work(job: &Job, cpu: c_uint) -> bool {
    // SAFETY: `run` takes a job.
    unsafe { bindings::rust_riscv_test_work_on(cpu, Some(run), job.data()) };
    true
}

fn timer(job: &Job, cpu: c_uint) -> bool {
    // SAFETY: `run` takes a job.
    unsafe { bindings::rust_riscv_test_timer_on(cpu, Some(run), job.data()) == 0 }
}

fn call(job: &Job, cpu: c_uint) -> bool {
    // SAFETY: `run` takes a job.
    unsafe { bindings::rust_riscv_test_function_on(cpu, Some(run), job.data()) == 0 }
}

/// `li a0, 0` and `li a0, 1`.
const ANSWERS: [Option<Insn>; 2] = [Insn::word(0x0000_0513), Insn::word(0x0010_0513)];

/// Patches the target live, then patches it back with all CPUs stopped.
fn patch_once() -> Result {
    let [Some(zero), Some(one)] = ANSWERS else {
        return Err(EINVAL);
    };
    let addr = rust_riscv_load_target as *const () as usize;
    let mut batch = Batch::new();

    // SAFETY: One `li` becomes another.
    unsafe { batch.instruction(addr, zero, one) }?;
    batch.commit()?;
    let mut batch = Batch::new();
    // SAFETY: As above.
    unsafe { batch.instruction(addr, one, zero) }?;
    batch.commit_with(Options {
        strategy: Some(Strategy::Rendezvous),
        ..Options::default()
    })?;
    Ok(())
}

fn patch(job: &Job, _cpu: c_uint) -> bool {
    if patch_once().is_ok() {
        job.done();
    }
    true
}

fn ftrace(job: &Job, _cpu: c_uint) -> bool {
    // SAFETY: Stopped below.
    if unsafe { bindings::rust_riscv_test_ftrace_start() } == 0 {
        fsleep(Delta::from_millis(1));
        // SAFETY: Started above.
        unsafe { bindings::rust_riscv_test_ftrace_stop() };
        job.done();
    }
    true
}

/// # Safety
///
/// The caller is a kernel thread. `data` points to one of [`JOBS`].
unsafe extern "C" fn thread(data: *mut c_void) -> c_int {
    // SAFETY: `Load::start` passes one of the jobs, which are static.
    let job = unsafe { &*data.cast::<Job>() };

    // SAFETY: This is a kernel thread.
    while !unsafe { bindings::rust_riscv_test_thread_should_stop() } {
        for cpu in 0..nr_cpu_ids() {
            let start = Ticks::now();

            if (job.once)(job, cpu) {
                let took = Ticks::now().since(start);

                job.sent.fetch_add(1, Relaxed);
                if took > job.worst_ns.load(Relaxed) {
                    job.worst_ns.store(took, Relaxed);
                }
            }
            fsleep(Delta::from_millis(job.pause));
        }
    }
    0
}

/// The threads, until they are stopped.
pub(crate) struct Load(KVec<*mut task_struct>);

impl Load {
    /// Starts one thread for each kind of load.
    pub(crate) fn start() -> Result<Load> {
        let mut load = Load(KVec::with_capacity(JOBS.len(), GFP_KERNEL)?);

        for job in &JOBS {
            for counter in [&job.sent, &job.done, &job.worst_ns] {
                counter.store(0, Relaxed);
            }
            // SAFETY: `thread` takes a job, which is static. The thread is stopped before this
            // module is unloaded.
            let task =
                unsafe { bindings::rust_riscv_test_thread_start(0, Some(thread), job.data()) };
            if task.is_null() {
                return Err(ENOMEM);
            }
            load.0.push(task, GFP_KERNEL)?;
        }
        Ok(load)
    }

    /// Stops the threads and returns what they did.
    pub(crate) fn stop(mut self) -> [Seen; JOBS.len()] {
        self.join();
        core::array::from_fn(|n| JOBS[n].seen())
    }

    fn join(&mut self) {
        while let Some(task) = self.0.pop() {
            // SAFETY: `task` was started by us and is stopped once.
            unsafe { bindings::rust_riscv_test_thread_stop(task) };
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}
