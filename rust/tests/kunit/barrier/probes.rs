// SPDX-License-Identifier: GPL-2.0

//! Functions that only `scripts/disassembly.py` reads: the machine code of barriers and patterns.

use core::cell::UnsafeCell;

use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

use riscv::barrier::{
    barrier,
    doorbell::{
        Doorbell,
        Driver,
        Given, //
    },
    message::{
        Receiver,
        Sender, //
    },
    smp_store_mb,
    wake_up::Waker, //
};

/// Keeps the functions in the object file.
pub(crate) fn keep() {
    core::hint::black_box((
        rust_riscv_probe_smp_store_mb as fn(&Atomic<u32>),
        rust_riscv_probe_barrier as fn(&UnsafeCell<u32>),
        rust_riscv_probe_no_barrier as fn(&UnsafeCell<u32>),
        rust_riscv_probe_give as fn(&mut Driver<'_, u32>) -> bool,
        rust_riscv_probe_take as fn(&mut Driver<'_, u32>) -> Option<u32>,
        rust_riscv_probe_ring as fn(&Atomic<u32>, Given),
        rust_riscv_probe_send as fn(Sender<'_, u32>),
        rust_riscv_probe_receive as fn(&mut Receiver<'_, u32>) -> Option<u32>,
        rust_riscv_probe_wake_up_set as fn(Waker<'_>) -> bool,
    ));
}

#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_smp_store_mb(atomic: &Atomic<u32>) {
    smp_store_mb(atomic, 1);
}

/// The compiler must not merge the two stores. (With a `&mut` it could: that is exclusive.)
#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_barrier(word: &UnsafeCell<u32>) {
    // SAFETY: Only read as machine code.
    unsafe { *word.get() = 1 };
    // litmus: same-cpu
    barrier();
    // SAFETY: As above.
    unsafe { *word.get() = 2 };
}

/// The control: here the compiler may merge the stores, and does. Otherwise the function above
/// would prove nothing.
#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_no_barrier(word: &UnsafeCell<u32>) {
    // SAFETY: Only read as machine code.
    unsafe { *word.get() = 1 };
    // SAFETY: As above.
    unsafe { *word.get() = 2 };
}

/// The write to the descriptor comes before the barrier.
#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_give(driver: &mut Driver<'_, u32>) -> bool {
    driver.give(|data| *data = 1).is_some()
}

#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_take(driver: &mut Driver<'_, u32>) -> Option<u32> {
    driver.take().copied()
}

#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_ring(register: &Atomic<u32>, given: Given) {
    Doorbell::new(|value| register.store(value, Relaxed)).ring(1, given);
}

#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_send(sender: Sender<'_, u32>) {
    sender.send(1);
}

#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_receive(receiver: &mut Receiver<'_, u32>) -> Option<u32> {
    receiver.receive()
}

#[no_mangle]
#[inline(never)]
extern "Rust" fn rust_riscv_probe_wake_up_set(waker: Waker<'_>) -> bool {
    waker.set()
}
