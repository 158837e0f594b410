// SPDX-License-Identifier: GPL-2.0

//! Tests of the order, overlap, strategy and pages of a batch.

use crate::{
    text::{
        edit::{
            Edit,
            Kind, //
        },
        plan::{
            pages,
            pairs,
            plan,
            BadPlan,
            Pairs,
            Strategy, //
        }, //
    },
    MACHINE, //
};

const AT: usize = 0x8000_1000;
const PAGE: usize = 4096;

// Encodings from clang's assembler.
const NOP: [u8; 4] = 0x0000_0013u32.to_le_bytes();
const SUB: [u8; 4] = 0x40b5_0533u32.to_le_bytes(); // sub a0, a0, a1
const ADDI: [u8; 4] = 0x0015_0513u32.to_le_bytes(); // addi a0, a0, 1
const EBREAK: [u8; 4] = 0x0010_0073u32.to_le_bytes();

/// Creates an edit that replaces a 4-byte instruction with another, in a phase.
fn one(addr: usize, phase: u8) -> Edit {
    Edit::new(MACHINE, addr, &ADDI, &SUB, phase, Kind::Code).unwrap()
}

/// Creates an edit of a literal with a length.
fn any(addr: usize, len: usize) -> Edit {
    Edit::new(
        MACHINE,
        addr,
        &[0; 8][..len],
        &[1; 8][..len],
        0,
        Kind::Literal,
    )
    .unwrap()
}

fn addresses(edits: &[Edit]) -> Vec<usize> {
    edits.iter().map(Edit::addr).collect()
}

#[test]
fn edits_are_sorted() {
    // A permutation: 7 and 1000 have no common divisor.
    let mut edits: Vec<_> = (0..1000).map(|n| one(AT + n * 7 % 1000 * 4, 0)).collect();

    assert_eq!(plan(&mut edits, None, Pairs::Refused), Ok(Strategy::Live));
    let expected: Vec<_> = (0..1000).map(|n| AT + n * 4).collect();
    assert_eq!(addresses(&edits), expected);
}

#[test]
fn overlapping_edits_are_refused() {
    for (first, second) in [(2, 2), (2, 4), (4, 2), (4, 4), (6, 2), (8, 2), (8, 8)] {
        for distance in (0..16).step_by(2) {
            for swapped in [false, true] {
                let mut edits = [any(AT, first), any(AT + distance, second)];
                if swapped {
                    edits.reverse();
                }
                // Adjacent edits do not overlap.
                let expected = distance < first;
                let planned = plan(&mut edits, None, Pairs::Refused);

                assert_eq!(
                    planned.err(),
                    expected.then_some(BadPlan::Overlap(AT + distance)),
                    "{first} and {second} at {distance}, {swapped}"
                );
            }
        }
    }
}

#[test]
fn overlap_is_found_at_any_index() {
    for n in 0..64 {
        let mut edits: Vec<_> = (0..64).map(|n| one(AT + n * 4, 0)).collect();
        edits.push(any(AT + n * 4 + 2, 2));

        let planned = plan(&mut edits, None, Pairs::Refused);
        assert_eq!(planned, Err(BadPlan::Overlap(AT + n * 4 + 2)));
    }
}

/// No strategy can write two new values to one byte, not even by stopping all CPUs.
#[test]
fn overlap_is_refused_for_every_strategy() {
    for wanted in [Strategy::Live, Strategy::Phased, Strategy::Rendezvous] {
        let planned = plan(&mut [one(AT, 0), one(AT, 1)], Some(wanted), Pairs::Refused);
        assert_eq!(planned, Err(BadPlan::Overlap(AT)));
    }
}

#[test]
fn overlap_at_the_end_of_the_address_space() {
    let mut edits = [any(usize::MAX - 1, 2), any(usize::MAX - 3, 4)];
    let planned = plan(&mut edits, None, Pairs::Refused);

    assert_eq!(planned, Err(BadPlan::Overlap(usize::MAX - 1)));
}

#[test]
fn cheapest_strategy() {
    let aligned = one(AT, 0);
    let later = one(AT + 4, 1);
    let unaligned = one(AT + 10, 0);
    let breakpoint = Edit::new(MACHINE, AT + 18, &NOP, &EBREAK, 0, Kind::Code).unwrap();

    let cases: [(&[Edit], Strategy); 8] = [
        (&[aligned], Strategy::Live),
        (&[breakpoint], Strategy::Live),
        (&[aligned, breakpoint], Strategy::Live),
        (&[later], Strategy::Phased),
        (&[aligned, later, breakpoint], Strategy::Phased),
        (&[unaligned], Strategy::Rendezvous),
        (&[aligned, breakpoint, unaligned], Strategy::Rendezvous),
        (&[later, unaligned], Strategy::Rendezvous),
    ];

    for (n, (edits, expected)) in cases.into_iter().enumerate() {
        assert_eq!(
            plan(&mut edits.to_vec(), None, Pairs::Refused),
            Ok(expected),
            "case {n}"
        );
    }
}

/// A stricter strategy than required may be requested, a weaker one may not.
#[test]
fn requested_strategy() {
    use Strategy::*;

    let aligned = one(AT, 0);
    let later = one(AT + 4, 1);
    let unaligned = one(AT + 10, 0);
    let no = |edit: Edit| Err(BadPlan::Unsafe(edit.addr()));

    let cases: [(&[Edit], Strategy, Result<Strategy, BadPlan>); 12] = [
        (&[aligned], Live, Ok(Live)),
        (&[aligned], Phased, Ok(Phased)),
        (&[aligned], Rendezvous, Ok(Rendezvous)),
        (&[aligned, later], Live, no(later)),
        (&[aligned, later], Phased, Ok(Phased)),
        (&[aligned, later], Rendezvous, Ok(Rendezvous)),
        (&[aligned, unaligned], Live, no(unaligned)),
        (&[aligned, unaligned], Phased, no(unaligned)),
        (&[aligned, unaligned], Rendezvous, Ok(Rendezvous)),
        (&[later, unaligned], Live, no(unaligned)),
        (&[later, unaligned], Phased, no(unaligned)),
        (&[later, unaligned], Rendezvous, Ok(Rendezvous)),
    ];

    for (n, (edits, wanted, expected)) in cases.into_iter().enumerate() {
        let planned = plan(&mut edits.to_vec(), Some(wanted), Pairs::Refused);
        assert_eq!(planned, expected, "case {n}");
    }
}

/// Two instructions are guarded if the kernel supports that and the handler can run the old ones.
#[test]
fn pairs_are_guarded() {
    use Strategy::*;

    let two = |addr, first: [u8; 4], phase| {
        let old = [first, NOP].concat();
        let new = [ADDI, ADDI].concat();
        Edit::new(MACHINE, addr, &old, &new, phase, Kind::Code).unwrap()
    };
    let pair = two(AT, NOP, 0);
    let late = two(AT, NOP, 1);
    // ld a0, 0(a0)
    let load = two(AT + 16, 0x0005_3503u32.to_le_bytes(), 0);
    let live = one(AT + 32, 0);
    let phased = one(AT + 32, 1);
    // One instruction: no task can be in its middle.
    let unaligned = one(AT + 42, 0);
    let no = |edit: Edit| Err(BadPlan::Unsafe(edit.addr()));

    let cases: [(&[Edit], Option<Strategy>, Result<Strategy, BadPlan>); 13] = [
        (&[pair], None, Ok(Guarded)),
        (&[pair, live], None, Ok(Guarded)),
        (&[pair, unaligned], None, Ok(Guarded)),
        (&[late, live], None, Ok(Guarded)),
        // It might have to be reverted.
        (&[pair, phased], None, no(pair)),
        (&[pair, load], None, no(load)),
        (&[unaligned], None, Ok(Rendezvous)),
        (&[live], None, Ok(Live)),
        (&[live], Some(Guarded), Ok(Guarded)),
        (&[load], Some(Guarded), no(load)),
        (&[pair], Some(Live), no(pair)),
        // A task that was preempted between the two would resume in the middle of the new ones.
        (&[pair], Some(Rendezvous), no(pair)),
        (&[live, pair], Some(Rendezvous), no(pair)),
    ];

    for (n, (edits, wanted, expected)) in cases.into_iter().enumerate() {
        assert_eq!(
            plan(&mut edits.to_vec(), wanted, Pairs::Guarded),
            expected,
            "case {n}"
        );
    }
    // Without guards no strategy is safe, whichever is requested.
    for wanted in [
        None,
        Some(Live),
        Some(Phased),
        Some(Rendezvous),
        Some(Guarded),
    ] {
        let planned = plan(&mut [pair, live], wanted, Pairs::Refused);

        assert_eq!(planned, no(pair), "{wanted:?}");
    }
    // For tests that show how it fails.
    for wanted in [None, Some(Rendezvous)] {
        assert_eq!(plan(&mut [pair], wanted, Pairs::Torn), Ok(Rendezvous));
    }
    assert_eq!(plan(&mut [pair], Some(Live), Pairs::Torn), no(pair));
}

/// Guards need our hooks, and a way to wait for preempted tasks.
#[test]
fn guards_need_hooks_and_tasks_rcu() {
    for (hooks, tasks_rcu, preemption, expected) in [
        (true, true, true, Pairs::Guarded),
        (true, false, false, Pairs::Guarded),
        (true, true, false, Pairs::Guarded),
        (true, false, true, Pairs::Refused),
        (false, true, true, Pairs::Refused),
        (false, false, false, Pairs::Refused),
    ] {
        assert_eq!(pairs(hooks, tasks_rcu, preemption), expected);
    }
}

/// A call that is not the last instruction returns to the middle of the new ones.
#[test]
fn calls_that_reenter_are_refused() {
    let jal_ra = 0x0100_00efu32.to_le_bytes(); // jal ra, 16
    let edit =
        |old: [u8; 8]| Edit::new(MACHINE, AT, &old, &[ADDI, ADDI].concat(), 0, Kind::Code).unwrap();
    let pair = |first: [u8; 4], second: [u8; 4]| -> [u8; 8] {
        [first, second].concat().try_into().unwrap()
    };
    let planned = |edit| plan(&mut [edit], None, Pairs::Guarded);

    assert_eq!(planned(edit(pair(NOP, jal_ra))), Ok(Strategy::Guarded));
    assert_eq!(planned(edit(pair(jal_ra, NOP))), Err(BadPlan::Unsafe(AT)));
}

#[test]
fn pages_of_edits() {
    let cases: [(&[Edit], &[usize]); 7] = [
        (&[], &[]),
        (&[any(AT, 8)], &[AT]),
        // Up to the last byte of a page, and one parcel beyond.
        (&[any(AT + PAGE - 8, 8)], &[AT]),
        (&[any(AT + PAGE - 6, 8)], &[AT, AT + PAGE]),
        (&[any(AT + PAGE - 2, 4)], &[AT, AT + PAGE]),
        // Several edits in one page, and in both pages of one that crosses a boundary.
        (
            &[any(AT, 4), any(AT + PAGE - 2, 4), any(AT + PAGE + 2, 4)],
            &[AT, AT + PAGE],
        ),
        // Edits that cross consecutive page boundaries, and a gap.
        (
            &[
                any(AT + PAGE - 2, 4),
                any(AT + 2 * PAGE - 2, 4),
                any(AT + 9 * PAGE, 2),
            ],
            &[AT, AT + PAGE, AT + 2 * PAGE, AT + 9 * PAGE],
        ),
    ];

    for (edits, expected) in cases {
        assert_eq!(pages(edits, PAGE).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn pages_are_unique_and_ascending() {
    let edits: Vec<_> = (0..5000).map(|n| any(AT + n * 10, 8)).collect();
    let found: Vec<_> = pages(&edits, PAGE).collect();

    assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    for edit in &edits {
        for addr in [edit.addr(), edit.addr() + 7] {
            assert!(found.contains(&(addr / PAGE * PAGE)));
        }
    }
    // From a page boundary to the end of the last edit.
    assert_eq!(found.len(), (4999 * 10 + 8usize).div_ceil(PAGE));
}

#[test]
fn pages_at_the_end_of_the_address_space() {
    let last = usize::MAX - 4095;

    assert_eq!(
        pages(&[any(usize::MAX - 1, 2)], PAGE).collect::<Vec<_>>(),
        [last]
    );
}
