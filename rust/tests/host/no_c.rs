// SPDX-License-Identifier: GPL-2.0

//! Tests of edits and plans in a kernel without compressed instructions, which harts may lack.

use crate::{
    text::{
        edit::{
            BadEdit,
            Edit,
            Kind,
            Machine,
            Way, //
        },
        plan::{
            plan,
            Pairs,
            Strategy, //
        }, //
    },
    MACHINE,
    WITHOUT_ZICCIF, //
};

const AT: usize = 0x8000_1000;

// From clang's assembler.
const NOP: u32 = 0x0000_0013;
const ADDI: u32 = 0x0015_0513; // addi a0, a0, 1
const EBREAK: u32 = 0x0010_0073;
const SUB: u32 = 0x40b5_0533; // sub a0, a0, a1

fn edit(addr: usize, old: &[u32], new: &[u32]) -> Result<Edit, BadEdit> {
    edit_on(MACHINE, addr, old, new)
}

fn edit_on(machine: Machine, addr: usize, old: &[u32], new: &[u32]) -> Result<Edit, BadEdit> {
    let bytes = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };

    Edit::new(machine, addr, &bytes(old), &bytes(new), 0, Kind::Code)
}

#[test]
fn code_is_4_byte_aligned() {
    assert_eq!(
        edit(AT + 2, &[NOP], &[ADDI]).err(),
        Some(BadEdit::OddAddress)
    );
    for len in [2, 6] {
        let edit = Edit::new(
            MACHINE,
            AT,
            &[0x13; 8][..len],
            &[0x13; 8][..len],
            0,
            Kind::Code,
        );
        assert_eq!(edit.err(), Some(BadEdit::Uneven));
    }
    assert!(Edit::aligned(MACHINE, AT, 0x13, 0x9002, 2, 0, Kind::Code).is_none());
    assert!(Edit::aligned(MACHINE, AT, 0x13, NOP.into(), 4, 0, Kind::Code).is_some());
}

/// Literals are data.
#[test]
fn literals_may_be_2_byte_aligned() {
    for len in [2, 4, 6, 8] {
        assert!(Edit::new(
            MACHINE,
            AT + 2,
            &[0; 8][..len],
            &[1; 8][..len],
            0,
            Kind::Literal
        )
        .is_ok());
    }
    assert!(Edit::aligned(MACHINE, AT + 2, 0, 0x100, 2, 0, Kind::Literal).is_some());
}

/// The stand-in is a breakpoint of 4 bytes, which harts without compressed instructions have.
#[test]
fn stand_in_is_a_4_byte_ebreak() {
    let pair = edit(AT, &[NOP, NOP], &[ADDI, SUB]).unwrap();

    assert_eq!((pair.way(), pair.can_guard()), (Way::Stop, true));
    assert_eq!((pair.stand_in(), pair.head_len()), (EBREAK, 4));
    assert_eq!(
        plan(&mut [pair], None, Pairs::Guarded),
        Ok(Strategy::Guarded)
    );
}

/// Half an instruction is not an instruction.
#[test]
fn edits_without_ziccif_need_a_stop() {
    for (old, new) in [(NOP, EBREAK), (EBREAK, NOP), (SUB, NOP), (SUB, EBREAK)] {
        let whole = edit(AT, &[old], &[new]).unwrap();
        let edit = edit_on(WITHOUT_ZICCIF, AT, &[old], &[new]).unwrap();

        assert_eq!(whole.way(), Way::Store);
        assert_eq!(edit.way(), Way::Stop);
        assert_eq!(
            plan(&mut [edit], None, Pairs::Guarded),
            Ok(Strategy::Rendezvous)
        );
    }
}

/// If 4 bytes are not fetched at once, the stand-in itself would be torn.
#[test]
fn pairs_without_ziccif_are_refused() {
    let pair = edit_on(WITHOUT_ZICCIF, AT, &[NOP, NOP], &[ADDI, SUB]).unwrap();

    assert!(!pair.can_guard());
    assert!(plan(&mut [pair], None, Pairs::Guarded).is_err());
}
