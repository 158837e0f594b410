// SPDX-License-Identifier: GPL-2.0

//! The parts of bindgen's output for our helpers and the hooks' headers that the models use.

#![allow(non_camel_case_types)]

use kernel::{
    bindings::atomic_t,
    ffi::{
        c_int,
        c_void, //
    },
};

#[cfg(rust_riscv_fault_hook)]
use kernel::{
    bindings::{
        mm_struct,
        vm_area_struct, //
    },
    ffi::c_ulong,
};

#[cfg(rust_riscv_text_hooks)]
use kernel::{
    bindings::pt_regs,
    ffi::c_uint, //
};

#[repr(C)]
pub struct rust_riscv_guarded {
    pub edits: *const c_void,
    pub count: usize,
}

#[cfg(rust_riscv_text_hooks)]
#[repr(C)]
pub struct riscv_patch_text {
    pub addr: *mut c_void,
    pub bytes: u64,
    pub len: u8,
    pub first: bool,
    pub literal: bool,
}

#[cfg(rust_riscv_text_hooks)]
pub type riscv_patch_flush = c_uint;
#[cfg(rust_riscv_text_hooks)]
pub const riscv_patch_flush_RISCV_PATCH_FLUSH_NONE: riscv_patch_flush = 0;
#[cfg(rust_riscv_text_hooks)]
pub const riscv_patch_flush_RISCV_PATCH_FLUSH_THIS: riscv_patch_flush = 1;

#[cfg(rust_riscv_text_hooks)]
#[repr(C)]
pub struct riscv_patch_provider {
    pub fallback: Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> c_int>,
    pub write: Option<
        unsafe extern "C" fn(
            *mut riscv_patch_provider,
            *mut c_void,
            *const c_void,
            usize,
            c_uint,
        ) -> c_int,
    >,
    pub set:
        Option<unsafe extern "C" fn(*mut riscv_patch_provider, *mut c_void, u8, usize) -> c_int>,
    pub patch: Option<
        unsafe extern "C" fn(*mut riscv_patch_provider, *mut c_void, *const c_void, usize) -> c_int,
    >,
    pub queue: Option<
        unsafe extern "C" fn(*mut riscv_patch_provider, *const riscv_patch_text, usize) -> usize,
    >,
    pub sync: Option<unsafe extern "C" fn(*mut riscv_patch_provider) -> c_int>,
    pub breakpoint: Option<unsafe extern "C" fn(*mut pt_regs) -> bool>,
}

#[cfg(rust_riscv_fault_hook)]
#[repr(C)]
pub struct riscv_fault_provider {
    pub user_fault:
        Option<unsafe extern "C" fn(*mut mm_struct, c_ulong, c_ulong) -> *mut vm_area_struct>,
}

extern "C-unwind" {
    pub fn rust_riscv_counter_inc(counter: *mut atomic_t);
    pub fn rust_riscv_counter_read(counter: *const atomic_t) -> u32;
    pub fn rust_riscv_counter_inc_return(counter: *mut atomic_t) -> u32;
    pub fn rust_riscv_counter_inc_release(counter: *mut atomic_t);
    pub fn rust_riscv_counter_read_acquire(counter: *const atomic_t) -> u32;
    pub fn rust_riscv_cpu_relax();
    pub fn rust_riscv_num_online_cpus() -> u32;
    pub fn rust_riscv_irq_save() -> usize;
    pub fn rust_riscv_irq_restore(flags: usize);
    pub fn rust_riscv_stop_online_cpus(
        function: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
        data: *mut c_void,
    ) -> c_int;
    pub fn rust_riscv_run_in_stoppers(
        function: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
        data: *mut c_void,
    ) -> c_int;

    pub fn rust_riscv_guard_publish(table: *const rust_riscv_guarded);
    pub fn rust_riscv_guard_withdraw();
    pub fn rust_riscv_guard_published() -> *const rust_riscv_guarded;
    pub fn rust_riscv_synchronize_rcu_tasks();
}

#[cfg(rust_riscv_text_hooks)]
extern "C-unwind" {
    pub fn riscv_patch_provider_register(provider: *mut riscv_patch_provider) -> c_int;
    pub fn riscv_patch_provider_unregister(provider: *mut riscv_patch_provider);
    pub fn riscv_fault_provider_register(provider: *const riscv_fault_provider) -> c_int;
    pub fn riscv_fault_provider_unregister(provider: *const riscv_fault_provider);
    #[link_name = "patch_text_lock"]
    pub fn rust_riscv_text_lock();
    #[link_name = "patch_text_unlock"]
    pub fn rust_riscv_text_unlock();
}

/// A no-op, as in a kernel without our hooks.
#[cfg(not(rust_riscv_text_hooks))]
pub unsafe fn rust_riscv_text_lock() {}

#[cfg(not(rust_riscv_text_hooks))]
pub unsafe fn rust_riscv_text_unlock() {}

/// A no-op: models read text from where it is written, without a cache.
pub unsafe fn rust_riscv_flush_icache_all() {}

pub unsafe fn rust_riscv_interrupt_and_flush_icache_all() {}

pub unsafe fn rust_riscv_local_flush_tlb_page(_addr: usize) {}

pub unsafe fn rust_riscv_local_flush_tlb_all() {}

#[cfg(rust_riscv_fault_hook)]
pub unsafe fn rust_riscv_note_forbidden(_cause: usize) {}

/// Ticks are nanoseconds, and none pass.
#[allow(non_upper_case_globals)]
pub static mut riscv_timebase: u32 = 1_000_000_000;
