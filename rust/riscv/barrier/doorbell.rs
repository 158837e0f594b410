// SPDX-License-Identifier: GPL-2.0

//! Doorbells: DMA descriptors in coherent memory, and the device register that announces them.
//!
//! The other side is a device, for which `smp_*` barriers are not enough.

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

/// A descriptor in coherent memory that the CPU and a device both access. One of them owns it.
///
/// A device can write any bytes, so every bit pattern must be a valid `T`: it is `FromBytes`.
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
/// assert!(driver.take().is_none()); // The device still owns it.
/// // SAFETY: There is no real device in this example, so nothing else uses the data.
/// unsafe { device.give_back() };
/// assert_eq!(driver.take().map(|data| data[0]), Some(42));
/// # Ok::<(), Error>(())
/// ```
#[repr(C)]
pub struct Descriptor<T> {
    data: UnsafeCell<T>,
    owner: Atomic<u32>,
}

// SAFETY: Only the `Driver`, of which there is one, accesses the data; `T: Send` lets it be used by
// another thread.
unsafe impl<T: Send> Sync for Descriptor<T> {}

impl<T: FromBytes> Descriptor<T> {
    /// Creates a descriptor that the CPU owns.
    pub const fn new(data: T) -> Descriptor<T> {
        Descriptor {
            data: UnsafeCell::new(data),
            owner: Atomic::new(CPU),
        }
    }

    /// Returns the two sides. A device is passed the address of the descriptor in memory, and finds
    /// a word behind the data that holds its owner: 0 is the CPU, 1 the device.
    ///
    /// Code that passes the address must keep the descriptor there while the device owns it.
    ///
    /// The driver's side is a shared reference: the compiler may assume that writes through an
    /// exclusive one have no other observer, and move them across any barrier.
    pub fn split(&mut self) -> (Driver<'_, T>, Device<'_>) {
        (Driver(self), Device(&self.owner))
    }
}

/// The driver's side of a descriptor.
pub struct Driver<'a, T>(&'a Descriptor<T>);

impl<T: FromBytes> Driver<'_, T> {
    /// Calls `fill` to fill the descriptor in, then passes it to the device. `None` if the device
    /// owns it already.
    #[must_use = "the device does not know yet: ring its bell"]
    pub fn give(&mut self, fill: impl FnOnce(&mut T)) -> Option<Given> {
        fill(self.take()?);
        // The device may poll the descriptor, and must not see it partly filled in; nor may reads
        // before this return what the device writes afterwards, which `Write` would not prevent.
        // litmus: doorbell, doorbell+cycle
        dma_mb(Full);
        self.0.owner.store(DEVICE, Relaxed);
        Some(Given(()))
    }

    /// Returns the data that the device has written, if it has given the descriptor back.
    pub fn take(&mut self) -> Option<&mut T> {
        if self.0.owner.load(Relaxed) != CPU {
            return None;
        }
        // The data is read after the owner. litmus: completion, doorbell+cycle
        dma_mb(Read);
        // SAFETY: The CPU owns the descriptor: either the device has given it back, or the caller
        // of `give_back` has, who guarantees that no device uses the data. `&mut self` is borrowed
        // from the only driver.
        Some(unsafe { &mut *self.0.data.get() })
    }
}

/// The device's side of a descriptor, for code that acts as the device.
pub struct Device<'a>(&'a Atomic<u32>);

impl Device<'_> {
    /// Gives the descriptor back to the CPU.
    ///
    /// # Safety
    ///
    /// No device uses the data from now on, until it is given the descriptor again.
    pub unsafe fn give_back(&mut self) {
        self.0.store(CPU, Relaxed);
    }
}

/// A token that shows that a descriptor was given to the device.
pub struct Given(());

/// A device register that tells the device to read its descriptors.
pub struct Doorbell<F: Fn(u32)> {
    write: F,
}

impl<F: Fn(u32)> Doorbell<F> {
    /// Creates a doorbell whose register `write` writes. A relaxed accessor is sufficient, since
    /// [`Doorbell::ring`] has the barrier.
    pub const fn new(write: F) -> Doorbell<F> {
        Doorbell { write }
    }

    /// Writes `value` to the register, after everything that was written to the descriptor.
    pub fn ring(&self, value: u32, _given: Given) {
        // Memory is written before the register, which takes a barrier with the I/O bits.
        // litmus: doorbell
        mb(Write);
        (self.write)(value);
    }
}
