// SPDX-License-Identifier: GPL-2.0

//! `text::provider::Registration`, `TextProvider` and its queue, with the hooks in C: no
//! queued write is lost, and no thread is in a provider that was unregistered.

use crate::{
    bindings::{
        riscv_patch_flush_RISCV_PATCH_FLUSH_NONE,
        riscv_patch_flush_RISCV_PATCH_FLUSH_THIS,
        riscv_patch_provider,
        riscv_patch_text, //
    },
    engine::Text,
    linux,
    model::{
        spawn,
        Model, //
    },
    module::{
        self,
        module,
        Module, //
    },
    patch::text_provider::TextProvider,
    sources::text::{
        lock::TextLock,
        provider::{
            self,
            Declined,
            Flush,
            Kernel,
            Provider,
            Registration,
            Synced, //
        }, //
    }, //
};
use kernel::{
    bindings::pt_regs,
    ffi::{
        c_int,
        c_void, //
    },
};

extern "C-unwind" {
    fn patch_text_queue(addr: *mut c_void, insns: *const c_void, len: usize, first: bool) -> c_int;
    fn patch_text_sync() -> c_int;
    fn patch_text_breakpoint(regs: *mut pt_regs) -> bool;
    fn loom_text_lock();
    fn loom_text_unlock();
    static loom_patch_provider: [usize; 8];
    static loom_patch_text: [usize; 6];
    static loom_patch_flush: [usize; 2];
}

const OLD: [u32; 2] = [0x0000_0013; 2];
const NEW: [u32; 2] = [0x0015_0513, 0x0025_0513];

fn begin(threads: &[&str]) -> &'static Text {
    linux::begin(threads);
    module::begin(true);
    Text::begin(OLD)
}

fn registers() -> pt_regs {
    pt_regs {
        epc: 0,
        others: [0; 35],
    }
}

/// A [`TextProvider`] that uses its module's data whenever it is called.
struct InModule(TextProvider);

// SAFETY: All methods are those of `TextProvider`, which is a `Provider`.
unsafe impl Provider for InModule {
    unsafe fn write(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        flush: Flush,
    ) -> Result<(), Declined> {
        module().uses();
        // SAFETY: The caller guarantees what `TextProvider::write` requires, which is the same.
        unsafe { self.0.write(kernel, addr, bytes, flush) }
    }

    unsafe fn set(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        byte: u8,
        len: usize,
    ) -> Result<(), Declined> {
        module().uses();
        // SAFETY: The caller guarantees what `TextProvider` requires, which is the same.
        unsafe { self.0.set(kernel, addr, byte, len) }
    }

    unsafe fn patch(
        &mut self,
        kernel: Kernel<'_>,
        addr: usize,
        bytes: &[u8],
        lock: &TextLock,
    ) -> Result<(), Declined> {
        module().uses();
        // SAFETY: The caller guarantees what `TextProvider` requires, which is the same.
        unsafe { self.0.patch(kernel, addr, bytes, lock) }
    }

    unsafe fn queue(&mut self, kernel: Kernel<'_>, texts: &[provider::Text]) -> usize {
        module().uses();
        // SAFETY: The caller guarantees what `TextProvider` requires, which is the same.
        unsafe { self.0.queue(kernel, texts) }
    }

    fn sync(&mut self, kernel: Kernel<'_>) -> Synced {
        module().uses();
        self.0.sync(kernel)
    }

    unsafe fn breakpoint(regs: &mut pt_regs) -> bool {
        module().uses();
        // SAFETY: The caller guarantees what `TextProvider::breakpoint` requires, which is the
        // same.
        unsafe { TextProvider::breakpoint(regs) }
    }
}

/// Registers a provider, and returns whether that succeeded.
fn register() -> Option<Registration<InModule>> {
    let provider = InModule(TextProvider::new(4, 4).unwrap());

    // SAFETY: Callers drop the registration.
    unsafe { Registration::new(provider) }.ok()
}

/// A user of text patching that queues two instructions and has both written.
fn patches(text: &Text) {
    for (word, new) in NEW.into_iter().enumerate() {
        let bytes = new.to_le_bytes();
        let addr = std::ptr::with_exposed_provenance_mut(text.address(word));

        // SAFETY: `patch_text_queue()` is called with the lock held, for an address in `text`, as
        // it requires.
        unsafe {
            loom_text_lock();
            assert_eq!(patch_text_queue(addr, bytes.as_ptr().cast(), 4, false), 0);
            loom_text_unlock();
        }
    }
    // SAFETY: `patch_text_sync()` is called with the lock held, as it requires.
    unsafe {
        loom_text_lock();
        assert_eq!(patch_text_sync(), 0);
        assert_eq!(text.words(), NEW);
        loom_text_unlock();
    }
}

/// On unregistering, `patch_text_drain()` writes what a user has queued and not synced.
///
/// The pointer is published under the lock that users hold, and not read without it here.
#[test]
fn unregistering_writes_the_queue() {
    Model::new("text_provider::unregistering_writes_the_queue")
        .preemptions(3)
        .idle(&[
            "patch.c rcu_assign_pointer in main -> relaxed",
            "patch.c synchronize_rcu in main -> nothing",
        ])
        .check(|| {
            let text = begin(&["user"]);
            let user = spawn("user", move || patches(text));

            module().set_exists(true);
            drop(register().unwrap());
            module().set_exists(false);
            user.join().unwrap();
            assert_eq!(text.words(), NEW);
        });
}

/// A trap reads the provider without a lock, as an RCU reader.
///
/// Loom has no address dependencies, so the module's data exists before the provider is registered;
/// the test is about unregistering it.
#[test]
fn trap_during_unregistering() {
    Model::new("text_provider::trap_during_unregistering")
        .idle(&[
            "patch.c rcu_assign_pointer in main -> relaxed",
            "patch.c guard(mutex) in main -> nothing",
            "patch.c guard(mutex) (2) in main -> nothing",
            "guard.c smp_rmb in hart -> nothing",
            "guard.c smp_load_acquire in hart -> relaxed",
        ])
        .check(|| {
            begin(&["hart"]);

            let hart = spawn("hart", move || {
                linux::in_rcu(|| {
                    // SAFETY: As in a trap.
                    unsafe { patch_text_breakpoint(&mut registers()) };
                });
            });

            drop(register().unwrap());
            module().set_exists(false);
            hart.join().unwrap();
        });
}

/// There is at most one provider.
#[test]
fn concurrent_registrations() {
    Model::new("text_provider::concurrent_registrations")
        .idle(&[
            "patch.c rcu_assign_pointer in main -> relaxed",
            "patch.c rcu_assign_pointer in other -> relaxed",
            "patch.c synchronize_rcu in main -> nothing",
            "patch.c synchronize_rcu in other -> nothing",
        ])
        .check(|| {
            begin(&["other"]);
            let one = Module::new(false);
            let registers = move || {
                module().uses();
                if let Some(registration) = register() {
                    one.set_exists(true);
                    drop(registration);
                }
            };

            let other = spawn("other", registers);
            registers();
            other.join().unwrap();
        });
}

/// The structs that are declared here have the same layout as those of the hooks.
#[test]
fn struct_layouts_match_the_hooks() {
    use std::mem::{
        offset_of,
        size_of, //
    };

    // SAFETY: `loom_patch_provider` is a constant.
    let offsets = unsafe { loom_patch_provider };
    assert_eq!(
        offsets,
        [
            offset_of!(riscv_patch_provider, fallback),
            offset_of!(riscv_patch_provider, write),
            offset_of!(riscv_patch_provider, set),
            offset_of!(riscv_patch_provider, patch),
            offset_of!(riscv_patch_provider, queue),
            offset_of!(riscv_patch_provider, sync),
            offset_of!(riscv_patch_provider, breakpoint),
            size_of::<riscv_patch_provider>(),
        ]
    );
    // SAFETY: `loom_patch_text` is a constant.
    let offsets = unsafe { loom_patch_text };
    assert_eq!(
        offsets,
        [
            offset_of!(riscv_patch_text, addr),
            offset_of!(riscv_patch_text, bytes),
            offset_of!(riscv_patch_text, len),
            offset_of!(riscv_patch_text, first),
            offset_of!(riscv_patch_text, literal),
            size_of::<riscv_patch_text>(),
        ]
    );
    // SAFETY: A constant.
    let flushes = unsafe { loom_patch_flush };
    assert_eq!(
        flushes,
        [
            riscv_patch_flush_RISCV_PATCH_FLUSH_NONE,
            riscv_patch_flush_RISCV_PATCH_FLUSH_THIS,
        ]
        .map(|flush| flush as usize)
    );
}
