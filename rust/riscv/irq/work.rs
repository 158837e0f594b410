// SPDX-License-Identifier: GPL-2.0

//! An IPI that a CPU sends itself.
//!
//! C header: [`include/linux/irq_work.h`](srctree/include/linux/irq_work.h)

use kernel::{
    bindings::{
        self,
        irq_work, //
    },
    types::Opaque, //
};

use crate::cpuhp::Here;

/// Tells a CPU when it hears its next IPI, by sending it one.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::atomic::{Atomic, Relaxed}};
/// use riscv::{cpuhp::*, irq::work::SelfIpi};
///
/// static HEARD: Atomic<u32> = Atomic::new(0);
/// // SAFETY: It is waited for below, when nobody sends it any more.
/// static IPI: SelfIpi = unsafe { SelfIpi::new(|| HEARD.store(1, Relaxed)) };
///
/// struct Send;
///
/// #[vtable]
/// impl State for Send {
///     type Section = Online;
///     const NAME: &'static CStr = c"example:send";
///
///     fn up(cpu: &Online) -> Result {
///         IPI.send(cpu);
///         Ok(())
///     }
/// }
///
/// // SAFETY: Dropped at once.
/// drop(unsafe { Registration::<Send>::new(Slot::ONLINE_DYNAMIC, Calls::OnlineCpusToo)? });
/// IPI.wait();
/// assert_eq!(HEARD.load(Relaxed), 1);
/// # Ok::<(), Error>(())
/// ```
#[repr(C)]
pub struct SelfIpi {
    /// The first field, so that a pointer to it is one to this.
    work: Opaque<irq_work>,
    heard: fn(),
}

// SAFETY: The kernel's code guards `work`; `heard` does not change.
unsafe impl Sync for SelfIpi {}

/// # Safety
///
/// `work` points to the first field of a [`SelfIpi`] that lives until this returns.
unsafe extern "C" fn heard(work: *mut irq_work) {
    // SAFETY: By the function's requirement; `SelfIpi` is `repr(C)`, and only shared.
    let ipi = unsafe { &*work.cast::<SelfIpi>() };

    (ipi.heard)();
}

impl SelfIpi {
    /// An IPI that has `heard_fn` called, with interrupts off, on the CPU that it is sent to.
    ///
    /// # Safety
    ///
    /// [`SelfIpi::wait`] is called after the last [`SelfIpi::send`], and before the text of the
    /// module that this and `heard_fn` are in goes. An IPI that is on its way would be heard there.
    pub const unsafe fn new(heard_fn: fn()) -> SelfIpi {
        // SAFETY: All zeroes are a valid `irq_work`, and what `IRQ_WORK_INIT()` begins with.
        let mut work: irq_work = unsafe { core::mem::zeroed() };

        // In hard interrupt context, also where interrupts are threads.
        work.node.__bindgen_anon_1.u_flags = bindings::IRQ_WORK_HARD_IRQ;
        work.func = Some(heard);
        SelfIpi {
            work: Opaque::new(work),
            heard: heard_fn,
        }
    }

    /// Sends it to this CPU; whether it was not on its way already. Any context.
    #[inline]
    pub fn send(&'static self, _here: &impl Here) -> bool {
        // SAFETY: Initialised and static. By the requirement of `new` it is heard before it goes.
        unsafe { bindings::irq_work_queue(self.work.get()) }
    }

    /// Waits until it was heard, if it is on its way. Sleeps or spins; interrupts on.
    pub fn wait(&'static self) {
        // SAFETY: Initialised.
        unsafe { bindings::irq_work_sync(self.work.get()) };
    }
}
