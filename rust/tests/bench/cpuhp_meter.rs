// SPDX-License-Identifier: GPL-2.0

//! A module that measures how CPUs come online, with the IPI's state in C or in Rust. Each file in
//! `rust_riscv_cpuhp_meter/` in debugfs is a measurement. All but the last take the last CPU
//! offline and bring it online again:
//!
//! - `cycle`: nanoseconds for going offline, and for coming online;
//! - `first_ipi`: nanoseconds from the start of the CPU until it answers an IPI;
//! - `first_ipi_asleep`: the same while a state makes the CPU's hotplug thread sleep, as for
//!   `stall`;
//! - `stall`: a state makes the hotplug thread sleep for a second, after `workqueue:online` and,
//!   since this module is loaded first, before states that are set up later. Meanwhile the CPU is
//!   sent a function call, a wake-up and a work item; nanoseconds until it has answered each;
//! - `ipi_enabled`: the number of CPUs on which the SBI IPI is enabled.

use kernel::{
    bindings::{
        cpuhp_state_CPUHP_AP_ARM_XEN_STARTING,
        ETIMEDOUT, //
    },
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    error::to_result,
    ffi::c_void,
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Mutex,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

use riscv::{
    compat::errno,
    cpuhp::{
        Calls,
        CpusRead,
        Here,
        Online,
        Prepare,
        Registration,
        Slot,
        Starting,
        State, //
    },
    debugfs::{
        Scope,
        ScopedDir, //
    },
    irq::{
        percpu::{
            Local,
            PercpuIrq, //
        },
        work::SelfIpi, //
    },
    sbi::{
        hart_state,
        HartId,
        HartState, //
    },
    thread::pair,
    timebase::Ticks, //
};

#[path = "../kunit/support/bindings.rs"]
mod bindings;

module! {
    type: Meter,
    name: "rust_riscv_cpuhp_meter",
    authors: ["rust-riscv contributors"],
    description: "Measures CPUs that come online",
    license: "GPL",
    params: {
        take: u8 {
            default: 0,
            description: "Take the SBI IPI's state, as another module would, and keep it",
        },
    },
}

/// A point in time that one CPU records and another reads.
struct Moment(Atomic<u64>);

impl Moment {
    const fn new() -> Moment {
        Moment(Atomic::new(0))
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    /// Records the current time. A CPU that reads it sees everything that was written before.
    ///
    /// litmus: message
    fn now(&self) {
        self.0.store(Ticks::now().as_u64(), Release);
    }

    /// Returns the recorded time, if there is one. litmus: message
    fn get(&self) -> Option<Ticks> {
        match self.0.load(Acquire) {
            0 => None,
            ticks => Some(Ticks::from_u64(ticks)),
        }
    }

    /// Waits until a time was recorded, at most a minute.
    fn wait(&self) -> Result<Ticks> {
        const MINUTE: u64 = 60_000_000_000;
        let start = Ticks::now();

        while Ticks::now().since(start) < MINUTE {
            if let Some(moment) = self.get() {
                return Ok(moment);
            }
            fsleep(Delta::from_micros(200));
        }
        pr_err!("no answer within a minute\n");
        Err(EIO)
    }
}

fn is_online(cpu: u32) -> bool {
    // SAFETY: All callers have a CPU's number.
    unsafe { bindings::rust_riscv_test_cpu_is_online(cpu) }
}

fn take_down(cpu: u32) -> Result {
    let hart = CpuId::from_u32(cpu).and_then(HartId::of).ok_or(ENODEV)?;

    // SAFETY: Not the boot CPU.
    to_result(unsafe { bindings::rust_riscv_test_cpu_down(cpu) })?;
    // A hart that has not stopped yet could not be started.
    for _ in 0..100_000 {
        if hart_state(hart)? == HartState::Stopped {
            return Ok(());
        }
        fsleep(Delta::from_micros(100));
    }
    Err(errno(ETIMEDOUT))
}

fn bring_up(cpu: u32) -> Result {
    // SAFETY: A CPU that was taken down.
    to_result(unsafe { bindings::rust_riscv_test_cpu_up(cpu) })
}

fn others() -> impl Iterator<Item = u32> {
    (1..nr_cpu_ids()).filter(|&cpu| is_online(cpu))
}

fn last() -> Result<u32> {
    others().last().ok_or(ENODEV)
}

/// Returns right after a tick. Several steps of a CPU that comes online wait for a tick, so their
/// times can be compared only if they begin at the same distance from one.
fn align() {
    // So long that the timer expires on a tick.
    fsleep(Delta::from_millis(30));
}

/// Returns the nanoseconds that the last CPU takes to go offline, and to come online.
fn cycle() -> Result<[u64; 2]> {
    let cpu = last()?;
    let start = Ticks::now();

    take_down(cpu)?;
    let off = Ticks::now();
    bring_up(cpu)?;
    Ok([off.since(start), Ticks::now().since(off)])
}

static STARTED: Moment = Moment::new();
static ANSWERED: Moment = Moment::new();
// SAFETY: `first_ipi` waits for it, once the state that sends it is removed.
static IPI: SelfIpi = unsafe { SelfIpi::new(|| ANSWERED.now()) };

/// Records the time right before the CPU is started.
struct BeforeStart;

#[vtable]
impl State for BeforeStart {
    type Section = Prepare;

    const NAME: &'static CStr = c"rust_riscv_meter:start";

    fn up(_cpu: &Prepare) -> Result {
        STARTED.now();
        Ok(())
    }
}

/// Sends an IPI from the CPU to itself. No IPI can arrive earlier.
struct Send;

#[vtable]
impl State for Send {
    type Section = Starting;

    const NAME: &'static CStr = c"rust_riscv_meter:send";

    fn up(cpu: &Starting) {
        IPI.send(cpu);
    }
}

/// A slot before `CPUHP_AP_ONLINE` that no RISC-V kernel uses.
const FREE: Slot<Starting> = Slot::new(cpuhp_state_CPUHP_AP_ARM_XEN_STARTING).unwrap();

/// Returns the nanoseconds from the start of the last CPU until it answers an IPI.
fn first_ipi(asleep: bool) -> Result<u64> {
    let cpu = last()?;
    // SAFETY: Dropped below.
    let states = unsafe {
        (
            Registration::<BeforeStart>::new(Slot::PREPARE_DYNAMIC, Calls::HotplugOnly)?,
            Registration::<Send>::new(FREE, Calls::HotplugOnly)?,
        )
    };

    STARTED.reset();
    ANSWERED.reset();
    take_down(cpu)?;
    align();
    SLEEP_ON.store(if asleep { cpu } else { u32::MAX }, Relaxed);
    let result = bring_up(cpu).and_then(|()| ANSWERED.wait());
    SLEEP_ON.store(u32::MAX, Relaxed);
    drop(states);
    IPI.wait();
    Ok(result?.since(STARTED.get().ok_or(EIO)?))
}

/// A call, wake-up or work item that a CPU is sent while it comes online.
struct Question {
    sent: Moment,
    answered: Moment,
}

impl Question {
    const fn new() -> Question {
        Question {
            sent: Moment::new(),
            answered: Moment::new(),
        }
    }

    fn reset(&self) {
        self.sent.reset();
        self.answered.reset();
    }

    fn data(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    fn nanoseconds(&self) -> Result<u64> {
        Ok(self.answered.wait()?.since(self.sent.get().ok_or(EIO)?))
    }
}

static FIRST_CALL: Question = Question::new();
static CALL: Question = Question::new();
static WAKE_UP: Question = Question::new();
static WORK: Question = Question::new();

/// # Safety
///
/// `data` is a `&'static Question`.
unsafe extern "C" fn answer(data: *mut c_void) {
    // SAFETY: All callers pass `Question::data` of a question that is static.
    unsafe { &*data.cast::<Question>() }.answered.now();
}

/// The CPU whose hotplug thread sleeps.
static SLEEP_ON: Atomic<u32> = Atomic::new(u32::MAX);
static ASLEEP: Moment = Moment::new();

/// How long it sleeps.
const SLEEP: Delta = Delta::from_millis(1_000);

/// The time after which the CPU has stopped its tick and waits for an interrupt.
const IDLE: Delta = Delta::from_millis(200);

struct Sleep;

#[vtable]
impl State for Sleep {
    type Section = Online;

    const NAME: &'static CStr = c"rust_riscv_meter:sleep";

    fn up(cpu: &Online) -> Result {
        if SLEEP_ON.load(Relaxed) == cpu.cpu().as_u32() {
            ASLEEP.now();
            fsleep(SLEEP);
        }
        Ok(())
    }
}

/// Sends a question as call `n`, once the CPU is idle.
fn send_call(n: u32, cpu: u32, question: &'static Question) {
    fsleep(IDLE);
    question.sent.now();
    // SAFETY: `answer` takes a question, which is static. Each call is sent once, and answered
    // before `stall` ends.
    unsafe { bindings::rust_riscv_test_send_call(n, cpu, Some(answer), question.data()) };
}

/// Sends a call, a wake-up and a work item to a CPU that is online, but still runs hotplug states.
fn ask(cpu: u32) -> Result {
    ASLEEP.wait()?;
    // The first IPI of a kind wakes a CPU from `wfi` even if the IPI is disabled there, since the
    // firmware's own interrupt does. But it stays pending, so the next of that kind is not sent.
    send_call(0, cpu, &FIRST_CALL);
    send_call(1, cpu, &CALL);
    WAKE_UP.sent.now();
    // SAFETY: The thread was started by `stall`.
    unsafe { bindings::rust_riscv_test_sleeper_wake() };
    WORK.sent.now();
    // SAFETY: As for the call.
    unsafe { bindings::rust_riscv_test_send_work(cpu, Some(answer), WORK.data()) };
    Ok(())
}

/// Asks `cpu` while it comes online.
fn ask_on_its_way(cpu: u32) -> Result {
    let (mut brought_up, mut asked) = (Ok(()), Ok(()));

    take_down(cpu)?;
    ASLEEP.reset();
    SLEEP_ON.store(cpu, Relaxed);
    let ran = pair([0, 0], || brought_up = bring_up(cpu), || asked = ask(cpu));
    SLEEP_ON.store(u32::MAX, Relaxed);
    ran.and(brought_up).and(asked)
}

/// Returns how long the last CPU does not answer a call, a wake-up and a work item.
fn stall() -> Result<[u64; 3]> {
    let cpu = last()?;

    for question in [&FIRST_CALL, &CALL, &WAKE_UP, &WORK] {
        question.reset();
    }
    // SAFETY: `answer` takes a question; stopped below.
    to_result(unsafe {
        bindings::rust_riscv_test_sleeper_start(cpu, Some(answer), WAKE_UP.data())
    })?;
    let result = ask_on_its_way(cpu).and_then(|()| {
        FIRST_CALL.answered.wait()?;
        Ok([
            CALL.nanoseconds()?,
            WAKE_UP.nanoseconds()?,
            WORK.nanoseconds()?,
        ])
    });
    // SAFETY: Started above. The sleeper was woken, or is woken now.
    unsafe {
        bindings::rust_riscv_test_sleeper_wake();
        bindings::rust_riscv_test_sleeper_stop();
    }
    if result.is_ok() {
        // SAFETY: The work item was sent.
        unsafe { bindings::rust_riscv_test_send_wait() };
    }
    result
}

/// Returns the number of CPUs on which the SBI IPI is enabled.
fn ipi_enabled() -> usize {
    extern "C" fn is_enabled() -> usize {
        const SSIE: usize = 1 << 1;
        let sie: usize;

        // SAFETY: Reads a CSR of supervisor mode.
        unsafe { core::arch::asm!("csrr {}, sie", out(reg) sie, options(nomem, nostack)) };
        usize::from(sie & SSIE != 0)
    }

    Iterator::chain(core::iter::once(0), others())
        // SAFETY: `is_enabled` may be called anywhere.
        .filter(|&cpu| unsafe { bindings::rust_riscv_test_call_on(cpu, Some(is_enabled)) } == 1)
        .count()
}

/// Another owner of the SBI IPI's state, which enables the IPI.
struct Take;

#[vtable]
impl State for Take {
    type Section = Starting;

    const NAME: &'static CStr = c"rust_riscv_meter:take";

    fn up(cpu: &Starting) {
        if let Some(irq) = IPI_IRQ.as_ref() {
            irq.enable(cpu, irq.trigger());
        }
    }
}

static IPI_IRQ: SetOnce<PercpuIrq> = SetOnce::new();

fn take() -> Result<Registration<Take>> {
    IPI_IRQ.populate(PercpuIrq::find(Local::Software).ok_or(ENODEV)?);

    // SAFETY: It breaks nothing as long as this module stays; the test that wants it keeps it. What
    // is set up instead is dropped with the module's data.
    CpusRead::with(|cpus| unsafe { cpus.clear_slot(Slot::RISCV_SBI_IPI).set_up() })
}

fn show(f: &mut fmt::Formatter<'_>, result: Result<u64>) -> fmt::Result {
    match result {
        Ok(nanoseconds) => writeln!(f, "{nanoseconds}"),
        Err(error) => writeln!(f, "error {}", error.to_errno()),
    }
}

fn make_files<'data, 'dir>(one: &'data Mutex<()>, dir: &'dir ScopedDir<'data, 'dir>) {
    dir.read_callback_file(c"cycle", one, &|one: &Mutex<()>, f| {
        let _one = one.lock();
        match cycle() {
            Ok([down, up]) => writeln!(f, "{down} {up}"),
            Err(error) => writeln!(f, "error {}", error.to_errno()),
        }
    });
    dir.read_callback_file(c"first_ipi", one, &|one: &Mutex<()>, f| {
        let _one = one.lock();
        show(f, first_ipi(false))
    });
    dir.read_callback_file(c"first_ipi_asleep", one, &|one: &Mutex<()>, f| {
        let _one = one.lock();
        show(f, first_ipi(true))
    });
    dir.read_callback_file(c"ipi_enabled", one, &|_: &Mutex<()>, f| {
        writeln!(f, "{}", ipi_enabled())
    });
    dir.read_callback_file(c"stall", one, &|one: &Mutex<()>, f| {
        let _one = one.lock();
        match stall() {
            Ok([call, wake_up, work]) => {
                writeln!(f, "call {call} wake-up {wake_up} work {work}")
            }
            Err(error) => writeln!(f, "error {}", error.to_errno()),
        }
    });
}

/// The data of the module. The mutex allows one measurement at a time.
struct Meter {
    // Dropped in this order: the files first, so that no measurement uses the state.
    _files: Pin<KBox<Scope<Mutex<()>>>>,
    _sleep: Registration<Sleep>,
    _taken: Option<Registration<Take>>,
}

impl kernel::Module for Meter {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let take_it = riscv::compat::parameter::<u8>(module_parameters::take.value()) != 0;
        Ok(Meter {
            // SAFETY: Dropped with the module's data, or if `init` fails: before its text is freed.
            _sleep: unsafe { Registration::new(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly) }?,
            _taken: take_it.then(take).transpose()?,
            _files: KBox::pin_init(
                // SAFETY: This is the last step that can fail. Dropped like the state.
                unsafe { Scope::dir(new_mutex!(()), c"rust_riscv_cpuhp_meter", make_files) },
                GFP_KERNEL,
            )?,
        })
    }
}
