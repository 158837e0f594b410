// SPDX-License-Identifier: GPL-2.0

//! Counters of handled faults, by cause and CPU: `rust_riscv_fault/stats` in debugfs.

use kernel::{
    bindings::NR_CPUS,
    fmt,
    prelude::*, //
};

use riscv::{
    debugfs::{
        Scope,
        Writer, //
    },
    fault::access::Cause,
    percpu_counter::PerCpu, //
};

/// A counted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The access was allowed.
    Allowed(Cause),
    /// The access was forbidden, and the task was signalled.
    Signalled(Cause),
    /// Fell back to C: there is no VMA, or it could not be locked.
    NoVma(Cause),
    /// Fell back to C: the access was forbidden, with `retry_under_mmap_lock`.
    Retry(Cause),
    /// Fell back to C: the cause is not a page fault.
    UnknownCause,
}

impl Event {
    const COUNT: usize = 4 * Cause::COUNT + 1;

    #[inline(always)]
    const fn index(self) -> usize {
        match self {
            Event::Allowed(cause) => cause.index(),
            Event::Signalled(cause) => Cause::COUNT + cause.index(),
            Event::NoVma(cause) => 2 * Cause::COUNT + cause.index(),
            Event::Retry(cause) => 3 * Cause::COUNT + cause.index(),
            Event::UnknownCause => 4 * Cause::COUNT,
        }
    }
}

/// The counters of all events.
pub struct Events(PerCpu<{ Event::COUNT }>);

/// This module's counters.
pub static EVENTS: Events = Events(PerCpu::new());

impl Events {
    /// Counts an event. Any context.
    #[inline(always)]
    pub fn count(&self, event: Event) {
        self.0.count(event.index());
    }

    /// Returns an event's count, summed over all CPUs.
    pub fn sum(&self, event: Event) -> u64 {
        self.0.sum(event.index())
    }

    fn read(&self, cpu: usize, event: Event) -> u64 {
        self.0.read(cpu, event.index())
    }
}

/// What the file `stats` shows.
pub(crate) struct View;

impl Writer for View {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cpu in 0..NR_CPUS as usize {
            for cause in Cause::ALL {
                let name = match cause {
                    Cause::Fetch => "fetch",
                    Cause::Load => "load",
                    Cause::Store => "store",
                };
                let kinds = [
                    ("allowed", Event::Allowed(cause)),
                    ("signalled", Event::Signalled(cause)),
                    ("no_vma", Event::NoVma(cause)),
                    ("retry", Event::Retry(cause)),
                ];

                if kinds.iter().all(|&(_, event)| EVENTS.read(cpu, event) == 0) {
                    continue;
                }
                write!(f, "cpu={cpu} cause={name}")?;
                for (kind, event) in kinds {
                    write!(f, " {kind}={}", EVENTS.read(cpu, event))?;
                }
                writeln!(f)?;
            }
            match EVENTS.read(cpu, Event::UnknownCause) {
                0 => {}
                count => writeln!(f, "cpu={cpu} cause=unknown fell_back={count}")?,
            }
        }
        Ok(())
    }
}

/// Creates `rust_riscv_fault/stats` in debugfs. Dropping the result removes it.
///
/// # Safety
///
/// That of [`Scope::dir`].
pub(crate) unsafe fn files() -> Result<Pin<KBox<Scope<View>>>> {
    // SAFETY: The caller guarantees what `Scope::dir` requires of its result.
    let files = unsafe {
        Scope::dir(View, c"rust_riscv_fault", |view, dir| {
            dir.read_only_file(c"stats", view);
        })
    };

    KBox::pin_init(files, GFP_KERNEL)
}
