// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters of CPUs that come online: `rust_riscv_sbi_ipi/cpus` in debugfs.

use core::{
    convert::Infallible,
    mem::MaybeUninit, //
};

use kernel::{
    bindings::NR_CPUS,
    cpu::CpuId,
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use pin_init::InPlaceWrite;

use riscv::{
    cpuhp::Here,
    debugfs::{
        Scope,
        Writer, //
    },
    irq::work::SelfIpi,
    timebase::Ticks, //
};

/// The counters of one CPU. All accesses are relaxed: the counters are independent, and only that
/// CPU writes them.
struct Cpu {
    /// How often it came online.
    onlined: Atomic<u64>,
    /// How often an IPI was pending when it entered the state.
    pending: Atomic<u64>,
    /// The time when it last entered the state, in ticks of the timebase.
    entered: Atomic<u64>,
    /// The time in nanoseconds from then to the first IPI that it received; 0 if it has received
    /// none.
    first_ipi: Atomic<u64>,
    /// An IPI that the CPU sends to itself, so that it receives at least one.
    ipi: SelfIpi,
}

static CPUS: [Cpu; NR_CPUS as usize] = [const {
    Cpu {
        onlined: Atomic::new(0),
        pending: Atomic::new(0),
        entered: Atomic::new(0),
        first_ipi: Atomic::new(0),
        // SAFETY: After the states that send the IPI have been removed, and before the module is
        // unloaded, `wait` waits until it has been received.
        ipi: unsafe { SelfIpi::new(received) },
    }
}; NR_CPUS as usize];

/// Counts this CPU, which has entered the state.
pub(crate) fn count(here: &impl Here, entered: Ticks, pending: bool) {
    let cpu = &CPUS[here.cpu().as_u32() as usize];

    cpu.onlined.fetch_add(1, Relaxed);
    if pending {
        cpu.pending.fetch_add(1, Relaxed);
    }
    cpu.first_ipi.store(0, Relaxed);
    cpu.entered.store(entered.as_u64(), Relaxed);
    cpu.ipi.send(here);
}

/// The handler of the IPI that a CPU sends to itself. It runs when the CPU receives its first IPI,
/// since all pending ones are handled at once.
fn received() {
    let cpu = &CPUS[CpuId::current().as_u32() as usize];
    let entered = Ticks::from_u64(cpu.entered.load(Relaxed));

    // 0 means that none was received.
    let nanoseconds = Ticks::now().since(entered).max(1);
    cpu.first_ipi.store(nanoseconds, Relaxed);
}

/// Waits until no CPU executes [`received`] any more, nor will. The states must have been removed.
/// Sleeps.
pub(crate) fn wait() {
    for cpu in &CPUS {
        cpu.ipi.wait();
    }
}

/// What the file `cpus` shows.
pub(crate) struct View;

impl Writer for View {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, cpu) in CPUS.iter().enumerate() {
            let onlined = cpu.onlined.load(Relaxed);

            if onlined > 0 {
                writeln!(
                    f,
                    "cpu {number}: onlined={onlined} first_ipi_ns={} pending={}",
                    cpu.first_ipi.load(Relaxed),
                    cpu.pending.load(Relaxed)
                )?;
            }
        }
        Ok(())
    }
}

/// Creates `rust_riscv_sbi_ipi/cpus` in debugfs. Dropping the result removes it. Cannot fail, since
/// `room` was allocated before.
///
/// # Safety
///
/// That of [`Scope::dir`].
pub(crate) unsafe fn files(room: KBox<MaybeUninit<Scope<View>>>) -> Pin<KBox<Scope<View>>> {
    // SAFETY: The caller guarantees what `Scope::dir` requires of its result.
    let files = unsafe {
        Scope::dir(View, c"rust_riscv_sbi_ipi", |view, dir| {
            dir.read_only_file(c"cpus", view);
        })
    };
    let Ok(files) = room.write_pin_init::<Infallible>(files);

    files
}
