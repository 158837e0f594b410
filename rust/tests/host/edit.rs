// SPDX-License-Identifier: GPL-2.0

//! Tests of edits, and of the way in which each is written.

use crate::{
    text::edit::{
        BadEdit,
        Contents,
        Edit,
        Kind,
        Machine,
        Way,
        MAX_LEN,
        MAX_PHASE, //
    },
    MACHINE,
    WITHOUT_ZICCIF, //
};

const AT: usize = 0x8000_1000;

// Encodings from clang's assembler.
const NOP: u32 = 0x0000_0013;
const ADDI: u32 = 0x0015_0513; // addi a0, a0, 1
const EBREAK: u32 = 0x0010_0073;
const SUB: u32 = 0x40b5_0533; // sub a0, a0, a1
const C_NOP: u16 = 0x0001;
const C_LI: u16 = 0x4505; // c.li a0, 1
const C_EBREAK: u16 = 0x9002;

fn way(addr: usize, old: &[u8], new: &[u8], kind: Kind) -> Way {
    Edit::new(MACHINE, addr, old, new, 0, kind).unwrap().way()
}

fn words(addr: usize, old: u32, new: u32) -> Way {
    way(addr, &old.to_le_bytes(), &new.to_le_bytes(), Kind::Code)
}

fn halves(addr: usize, old: u16, new: u16) -> Way {
    way(addr, &old.to_le_bytes(), &new.to_le_bytes(), Kind::Code)
}

fn pairs(addr: usize, old: [u16; 2], new: [u16; 2]) -> Way {
    let word = |[low, high]: [u16; 2]| u32::from(high) << 16 | u32::from(low);

    words(addr, word(old), word(new))
}

#[test]
fn accessors_return_the_arguments() {
    let edit = Edit::new(MACHINE, AT, &[1, 2, 3, 4], &[5, 6, 7, 8], 1, Kind::Code).unwrap();

    assert_eq!((edit.addr(), edit.len(), edit.end()), (AT, 4, AT + 4));
    assert_eq!(edit.phase(), 1);
    assert_eq!(edit.old(), 0x0403_0201);
    assert_eq!(edit.new_bytes(), 0x0807_0605);
}

/// The encodings are from clang's assembler.
#[test]
fn loads_stores_and_atomics_are_accesses() {
    let edit = |old: u32, new: u32, kind| {
        Edit::new(
            MACHINE,
            AT + 4,
            &old.to_le_bytes(),
            &new.to_le_bytes(),
            0,
            kind,
        )
        .unwrap()
    };
    let half = |old: u16| {
        Edit::new(
            MACHINE,
            AT,
            &old.to_le_bytes(),
            &C_NOP.to_le_bytes(),
            0,
            Kind::Code,
        )
        .unwrap()
    };

    for access in [
        0x0005_2503, // lw a0, 0(a0)
        0x0005_3507, // fld fa0, 0(a0)
        0x00a5_a023, // sw a0, 0(a1)
        0x00a5_b027, // fsd fa0, 0(a1)
        0x00a5_a52f, // amoadd.w a0, a0, (a1)
    ] {
        assert!(edit(access, NOP, Kind::Code)
            .contents()
            .has(Contents::ACCESS));
        assert!(edit(NOP, access, Kind::Code)
            .contents()
            .has(Contents::ACCESS));
        assert!(!edit(access, NOP, Kind::Literal)
            .contents()
            .has(Contents::ACCESS));
    }
    for other in [NOP, ADDI, SUB, EBREAK] {
        assert!(!edit(other, other, Kind::Code)
            .contents()
            .has(Contents::ACCESS));
    }
    for access in [
        0x4188, // c.lw a0, 0(a1)
        0xe188, // c.sd a0, 0(a1)
        0x6502, // c.ldsp a0, 0(sp)
        0xc02a, // c.swsp a0, 0(sp)
    ] {
        assert!(half(access).contents().has(Contents::ACCESS));
    }
    for other in [
        C_NOP, C_LI, C_EBREAK, //
        0x0048,   // c.addi4spn a0, sp, 4
        0x050a,   // c.slli a0, 2
        0x852e,   // c.mv a0, a1
        0x8502,   // c.jr a0
    ] {
        assert!(!half(other).contents().has(Contents::ACCESS));
    }
}

#[test]
fn replacing_an_access_by_another_needs_a_stop() {
    const LW: u32 = 0x0005_2503; // lw a0, 0(a0)
    const SW: u32 = 0x00a5_a023; // sw a0, 0(a1)
    let edit = |old: u32, new: u32| {
        Edit::new(
            MACHINE,
            AT,
            &old.to_le_bytes(),
            &new.to_le_bytes(),
            0,
            Kind::Code,
        )
        .unwrap()
    };

    for (old, new) in [
        (LW, 0x0005_2583),          // lw a1, 0(a0)
        (LW, 0x0005_1503),          // lh a0, 0(a0)
        (LW, SW),                   //
        (SW, 0x00b5_a023),          // sw a1, 0(a1)
        (SW, 0x00a5_b023),          // sd a0, 0(a1)
        (0x0005_2507, 0x0005_2587), // flw fa0, 0(a0); flw fa1, 0(a0)
        (0x00a5_a52f, 0x00a6_252f), // amoadd.w a0, a0, (a1); amoadd.w a0, a0, (a2)
    ] {
        for edit in [edit(old, new), edit(new, old)] {
            assert_eq!(edit.way(), Way::Stop);
            assert!(edit.contents().has(Contents::ACCESS));
        }
    }
    for (old, new) in [
        (LW, 0x8007_a503), // lw a0, -2048(a5)
        (SW, 0x80a7_a023), // sw a0, -2048(a5)
        (SW, 0x00a5_afa3), // sw a0, 31(a1)
    ] {
        assert_eq!(edit(old, new).way(), Way::Store);
        assert!(!edit(old, new).contents().has(Contents::ACCESS));
    }
    // Compressed: c.lw a0, 0(a1); c.lw a0, 4(a1).
    let half = Edit::new(
        MACHINE,
        AT,
        &0x4188u16.to_le_bytes(),
        &0x41c8u16.to_le_bytes(),
        0,
        Kind::Code,
    );
    assert_eq!(half.unwrap().way(), Way::Stop);
}

#[test]
fn accesses_need_a_stop_without_reruns() {
    let edit = |old: u32, new: u32, kind| {
        let machine = Machine {
            reruns_accesses: false,
            ..MACHINE
        };

        Edit::new(machine, AT, &old.to_le_bytes(), &new.to_le_bytes(), 0, kind)
            .unwrap()
            .way()
    };
    const LW: u32 = 0x0005_2503; // lw a0, 0(a0)

    assert_eq!(edit(LW, NOP, Kind::Code), Way::Stop);
    assert_eq!(edit(EBREAK, LW, Kind::Code), Way::Stop);
    assert_eq!(edit(LW, NOP, Kind::Literal), Way::Store);
    assert_eq!(edit(LW, 0x0085_2503, Kind::Code), Way::Store);
    assert_eq!(edit(NOP, ADDI, Kind::Code), Way::Store);
}

/// Bytes beyond the length of an edit must not be compared or stored.
#[test]
fn bytes_beyond_the_length_are_zero() {
    let ones = [0xff; MAX_LEN];

    for len in [2, 4, 6, 8] {
        let edit = Edit::new(MACHINE, AT, &ones[..len], &ones[..len], 0, Kind::Code).unwrap();
        let mask = u64::MAX >> (64 - 8 * len);

        assert_eq!((edit.old(), edit.new_bytes()), (mask, mask));
    }
}

/// The words of an edit may have more bytes than it replaces.
#[test]
fn words_are_truncated_to_the_length() {
    for len in [2, 4, 8] {
        let edit = Edit::aligned(MACHINE, AT, u64::MAX, u64::MAX, len, 0, Kind::Literal).unwrap();
        let mask = u64::MAX >> (64 - 8 * len);

        assert_eq!((edit.old(), edit.new_bytes()), (mask, mask));
    }
}

#[test]
fn one_store_writes_2_4_or_8_aligned_bytes() {
    for (addr, len) in [
        (0, 0),
        (0, 1),
        (0, 3),
        (0, 6),
        (0, 16),
        (1, 2),
        (2, 4),
        (4, 8),
        (0, 1 << 63),
    ] {
        assert!(
            Edit::aligned(MACHINE, addr, 0, 0, len, 0, Kind::Literal).is_none(),
            "{addr} {len}"
        );
    }
    for (addr, len) in [(2, 2), (4, 4), (8, 8)] {
        assert!(
            Edit::aligned(MACHINE, addr, 0, 0, len, 0, Kind::Literal).is_some(),
            "{addr} {len}"
        );
    }
    assert!(Edit::aligned(MACHINE, AT, 0, 0, 4, 2, Kind::Code).is_none());
}

/// According to the opcode map in the manual, with a harmless second instruction.
#[test]
fn way_of_each_opcode() {
    for opcode in 0..0x20u32 {
        let insn = opcode << 2 | 3;

        for (old, new) in [(insn, 0x13), (0x13, insn)] {
            let (old, new) = (u64::from(old), u64::from(new));
            let edit = Edit::aligned(MACHINE, AT, old, new, 4, 0, Kind::Code).unwrap();
            let is_longer = opcode & 7 == 7;
            // LOAD, LOAD-FP, STORE, STORE-FP, AMO.
            let accesses = matches!(insn, 0x03 | 0x07 | 0x23 | 0x27 | 0x2f);
            let way = if is_longer { Way::Stop } else { Way::Store };

            assert_eq!(edit.way(), way, "{insn:#x}");
            assert_eq!(edit.contents().has(Contents::ACCESS), accesses, "{insn:#x}");
            assert_eq!(
                edit.contents().has(Contents::STAND_IN),
                is_longer,
                "{insn:#x}"
            );
            assert!(edit.contents().has(Contents::EDIT) && edit.contents().has(Contents::CODE));
            assert!(!edit.contents().has(Contents::BREAKPOINT));
        }
    }
    // SYSTEM has more than ecall.
    for (insn, is_breakpoint) in [(0x73, false), (0x0010_0073, true), (0x1050_0073, false)] {
        let edit = Edit::aligned(MACHINE, AT, insn, 0x13, 4, 1, Kind::Code).unwrap();

        assert_eq!(
            edit.contents().has(Contents::BREAKPOINT),
            is_breakpoint,
            "{insn:#x}"
        );
        assert!(edit.contents().has(Contents::LATER));
    }
}

#[test]
fn end_saturates_at_the_last_address() {
    let last = Edit::new(MACHINE, usize::MAX - 1, &[0; 2], &[0; 2], 0, Kind::Code).unwrap();
    let over = Edit::new(MACHINE, usize::MAX - 1, &[0; 8], &[0; 8], 0, Kind::Code).unwrap();

    assert_eq!(last.end(), usize::MAX);
    assert_eq!(over.end(), usize::MAX);
}

#[test]
fn invalid_lengths_are_refused() {
    let bytes = [0; 64];

    for old in 0..bytes.len() {
        for new in 0..bytes.len() {
            let expected = if old == 0 || new == 0 {
                Err(BadEdit::Empty)
            } else if old > 8 || new > 8 {
                Err(BadEdit::TooLong)
            } else if old != new || old % 2 == 1 {
                Err(BadEdit::Uneven)
            } else {
                Ok(old)
            };
            let edit = Edit::new(MACHINE, AT, &bytes[..old], &bytes[..new], 0, Kind::Code);

            assert_eq!(edit.map(|edit| edit.len()), expected, "{old} {new}");
        }
    }
}

#[test]
fn odd_addresses_are_refused() {
    for addr in [1, AT + 1, AT + 3, usize::MAX] {
        for kind in [Kind::Code, Kind::Literal] {
            let edit = Edit::new(MACHINE, addr, &[0; 2], &[0; 2], 0, kind);
            assert_eq!(edit.map(|edit| edit.addr()), Err(BadEdit::OddAddress));
        }
    }
}

#[test]
fn phases_above_1_are_refused() {
    assert_eq!(MAX_PHASE, 1);
    for phase in 0..=u8::MAX {
        let edit = Edit::new(MACHINE, AT, &[0; 2], &[0; 2], phase, Kind::Code);
        let expected = if phase <= 1 {
            Ok(phase)
        } else {
            Err(BadEdit::NoSuchPhase)
        };

        assert_eq!(edit.map(|edit| edit.phase()), expected);
    }
}

#[test]
fn way_of_two_bytes() {
    // Two bytes on an even address are always naturally aligned.
    for at in [AT, AT + 2, AT + 4, AT + 0xffe] {
        assert_eq!(halves(at, C_NOP, C_LI), Way::Store);
        assert_eq!(halves(at, C_NOP, C_EBREAK), Way::Store);
        assert_eq!(halves(at, C_EBREAK, C_NOP), Way::Store);
        // The first half of a longer instruction, whose second half is not replaced: only a
        // breakpoint can be stored there.
        assert_eq!(halves(at, NOP as u16, C_EBREAK), Way::Store);
        assert_eq!(halves(at, C_EBREAK, NOP as u16), Way::Store);
        assert_eq!(halves(at, NOP as u16, C_NOP), Way::Stop);
        assert_eq!(halves(at, C_NOP, NOP as u16), Way::Stop);
        assert_eq!(halves(at, NOP as u16, ADDI as u16), Way::Stop);
    }
}

#[test]
fn way_of_four_bytes_aligned() {
    for at in [AT, AT + 4, AT + 0xffc] {
        assert_eq!(words(at, NOP, ADDI), Way::Store);
        assert_eq!(words(at, NOP, EBREAK), Way::Store);
        assert_eq!(words(at, EBREAK, NOP), Way::Store);
    }
}

#[test]
fn way_of_four_bytes_unaligned() {
    // Within a page, and across two pages.
    for at in [AT + 2, AT + 6, AT + 0xffe] {
        assert_eq!(words(at, SUB, ADDI), Way::Stop);
        assert_eq!(words(at, NOP, ADDI), Way::Parcels);
        assert_eq!(words(at, ADDI, NOP), Way::Parcels);
        assert_eq!(words(at, NOP, EBREAK), Way::Parcels);
        assert_eq!(words(at, EBREAK, ADDI), Way::Parcels);
        assert_eq!(words(at, EBREAK, EBREAK), Way::Parcels);
    }
}

fn without_ziccif(addr: usize, old: u32, new: u32) -> Edit {
    let (old, new) = (old.to_le_bytes(), new.to_le_bytes());

    Edit::new(WITHOUT_ZICCIF, addr, &old, &new, 0, Kind::Code).unwrap()
}

#[test]
fn way_of_four_bytes_without_ziccif() {
    let way = |old, new| without_ziccif(AT, old, new).way();

    // A mixture of old and new parcels is another instruction: an `ecall` for the second pair.
    assert_eq!(way(NOP, ADDI), Way::Parcels);
    assert_eq!(way(EBREAK, NOP), Way::Parcels);
    assert_eq!(way(SUB, EBREAK), Way::Parcels);
    assert_eq!(way(SUB, ADDI), Way::Stop);
    // One parcel is the same, so there is no mixed instruction.
    assert_eq!(way(ADDI, ADDI ^ 1 << 16), Way::Store);
    assert_eq!(way(ADDI, ADDI ^ 1 << 7), Way::Store);
    // Regardless of alignment.
    assert_eq!(without_ziccif(AT + 2, SUB, ADDI).way(), Way::Stop);
    for (len, kind) in [(2, Kind::Code), (4, Kind::Literal), (8, Kind::Literal)] {
        let (old, new) = ([0x01; 8], [0x05; 8]);
        let edit = Edit::new(WITHOUT_ZICCIF, AT, &old[..len], &new[..len], 0, kind).unwrap();

        assert_eq!(edit.way(), Way::Store);
    }
}

/// A stand-in is a breakpoint or has no effect, whether the old or the new bytes follow it.
#[test]
fn stand_in_is_a_breakpoint_or_a_hint() {
    let c_ebreak = u32::from(C_EBREAK);

    assert_eq!(without_ziccif(AT, SUB, EBREAK).stand_in(), c_ebreak);
    assert_eq!(without_ziccif(AT, EBREAK, NOP).stand_in(), c_ebreak);
    // The breakpoint handler runs the old instructions.
    assert_eq!(without_ziccif(AT, SUB, ADDI).stand_in(), c_ebreak);
    // addi x0, anything: a hint.
    assert_eq!(without_ziccif(AT, SUB, NOP).stand_in(), NOP & 0xffff);
    assert_eq!(without_ziccif(AT, NOP, ADDI).stand_in(), NOP & 0xffff);
    assert_eq!(without_ziccif(AT, SUB, NOP).head_len(), 2);
}

/// Even if one store covers two instructions, a task may have been preempted between them.
#[test]
fn way_of_two_instructions_in_four_bytes() {
    for at in [AT, AT + 2] {
        assert_eq!(pairs(at, [C_NOP, C_NOP], [C_LI, C_NOP]), Way::Stop);
        assert_eq!(pairs(at, [C_NOP, C_NOP], [C_EBREAK, C_NOP]), Way::Stop);
        let [low, high] = [NOP as u16, (NOP >> 16) as u16];
        assert_eq!(pairs(at, [C_NOP, C_NOP], [low, high]), Way::Stop);
        assert_eq!(pairs(at, [low, high], [C_NOP, C_NOP]), Way::Stop);
        let [low, high] = [EBREAK as u16, (EBREAK >> 16) as u16];
        assert_eq!(pairs(at, [C_NOP, C_NOP], [low, high]), Way::Stop);
        assert_eq!(pairs(at, [low, high], [C_NOP, C_NOP]), Way::Stop);
    }
}

#[test]
fn way_of_longer_code() {
    let pair = |a: u32, b: u32| (u64::from(b) << 32 | u64::from(a)).to_le_bytes();

    for at in [AT, AT + 2, AT + 4, AT + 6] {
        let (old, new) = (pair(NOP, NOP), pair(ADDI, EBREAK));
        assert_eq!(way(at, &old, &new, Kind::Code), Way::Stop);
        assert_eq!(way(at, &old, &pair(EBREAK, NOP), Kind::Code), Way::Stop);
        assert_eq!(way(at, &old[..6], &new[..6], Kind::Code), Way::Stop);
    }
}

/// The length in the first parcel is longer than any instruction that exists.
#[test]
fn way_of_invalid_instructions() {
    let long = 0xffff_ffff;

    assert_eq!(words(AT, long, NOP), Way::Stop);
    assert_eq!(words(AT, NOP, long), Way::Stop);
    assert_eq!(halves(AT, 0xffff, C_NOP), Way::Stop);
}

#[test]
fn way_of_a_literal() {
    let (old, new) = ([0x11; 8], [0x22; 8]);

    for len in [2, 4, 6, 8] {
        for offset in (0..16).step_by(2) {
            let expected = match (len, offset) {
                (2, _) | (4, 0 | 4 | 8 | 12) | (8, 0 | 8) => Way::Store,
                _ => Way::Stop,
            };
            let way = way(AT + offset, &old[..len], &new[..len], Kind::Literal);

            assert_eq!(way, expected, "{len} bytes at {offset}");
        }
    }
}
