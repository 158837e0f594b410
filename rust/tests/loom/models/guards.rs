// SPDX-License-Identifier: GPL-2.0

//! The table of guarded edits, from `breakpoints::guard()` down to `guard.c`, and harts that have
//! hit a breakpoint.

use kernel::bindings::pt_regs;
use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        AtomicU32,
        Ordering, //
    },
};

use crate::{
    linux,
    model::{
        spawn,
        Model, //
    },
    patch::trap,
    sources::text::{
        breakpoints::{
            guard,
            published, //
        },
        edit::{
            Edit,
            Kind,
            Way, //
        },
        lock::TextLock, //
    }, //
};

const AT: usize = 0x1000;
const NOP: u32 = 0x0000_0013;
const ADDI: u32 = 0x0015_0513;

/// The content of the text.
const NEW: u32 = 0;
const BREAKPOINT: u32 = 1;

/// The content of the table, in a cell whose accesses loom checks.
struct Contents(UnsafeCell<()>);

// SAFETY: Loom checks that the accesses are ordered, and fails the test if they are not.
unsafe impl Sync for Contents {}

impl Contents {
    fn read(&self) {
        self.0.with(|_| ());
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

#[derive(Clone, Copy)]
struct Machine {
    contents: &'static Contents,
    text: &'static AtomicU32,
}

impl Machine {
    fn new(threads: &[&str]) -> Machine {
        linux::begin(threads);
        Machine {
            contents: Box::leak(Box::new(Contents(UnsafeCell::new(())))),
            text: Box::leak(Box::new(AtomicU32::new(NEW))),
        }
    }

    /// Guards an edit, for as long as its breakpoint is in the text.
    fn patches(self) {
        let pair = |first: u32, second: u32| u64::from(second) << 32 | u64::from(first);
        let (old, new) = (pair(NOP, NOP), pair(ADDI, NOP));
        let machine = crate::sources::text::edit::Machine {
            atomic_fetch: true,
            reruns_accesses: true,
        };
        let edit = Edit::new(
            machine,
            AT,
            &old.to_le_bytes(),
            &new.to_le_bytes(),
            0,
            Kind::Code,
        )
        .unwrap();
        let edits = [edit];
        assert_ne!(edits[0].way(), Way::Store);

        self.contents.write();
        // SAFETY: No other thread patches text, and no CPU goes offline or comes online.
        let lock = unsafe { TextLock::held_by_caller() };
        // SAFETY: The only call. The breakpoint is gone when the closure returns.
        unsafe {
            guard(&edits, &lock, || {
                self.text.store(BREAKPOINT, Ordering::Relaxed);
                self.text.store(NEW, Ordering::Relaxed);
            });
        }
        // The memory is used for something else.
        self.contents.write();
    }

    /// Runs the text; if that is a breakpoint, the handler must handle it.
    fn runs(self) {
        linux::trap(|| {
            if self.text.load(Ordering::Relaxed) == BREAKPOINT {
                // SAFETY: Interrupts are off.
                assert!(unsafe { trap::handle(&mut registers(AT)) });
                self.contents.read();
            }
        });
    }

    /// Hits a breakpoint that is not ours.
    fn traps(self) {
        linux::trap(|| {
            // SAFETY: Interrupts are off.
            if !unsafe { published() }.is_empty() {
                self.contents.read();
            }
            // SAFETY: Interrupts are off.
            assert!(!unsafe { trap::handle(&mut registers(AT + 0x100)) });
        });
    }
}

fn registers(epc: usize) -> pt_regs {
    pt_regs {
        epc,
        others: [0; 35],
    }
}

/// A hart that hits our breakpoint has observed it before a fence, which also orders the table.
#[test]
fn guarded_breakpoint() {
    Model::new("guards::guarded_breakpoint")
        .idle(&[
            "guard.c smp_load_acquire in hart -> relaxed",
            "guard.c smp_store_release in main -> relaxed",
            "guard.c kick_all_cpus_sync (2) in main -> nothing",
        ])
        .check(|| {
            let machine = Machine::new(&["hart"]);
            let hart = spawn("hart", move || machine.runs());

            machine.patches();
            hart.join().unwrap();
        });
}

/// A hart that hits another breakpoint observes only the pointer to the table. So the orderings of
/// our breakpoint are not tested here.
#[test]
fn other_breakpoint() {
    Model::new("guards::other_breakpoint")
        .idle(&[
            "guard.c smp_rmb in hart -> nothing",
            "guard.c smp_wmb in main -> nothing",
            "guard.c kick_all_cpus_sync in main -> nothing",
        ])
        .check(|| {
            let machine = Machine::new(&["hart"]);
            let hart = spawn("hart", move || machine.traps());

            machine.patches();
            hart.join().unwrap();
        });
}
