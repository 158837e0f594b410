// SPDX-License-Identifier: GPL-2.0

//! Two kernel threads, each bound to a CPU, that run a function each; and the state of a task.
//!
//! C headers: [`include/linux/kthread.h`](srctree/include/linux/kthread.h),
//! [`include/linux/sched.h`](srctree/include/linux/sched.h)

use core::ptr::{
    from_mut,
    NonNull, //
};

use kernel::{
    bindings::{
        task_struct,
        wake_up_process,
        TASK_INTERRUPTIBLE,
        TASK_RUNNING,
        TASK_UNINTERRUPTIBLE, //
    },
    error::from_err_ptr,
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

use crate::bindings;

/// The states that a task may set for itself: whether its next `schedule()` sleeps.
///
/// The kernel has more states, but a task must not set them for itself: a task in the state of a
/// dead one, for example, is freed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TaskState {
    /// The task keeps running.
    Running = TASK_RUNNING,
    /// The task sleeps until it is woken or receives a signal.
    Interruptible = TASK_INTERRUPTIBLE,
    /// The task sleeps until it is woken.
    Uninterruptible = TASK_UNINTERRUPTIBLE,
}

/// Sets the state of the current task, followed by a full barrier.
///
/// `wake_up_process()` sets the state of a task to [`TaskState::Running`], whether or not the task
/// sleeps already. In another state, the task must not call functions that may sleep themselves,
/// until it has slept or has set the state to [`TaskState::Running`]. Task context.
pub fn set_current_state(state: TaskState) {
    // SAFETY: `set_current_state()` may be called in task context, which this function's context
    // demands, with any state that a task may set for itself, which all in `TaskState` are.
    unsafe { bindings::rust_riscv_set_current_state(state as c_uint) };
}

struct Job<F> {
    work: Option<F>,
    done: Atomic<bool>,
}

/// # Safety
///
/// The caller is a kernel thread. `data` points to a `Job<F>` that lives until this returns, and
/// whose `work` is not used by others until then.
unsafe extern "C" fn thread<F: FnOnce()>(data: *mut c_void) -> c_int {
    let job = data.cast::<Job<F>>();

    // SAFETY: `data` points to a `Job<F>` that is alive, and whose `work` only this thread uses, as
    // the caller of `Thread::new` guarantees.
    if let Some(work) = unsafe { (*job).work.take() } {
        work();
    }
    // SAFETY: The job is still alive, and `done` is atomic.
    //
    // What `work` did is visible to a caller that sees `done`. Pairs with the acquire in `wait`.
    // litmus: message
    unsafe { &(*job).done }.store(true, Release);
    // SAFETY: `kthread_should_stop()` must be called by a kernel thread, which this is.
    while !unsafe { bindings::kthread_should_stop() } {
        fsleep(Delta::from_micros(100));
    }
    0
}

/// A kernel thread. Dropping it stops the thread and waits until it has ended.
struct Thread(NonNull<task_struct>);

impl Thread {
    /// Creates a thread that does not run yet.
    ///
    /// # Errors
    ///
    /// Those of [`pair`].
    ///
    /// # Safety
    ///
    /// `job` stays valid until the thread is dropped.
    unsafe fn new<F: FnOnce() + Send>(cpu: u32, job: *mut Job<F>) -> Result<Thread> {
        // SAFETY: The helper accepts any number, and returns false if there is no such CPU.
        if !unsafe { bindings::rust_riscv_cpu_is_online(cpu) } {
            return Err(EINVAL);
        }
        // SAFETY: `thread::<F>` takes a pointer to a `Job<F>`, which the caller keeps valid. The
        // name has a format for the CPU's number. The CPU was online, so its per-CPU data exists,
        // and is never freed.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_cpu(
                Some(thread::<F>),
                job.cast(),
                cpu,
                c"rust_riscv/%u".as_char_ptr(),
            )
        })?;
        NonNull::new(task).map(Thread).ok_or(ENOMEM)
    }

    fn start(&self) {
        // SAFETY: The thread does not end before it is stopped, so the task is valid.
        unsafe { wake_up_process(self.0.as_ptr()) };
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: The thread does not end before it is stopped, so the task is valid. It is stopped
        // only here.
        unsafe { bindings::kthread_stop(self.0.as_ptr()) };
    }
}

/// Runs `first` on one CPU and `second` on another, at the same time, and returns after both.
///
/// The threads can be preempted; they must come to an end by themselves.
///
/// # Errors
///
/// `-EINVAL` if one of the CPUs is not online or there is no such CPU, `-ENOMEM`, `-EINTR`: then
/// neither has run.
///
/// # Context
///
/// Sleeps. If a CPU goes offline meanwhile, its thread runs on another.
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use riscv::thread::pair;
///
/// let sum = Atomic::new(0);
///
/// pair([0, 0], || sum.add(1, Relaxed), || sum.add(2, Relaxed))?;
/// assert_eq!(sum.load(Relaxed), 3);
/// # Ok::<(), Error>(())
/// ```
pub fn pair<A: FnOnce() + Send, B: FnOnce() + Send>(cpus: [u32; 2], first: A, second: B) -> Result {
    let mut first = Job {
        work: Some(first),
        done: Atomic::new(false),
    };
    let mut second = Job {
        work: Some(second),
        done: Atomic::new(false),
    };
    let jobs = (from_mut(&mut first), from_mut(&mut second));

    // SAFETY: The threads are dropped before the jobs, since they are declared later.
    let threads = unsafe { (Thread::new(cpus[0], jobs.0)?, Thread::new(cpus[1], jobs.1)?) };

    threads.0.start();
    threads.1.start();
    // SAFETY: The jobs are valid, and `done` is atomic.
    unsafe {
        wait(&(*jobs.0).done);
        wait(&(*jobs.1).done);
    }
    Ok(())
}

fn wait(done: &Atomic<bool>) {
    // A thread that is stopped before it has started would not run at all, so wait for it.
    //
    // Pairs with the release in `thread`. litmus: message
    while !done.load(Acquire) {
        fsleep(Delta::from_micros(500));
    }
}
