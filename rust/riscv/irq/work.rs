// SPDX-License-Identifier: GPL-2.0

//! IPIs that a CPU sends to itself.
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

/// An IPI that a CPU sends to itself, which calls a function when it is received.
///
/// # Examples
///
/// ```
/// use kernel::{prelude::*, sync::atomic::{Atomic, Relaxed}};
/// use riscv::{cpuhp::*, irq::work::SelfIpi};
///
/// static RECEIVED: Atomic<u32> = Atomic::new(0);
/// // SAFETY: `wait` is called below, after the last `send`.
/// static IPI: SelfIpi = unsafe { SelfIpi::new(|| RECEIVED.store(1, Relaxed)) };
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
/// // SAFETY: The registration is dropped at once, while this module is loaded.
/// drop(unsafe { Registration::<Send>::new(Slot::ONLINE_DYNAMIC, Calls::OnlineCpusToo)? });
/// IPI.wait();
/// assert_eq!(RECEIVED.load(Relaxed), 1);
/// # Ok::<(), Error>(())
/// ```
#[repr(C)]
pub struct SelfIpi {
    /// The first field, so that a pointer to it is also one to the [`SelfIpi`].
    work: Opaque<irq_work>,
    handler: fn(),
}

// SAFETY: `work` is only accessed by the irq_work functions, which may be called on any CPU;
// `handler` does not change.
unsafe impl Sync for SelfIpi {}

/// # Safety
///
/// `work` points to the first field of a [`SelfIpi`] that lives until this returns.
unsafe extern "C" fn call_handler(work: *mut irq_work) {
    // SAFETY: The caller guarantees that `work` points to the first field of a `SelfIpi` that is
    // alive. `SelfIpi` is `repr(C)`, and there are only shared references to it.
    let ipi = unsafe { &*work.cast::<SelfIpi>() };

    (ipi.handler)();
}

impl SelfIpi {
    /// Creates an IPI that calls `handler`, with interrupts off, on the CPU that it is sent to.
    ///
    /// # Safety
    ///
    /// [`SelfIpi::wait`] is called after the last [`SelfIpi::send`], and before the module with
    /// this and `handler` is unloaded. Otherwise an IPI that is under way would call freed code.
    pub const unsafe fn new(handler: fn()) -> SelfIpi {
        // SAFETY: All zeroes are a valid `irq_work`, and what `IRQ_WORK_INIT()` begins with.
        let mut work: irq_work = unsafe { core::mem::zeroed() };

        // Run in hard interrupt context even if interrupts are threaded.
        work.node.__bindgen_anon_1.u_flags = bindings::IRQ_WORK_HARD_IRQ;
        work.func = Some(call_handler);
        SelfIpi {
            work: Opaque::new(work),
            handler,
        }
    }

    /// Sends the IPI to this CPU. Returns false if it was under way already. Any context.
    #[inline]
    pub fn send(&'static self, _here: &impl Here) -> bool {
        // SAFETY: `work` is initialised and static. The caller of `new` guarantees that it is
        // waited for before the module is unloaded.
        unsafe { bindings::irq_work_queue(self.work.get()) }
    }

    /// Waits until the IPI was handled, if it is under way. Sleeps or spins; interrupts on.
    pub fn wait(&'static self) {
        // SAFETY: `work` is initialised, and `irq_work_sync()` may be called with interrupts on,
        // which this function's context demands.
        unsafe { bindings::irq_work_sync(self.work.get()) };
    }
}
