// SPDX-License-Identifier: GPL-2.0

//! `Descriptor` and `Doorbell`, with a device that is a thread, and so runs in program order.

use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        fence,
        AtomicU32,
        Ordering, //
    },
    thread::yield_now, //
};

use crate::{
    barrier::doorbell::{
        Descriptor,
        Device,
        Doorbell, //
    },
    model::{
        spawn,
        Model, //
    },
};
use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    transmute::FromBytes, //
};

/// The data of a descriptor, in a cell whose accesses loom checks.
#[derive(Clone, Copy)]
struct Data(&'static UnsafeCell<u32>);

// SAFETY: The models do not create one from bytes.
unsafe impl FromBytes for Data {}
// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl Send for Data {}

impl Data {
    fn read(self) -> u32 {
        // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
        self.0.with(|data| unsafe { *data })
    }

    fn write(self, value: u32) {
        // SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
        self.0.with_mut(|data| unsafe { *data = value });
    }
}

/// The memory of a descriptor, as the device sees it.
#[repr(C)]
struct Memory {
    data: core::cell::UnsafeCell<Data>,
    owner: Atomic<u32>,
}

const DEVICE: u32 = 1;

struct Machine {
    descriptor: &'static mut Descriptor<Data>,
    memory: &'static Memory,
    data: Data,
    register: &'static AtomicU32,
}

impl Machine {
    fn new() -> Machine {
        let data = Data(Box::leak(Box::new(UnsafeCell::new(0))));
        let descriptor: *mut _ = Box::leak(Box::new(Descriptor::new(data)));

        Machine {
            // SAFETY: The descriptor was leaked just now, so it is valid forever.
            descriptor: unsafe { &mut *descriptor },
            // SAFETY: The layout is that of `Descriptor`; it is shared as with a device.
            memory: unsafe { &*descriptor.cast() },
            data,
            register: Box::leak(Box::new(AtomicU32::new(0))),
        }
    }
}

/// The device: reads a request, and overwrites it with the answer.
fn answer(data: Data, device: &mut Device<'_>, request: u32) {
    fence(Ordering::Acquire);
    assert_eq!(data.read(), request);
    data.write(request + 100);
    fence(Ordering::Release);
    // SAFETY: The device does not use the data until it is given the descriptor again.
    unsafe { device.give_back() };
}

/// The device polls the descriptor, two times round.
#[test]
fn device_polls_the_descriptor() {
    // Loom does not delay loads after a later store, and has one fence for all accesses before a
    // store. So the model cannot show that the driver's reads are ordered before it gives the
    // descriptor away.
    Model::new("doorbell::device_polls_the_descriptor")
        .idle(&["doorbell.rs dma_mb(Full) in main -> acquire and release"])
        .check(|| {
            let Machine {
                descriptor,
                memory,
                data,
                ..
            } = Machine::new();
            let (mut driver, mut device) = descriptor.split();

            let other = spawn("device", move || {
                for request in [1, 2] {
                    while memory.owner.load(Relaxed) != DEVICE {
                        yield_now();
                    }
                    answer(data, &mut device, request);
                }
            });

            for request in [1, 2] {
                assert!(driver.give(|data| data.write(request)).is_some());
                let data = loop {
                    match driver.take() {
                        Some(data) => break data,
                        None => yield_now(),
                    }
                };
                assert_eq!(data.read(), request + 100);
            }
            other.join().unwrap();
        });
}

/// The device waits for its bell.
#[test]
fn device_waits_for_the_doorbell() {
    // The doorbell's fence also orders the data: for loom, a register is memory.
    Model::new("doorbell::device_waits_for_the_doorbell")
        .idle(&[
            "doorbell.rs dma_mb(Full) in main -> nothing",
            "doorbell.rs dma_mb(Full) in main -> acquire and release",
        ])
        .check(|| {
            let Machine {
                descriptor,
                data,
                register,
                ..
            } = Machine::new();
            let (mut driver, mut device) = descriptor.split();
            let doorbell = Doorbell::new(|value| register.store(value, Ordering::Relaxed));

            let other = spawn("device", move || {
                while register.load(Ordering::Relaxed) == 0 {
                    yield_now();
                }
                answer(data, &mut device, 1);
            });

            let given = driver.give(|data| data.write(1)).unwrap();
            doorbell.ring(1, given);
            while driver.take().is_none() {
                yield_now();
            }
            assert_eq!(data.read(), 101);
            other.join().unwrap();
        });
}
