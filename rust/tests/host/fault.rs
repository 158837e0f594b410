// SPDX-License-Identifier: GPL-2.0

//! Tests of the access check, of its C API, and of the order of lock, unlock and signal.

use std::cell::RefCell;

use crate::{
    fault::{
        access::{
            access_error,
            Cause,
            VmFlags, //
        },
        stage::{
            Action,
            AddressSpace,
            CheckedAccess,
            Fault,
            FaultOutcome,
            LockedVma, //
        }, //
    },
    fault_ffi::Access, //
};

/// From include/linux/mm.h: `VM_READ`, `VM_WRITE` and `VM_EXEC` are bits 0 to 2 of `vm_flags`.
const R: VmFlags = 0b001;
const W: VmFlags = 0b010;
const X: VmFlags = 0b100;

/// A VMA's flags, and whether it allows a fetch (12), a load (13) and a store (15).
///
/// From the privileged specification, its exceptions in `scause` and its chapter on virtual memory,
/// and from `mmap(2)`. A writable VMA is readable, since a RISC-V page cannot be writable and not
/// readable.
const ALLOWED: [(VmFlags, bool, bool, bool); 8] = [
    (0, false, false, false),
    (R, false, true, false),
    (W, false, true, true),
    (R | W, false, true, true),
    (X, true, false, false),
    (R | X, true, true, false),
    (W | X, true, true, true),
    (R | W | X, true, true, true),
];

/// All flags that are not permissions, including `VM_SHADOW_STACK` and unused ones.
const OTHERS: VmFlags = !(R | W | X);

#[test]
fn truth_table() {
    for (flags, fetch, load, store) in ALLOWED {
        for flags in [flags, flags | OTHERS] {
            assert_eq!(
                access_error(Cause::Fetch, flags),
                !fetch,
                "fetch {flags:#x}"
            );
            assert_eq!(access_error(Cause::Load, flags), !load, "load {flags:#x}");
            assert_eq!(
                access_error(Cause::Store, flags),
                !store,
                "store {flags:#x}"
            );
        }
    }
}

#[test]
fn causes_match_the_privileged_specification() {
    for scause in (0..64).chain([1 << 63 | 5, usize::MAX]) {
        let expected = match scause {
            12 => Some(Cause::Fetch),
            13 => Some(Cause::Load),
            15 => Some(Cause::Store),
            _ => None,
        };

        assert_eq!(Cause::from_scause(scause), expected, "{scause}");
    }
    assert_eq!(Cause::ALL.map(Cause::scause), [13, 15, 12]);
    assert_eq!(Cause::ALL.map(Cause::index), [0, 1, 2]);
}

#[test]
fn forbidden_access_has_the_complete_signal() {
    for (cause, flags) in [(12, R | W), (13, X), (13, 0), (15, R | X)] {
        let Access::Forbidden(info) = Access::check(cause, flags, 0xdead_b000) else {
            panic!("{cause} {flags:#x}");
        };

        // asm-generic/signal.h: SIGSEGV is 11. asm-generic/siginfo.h: SEGV_MAPERR is 1, SEGV_ACCERR 2.
        assert_eq!((info.signal, info.code), (11, 2));
        assert_eq!((info.address, info.bad_cause), (0xdead_b000, cause));
    }
}

#[test]
fn allowed_accesses_and_unknown_causes() {
    assert_eq!(Access::check(13, R, 0x1000), Access::Allowed);
    assert_eq!(Access::check(15, W, 0x1000), Access::Allowed);
    assert_eq!(Access::check(12, X, 0x1000), Access::Allowed);
    for cause in [0, 1, 5, 7, 8, 14, 16, 18, 19, 24, usize::MAX] {
        assert_eq!(
            Access::check(cause, 0, 0x1000),
            Access::UnknownCause,
            "{cause}"
        );
        assert_eq!(
            Access::check(cause, R | W | X, 0x1000),
            Access::UnknownCause
        );
    }
}

/// The operations, in their order.
#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Log {
    fn add(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

struct Vma<'a>(VmFlags, &'a Log);

impl LockedVma for Vma<'_> {
    fn flags(&self) -> VmFlags {
        self.0
    }
}

impl Drop for Vma<'_> {
    fn drop(&mut self) {
        self.1.add("unlock");
    }
}

/// An address space of one VMA with these flags, or of none.
struct Mm<'a>(Option<VmFlags>, &'a Log);

impl<'a> AddressSpace for Mm<'a> {
    type Vma<'b>
        = Vma<'a>
    where
        'a: 'b;

    fn lock_vma(&self, address: usize) -> Option<Vma<'a>> {
        self.1.add(format!("lock at {address:#x}"));
        self.0.map(|flags| Vma(flags, self.1))
    }
}

fn fault<'b, 'a>(mm: &'b Mm<'a>, scause: usize) -> Fault<'b, Mm<'a>> {
    // SAFETY: There is no trap, and no page is provided.
    unsafe { Fault::new(mm, 0x5000, Cause::from_scause(scause).unwrap()) }
}

fn handle<'b, 'a>(fault: Fault<'b, Mm<'a>>) -> FaultOutcome<'b, Mm<'a>> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.fall_back(),
    };

    match locked.check_access() {
        CheckedAccess::Allowed(allowed) => allowed.keep_locked(),
        CheckedAccess::Forbidden(forbidden) => forbidden.unlock().signal(),
    }
}

#[test]
fn forbidden_access_unlocks_before_the_signal() {
    let log = Log::default();

    for (cause, flags) in [(12, R | W), (13, X), (15, R | X)] {
        let mm = Mm(Some(flags), &log);
        let action = handle(fault(&mm, cause)).into_action();

        assert!(matches!(action, Action::Signal(c) if c.scause() == cause));
        assert_eq!(log.take(), ["lock at 0x5000", "unlock"]);
    }
}

#[test]
fn allowed_access_stays_locked() {
    let log = Log::default();
    let mm = Mm(Some(W), &log);
    let action = handle(fault(&mm, 15)).into_action();

    assert!(matches!(action, Action::HandleMmFault(_)));
    assert_eq!(log.take(), ["lock at 0x5000"]);
    drop(action);
    assert_eq!(log.take(), ["unlock"]);
}

#[test]
fn fault_without_vma_falls_back() {
    let log = Log::default();
    let mm = Mm(None, &log);

    assert!(matches!(
        handle(fault(&mm, 13)).into_action(),
        Action::FallBack
    ));
    assert_eq!(log.take(), ["lock at 0x5000"]);
}

#[test]
fn fall_back_unlocks() {
    let log = Log::default();
    let mm = Mm(Some(R), &log);
    let locked = fault(&mm, 12).lock();

    let CheckedAccess::Forbidden(forbidden) = locked.ok().unwrap().check_access() else {
        panic!();
    };
    assert!(matches!(
        forbidden.unlock().fall_back().into_action(),
        Action::FallBack
    ));
    assert_eq!(log.take(), ["lock at 0x5000", "unlock"]);
}
