// SPDX-License-Identifier: GPL-2.0

//! Two kernel threads, each bound to a CPU, for as long as a function runs; a task's state.
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

/// What a task may say about itself: whether its next `schedule()` sleeps.
///
/// There are more states, but none that is a task's own to set: one that says it is dead, say, is
/// freed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TaskState {
    /// It runs, and goes on running.
    Running = TASK_RUNNING,
    /// It sleeps until it is woken, or has a signal.
    Interruptible = TASK_INTERRUPTIBLE,
    /// It sleeps until it is woken.
    Uninterruptible = TASK_UNINTERRUPTIBLE,
}

/// Sets this task's state, with a full barrier behind it: whether the next `schedule()` sleeps.
///
/// From one of the states in which a task sleeps, `wake_up_process()` brings it back to
/// [`TaskState::Running`]; for a task that is running that does nothing. Until it has slept, or is
/// running again, it must not call what can sleep by itself. Task context.
pub fn set_current_state(state: TaskState) {
    // SAFETY: A task may be in any of these states, and is woken from them as from any sleep.
    unsafe { bindings::rust_riscv_set_current_state(state as c_uint) };
}

struct Job<F> {
    work: Option<F>,
    done: Atomic<bool>,
}

/// # Safety
///
/// The caller is a kernel thread. `data` points to a `Job<F>` that lives until this returns, and
/// whose `work` nobody else uses until then.
unsafe extern "C" fn thread<F: FnOnce()>(data: *mut c_void) -> c_int {
    let job = data.cast::<Job<F>>();

    // SAFETY: By the function's requirement.
    if let Some(work) = unsafe { (*job).work.take() } {
        work();
    }
    // SAFETY: As above; `done` is atomic.
    //
    // What was done is before it is seen to be; pairs with the acquire in `wait`. litmus: message
    unsafe { &(*job).done }.store(true, Release);
    // SAFETY: This is a kernel thread.
    while !unsafe { bindings::kthread_should_stop() } {
        fsleep(Delta::from_micros(100));
    }
    0
}

/// A thread that is stopped, at the latest, when this is dropped.
struct Thread(NonNull<task_struct>);

impl Thread {
    /// Makes a thread that does not run yet.
    ///
    /// # Errors
    ///
    /// Those of [`pair`].
    ///
    /// # Safety
    ///
    /// `job` stays valid until the thread is dropped.
    unsafe fn new<F: FnOnce() + Send>(cpu: u32, job: *mut Job<F>) -> Result<Thread> {
        // SAFETY: Any number may be asked for.
        if !unsafe { bindings::rust_riscv_cpu_is_online(cpu) } {
            return Err(EINVAL);
        }
        // SAFETY: `thread::<F>` takes a `Job<F>`; the name has a place for the CPU's number. The
        // CPU, online a moment ago, has per-CPU data for good.
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
        // SAFETY: The thread stays until it is stopped.
        unsafe { wake_up_process(self.0.as_ptr()) };
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: The thread does not end before it is stopped, which is done once.
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

    // SAFETY: The threads are dropped before the jobs, which were declared earlier.
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
    // A stop that comes before a thread has begun would keep it from running.
    //
    // Pairs with the release in `thread`. litmus: message
    while !done.load(Acquire) {
        fsleep(Delta::from_micros(500));
    }
}
