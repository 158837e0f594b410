// SPDX-License-Identifier: GPL-2.0

//! Which accesses are forbidden, and the order in which that is reported.

use std::cell::RefCell;

use crate::fault::{
    access::{
        access_error,
        Cause,
        Verdict,
        VmFlags, //
    },
    stage::{
        AddressSpace,
        End,
        Fault,
        Judged,
        LockedVma,
        Outcome, //
    }, //
};

/// From mm/: `VM_READ`, `VM_WRITE` and `VM_EXEC` are bits 0 to 2 of `vm_flags`.
const R: VmFlags = 0b001;
const W: VmFlags = 0b010;
const X: VmFlags = 0b100;

/// From the privileged specification: the page faults among the exceptions of `scause`, and from
/// its chapter on virtual memory and `mmap(2)`: what a VMA must allow for each. That a VMA which may be written
/// may be read is because a RISC-V page cannot be writable and unreadable.
///
/// The VMA, and whether it allows a fetch (12), a load (13) and a store (15).
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

/// All flags that are no permissions, `VM_SHADOW_STACK` and those to come among them.
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
fn causes_are_those_of_the_privileged_specification() {
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
fn a_verdict_has_all_of_the_report() {
    for (cause, flags) in [(12, R | W), (13, X), (13, 0), (15, R | X)] {
        let Verdict::Report(report) = Verdict::of(cause, flags, 0xdead_b000) else {
            panic!("{cause} {flags:#x}");
        };

        // asm-generic/signal.h: SIGSEGV is 11. asm-generic/siginfo.h: SEGV_MAPERR is 1, SEGV_ACCERR 2.
        assert_eq!((report.signal(), report.code()), (11, 2));
        assert_eq!((report.address(), report.bad_cause()), (0xdead_b000, cause));
    }
}

#[test]
fn other_verdicts() {
    assert_eq!(Verdict::of(13, R, 0x1000), Verdict::CarryOn);
    assert_eq!(Verdict::of(15, W, 0x1000), Verdict::CarryOn);
    assert_eq!(Verdict::of(12, X, 0x1000), Verdict::CarryOn);
    for cause in [0, 1, 5, 7, 8, 14, 16, 18, 19, 24, usize::MAX] {
        assert_eq!(Verdict::of(cause, 0, 0x1000), Verdict::NotOurs, "{cause}");
        assert_eq!(Verdict::of(cause, R | W | X, 0x1000), Verdict::NotOurs);
    }
}

/// What was done, in its order.
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

/// An address space that is one VMA with these flags, or none.
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
    // SAFETY: Nobody provides a page.
    unsafe { Fault::new(mm, 0x5000, Cause::from_scause(scause).unwrap()) }
}

fn handle<'b, 'a>(fault: Fault<'b, Mm<'a>>) -> Outcome<'b, Mm<'a>> {
    let locked = match fault.lock() {
        Ok(locked) => locked,
        Err(fault) => return fault.back(),
    };

    match locked.judge() {
        Judged::Allowed(allowed) => allowed.keep(),
        Judged::Forbidden(forbidden) => forbidden.unlock().report(),
    }
}

#[test]
fn forbidden_is_unlocked_and_then_reported() {
    let log = Log::default();

    for (cause, flags) in [(12, R | W), (13, X), (15, R | X)] {
        let mm = Mm(Some(flags), &log);
        let end = handle(fault(&mm, cause)).into_end();

        assert!(matches!(end, End::Report(c) if c.scause() == cause));
        assert_eq!(log.take(), ["lock at 0x5000", "unlock"]);
    }
}

#[test]
fn allowed_stays_locked() {
    let log = Log::default();
    let mm = Mm(Some(W), &log);
    let end = handle(fault(&mm, 15)).into_end();

    assert!(matches!(end, End::CarryOn(_)));
    assert_eq!(log.take(), ["lock at 0x5000"]);
    drop(end);
    assert_eq!(log.take(), ["unlock"]);
}

#[test]
fn without_a_vma_nothing_is_done() {
    let log = Log::default();
    let mm = Mm(None, &log);

    assert!(matches!(handle(fault(&mm, 13)).into_end(), End::Back));
    assert_eq!(log.take(), ["lock at 0x5000"]);
}

#[test]
fn going_back_unlocks() {
    let log = Log::default();
    let mm = Mm(Some(R), &log);
    let locked = fault(&mm, 12).lock();

    let Judged::Forbidden(forbidden) = locked.ok().unwrap().judge() else {
        panic!();
    };
    assert!(matches!(forbidden.unlock().back().into_end(), End::Back));
    assert_eq!(log.take(), ["lock at 0x5000", "unlock"]);
}
