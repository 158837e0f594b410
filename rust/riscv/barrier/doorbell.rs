// SPDX-License-Identifier: GPL-2.0

//! Doorbell: descriptors in memory, then a device's register; and what the device writes back.
//!
//! A device is an observer that `smp_*` barriers say nothing about.

use core::cell::UnsafeCell;

use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    transmute::FromBytes, //
};

use super::{
    dma_mb,
    mb,
    Full,
    Read,
    Write, //
};

const CPU: u32 = 0;
const DEVICE: u32 = 1;

/// A descriptor in memory that a device reads and writes, coherently: either the CPU or the device
/// owns it.
///
/// A device can leave any bytes: what it leaves is a `T` only because all of them are.
///
/// # Examples
///
/// ```
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use riscv::barrier::doorbell::{Descriptor, Doorbell};
///
/// let register = Atomic::new(0u32); // In a driver: `|n| io.relaxed().write32(n, BELL)`.
/// let doorbell = Doorbell::new(|n| register.store(n, Relaxed));
/// let mut descriptor = Descriptor::new([0u8; 16]);
/// let (mut driver, mut device) = descriptor.split();
///
/// let given = driver.give(|data| data[0] = 42).ok_or(EBUSY)?;
/// doorbell.ring(1, given);
/// assert_eq!(register.load(Relaxed), 1);
///
/// assert!(driver.take().is_none()); // It is still the device's.
/// // SAFETY: In this example nobody else is the device, which gives it back.
/// unsafe { device.give_back() };
/// assert_eq!(driver.take().map(|data| data[0]), Some(42));
/// # Ok::<(), Error>(())
/// ```
#[repr(C)]
pub struct Descriptor<T> {
    data: UnsafeCell<T>,
    owner: Atomic<u32>,
}

// SAFETY: Only the one `Driver` gets at the data.
unsafe impl<T: Send> Sync for Descriptor<T> {}

impl<T: FromBytes> Descriptor<T> {
    /// A descriptor that the CPU owns.
    pub const fn new(data: T) -> Descriptor<T> {
        Descriptor {
            data: UnsafeCell::new(data),
            owner: Atomic::new(CPU),
        }
    }

    /// The two sides. A device is told of the descriptor by its address in memory, and finds a word
    /// behind the data that says who owns it: 0 the CPU, 1 the device.
    ///
    /// Who tells it answers for the descriptor's staying there while the device owns it.
    ///
    /// The driver gets a side of its own because it must not have an exclusive reference to the
    /// descriptor: the compiler could take what it writes there as nobody's business, and move it
    /// across any barrier.
    pub fn split(&mut self) -> (Driver<'_, T>, Device<'_>) {
        (Driver(self), Device(&self.owner))
    }
}

/// The driver's side of a descriptor.
pub struct Driver<'a, T>(&'a Descriptor<T>);

impl<T: FromBytes> Driver<'_, T> {
    /// Fills the descriptor in, then makes it the device's. `None` if it is the device's already.
    #[must_use = "the device does not know yet: ring its bell"]
    pub fn give(&mut self, fill: impl FnOnce(&mut T)) -> Option<Given> {
        fill(self.take()?);
        // The device may look without being told, and must not find it half filled in; nor may
        // what it writes be what was read here before. Write would not order the reads.
        // litmus: doorbell, doorbell+cycle
        dma_mb(Full);
        self.0.owner.store(DEVICE, Relaxed);
        Some(Given(()))
    }

    /// What the device has left, if it has given the descriptor back.
    pub fn take(&mut self) -> Option<&mut T> {
        if self.0.owner.load(Relaxed) != CPU {
            return None;
        }
        // The data is read after the mark. litmus: completion, doorbell+cycle
        dma_mb(Read);
        // SAFETY: The CPU owns it, as the device has said, or who is in its place, by the requirement
        // of `give_back`; and this is its only driver.
        Some(unsafe { &mut *self.0.data.get() })
    }
}

/// The device's side of a descriptor, for code that takes a device's place.
pub struct Device<'a>(&'a Atomic<u32>);

impl Device<'_> {
    /// Gives the descriptor back to the CPU.
    ///
    /// # Safety
    ///
    /// No device uses the data any more, until it is given the descriptor again.
    pub unsafe fn give_back(&mut self) {
        self.0.store(CPU, Relaxed);
    }
}

/// Proof that a descriptor has been given to the device.
pub struct Given(());

/// A device's register that tells it to look.
pub struct Doorbell<F: Fn(u32)> {
    write: F,
}

impl<F: Fn(u32)> Doorbell<F> {
    /// A doorbell that `write` rings. The relaxed accessor is enough: the order comes from here.
    pub const fn new(write: F) -> Doorbell<F> {
        Doorbell { write }
    }

    /// Rings, after everything that was written to the descriptor.
    pub fn ring(&self, value: u32, _given: Given) {
        // Memory before the register: only a barrier with the device bits does that.
        // litmus: doorbell
        mb(Write);
        (self.write)(value);
    }
}
