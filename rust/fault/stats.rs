// SPDX-License-Identifier: GPL-2.0

//! What was decided, by cause and by CPU: `rust_riscv_fault/verdicts` in debugfs.

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

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The access was allowed.
    CarryOn(Cause),
    /// The access was forbidden, and that was reported.
    Report(Cause),
    /// Back to C: there is no VMA, or it could not be locked.
    NoVma(Cause),
    /// Back to C: forbidden, but to be looked up again, as `retry_under_mmap_lock` wants it.
    Retry(Cause),
    /// Back to C: not the cause of a page fault.
    Unknown,
}

impl Event {
    const COUNT: usize = 4 * Cause::COUNT + 1;

    #[inline(always)]
    const fn index(self) -> usize {
        match self {
            Event::CarryOn(cause) => cause.index(),
            Event::Report(cause) => Cause::COUNT + cause.index(),
            Event::NoVma(cause) => 2 * Cause::COUNT + cause.index(),
            Event::Retry(cause) => 3 * Cause::COUNT + cause.index(),
            Event::Unknown => 4 * Cause::COUNT,
        }
    }
}

/// Counters of all events.
pub struct Events(PerCpu<{ Event::COUNT }>);

/// The counters of this module.
pub static EVENTS: Events = Events(PerCpu::new());

impl Events {
    /// Counts an event. Any context.
    #[inline(always)]
    pub fn count(&self, event: Event) {
        self.0.count(event.index());
    }

    /// How often it happened on all CPUs.
    pub fn sum(&self, event: Event) -> u64 {
        self.0.sum(event.index())
    }

    fn read(&self, cpu: usize, event: Event) -> u64 {
        self.0.read(cpu, event.index())
    }
}

struct View;

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
                    ("carry_on", Event::CarryOn(cause)),
                    ("report", Event::Report(cause)),
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
            match EVENTS.read(cpu, Event::Unknown) {
                0 => {}
                count => writeln!(f, "cpu={cpu} cause=unknown back={count}")?,
            }
        }
        Ok(())
    }
}

/// The file in debugfs; removed when dropped.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    scope: Scope<View>,
}

impl Files {
    /// Makes `rust_riscv_fault/verdicts`.
    ///
    /// # Safety
    ///
    /// That of [`Scope::dir`].
    pub(crate) unsafe fn new() -> Result<Pin<KBox<Files>>> {
        KBox::pin_init(
            try_pin_init!(Files {
                // SAFETY: By the function's requirement.
                scope <- unsafe {
                    Scope::dir(View, c"rust_riscv_fault", |view, dir| {
                        dir.read_only_file(c"verdicts", view);
                    })
                },
            }? Error),
            GFP_KERNEL,
        )
    }
}
