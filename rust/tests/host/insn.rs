// SPDX-License-Identifier: GPL-2.0

//! Tests of the instruction encoders and the decoder.

use crate::insn::{
    auipc,
    far_jump,
    insn_len,
    jal,
    jalr,
    Decoded,
    Insn,
    OutOfRange,
    Reg, //
};

fn x(n: u8) -> Reg {
    Reg::new(n).unwrap()
}

fn registers() -> impl Iterator<Item = Reg> {
    (0..32).map(x)
}

const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;

#[test]
fn register_numbers_are_0_to_31() {
    for n in 0..=u8::MAX {
        assert_eq!(Reg::new(n).map(Reg::number), (n < 32).then_some(n));
    }
    let named = [Reg::ZERO, Reg::RA, Reg::T0, Reg::T1];
    assert_eq!(named.map(Reg::number), [0, 1, 5, 6]);
}

/// The encodings of `clang --target=riscv64 -march=rv64gc` 19 for the instructions in the comments.
#[test]
fn encoders_agree_with_clang() {
    let clang: &[(Result<Insn, OutOfRange>, u32)] = &[
        (jal(x(0), 0), 0x0000006f),            // jal x0, 0
        (jal(x(1), 2), 0x002000ef),            // jal x1, 2
        (jal(x(1), 8), 0x008000ef),            // jal x1, 8
        (jal(x(31), 1048574), 0x7fffffef),     // jal x31, 1048574
        (jal(x(5), -1048576), 0x800002ef),     // jal x5, -1048576
        (jal(x(1), -2), 0xfffff0ef),           // jal x1, -2
        (jal(x(1), 2048), 0x001000ef),         // jal x1, 2048
        (jal(x(1), 4096), 0x000010ef),         // jal x1, 4096
        (jal(x(1), -4098), 0xffffe0ef),        // jal x1, -4098
        (jal(x(10), 699050), 0x2abaa56f),      // jal x10, 699050
        (jal(x(10), -699052), 0xd545556f),     // jal x10, -699052
        (auipc(x(0), 0), 0x00000017),          // auipc x0, 0
        (auipc(x(1), 1), 0x00001097),          // auipc x1, 1
        (auipc(x(5), 0x7ffff), 0x7ffff297),    // auipc x5, 0x7ffff
        (auipc(x(6), -0x80000), 0x80000317),   // auipc x6, 0x80000
        (auipc(x(31), -1), 0xffffff97),        // auipc x31, 0xfffff
        (auipc(x(7), 0x55555), 0x55555397),    // auipc x7, 0x55555
        (jalr(x(0), x(1), 0), 0x00008067),     // jalr x0, 0(x1)
        (jalr(x(1), x(5), 2047), 0x7ff280e7),  // jalr x1, 2047(x5)
        (jalr(x(5), x(6), -2048), 0x800302e7), // jalr x5, -2048(x6)
        (jalr(x(31), x(31), -1), 0xffff8fe7),  // jalr x31, -1(x31)
        (jalr(x(5), x(5), 1365), 0x555282e7),  // jalr x5, 1365(x5)
        (Ok(Insn::NOP), 0x00000013),           // nop
        (Ok(Insn::EBREAK), 0x00100073),        // ebreak
        (Ok(Insn::C_NOP), 0x0001),             // c.nop
        (Ok(Insn::C_EBREAK), 0x9002),          // c.ebreak
    ];

    for (n, &(ours, bits)) in clang.iter().enumerate() {
        assert_eq!(ours.map(Insn::bits), Ok(bits), "line {n}");
    }
}

#[test]
fn constants_have_their_lengths() {
    let all = [Insn::NOP, Insn::EBREAK, Insn::C_NOP, Insn::C_EBREAK];
    assert_eq!(all.map(Insn::len), [4, 4, 2, 2]);
}

/// Manual, "Immediate Encoding Variants": which bit of a `jal` holds which bit of its offset.
#[test]
fn jal_offset_bits_match_the_manual() {
    let places = (1..=10)
        .map(|bit| (bit, bit + 20))
        .chain([(11, 20), (20, 31)])
        .chain((12..=19).map(|bit| (bit, bit)));

    for (bit, place) in places {
        let offset = if bit == 20 { -MIB } else { 1 << bit };
        assert_eq!(jal(x(0), offset).unwrap().bits(), 1 << place | 0x6f);
    }
}

#[test]
fn register_fields_match_the_manual() {
    for rd in registers() {
        let field = u32::from(rd.number()) << 7;

        assert_eq!(jal(rd, 0).unwrap().bits(), 0x6f | field);
        assert_eq!(auipc(rd, 0).unwrap().bits(), 0x17 | field);
        for rs1 in registers() {
            let bits = 0x67 | field | u32::from(rs1.number()) << 15;
            assert_eq!(jalr(rd, rs1, 0).unwrap().bits(), bits);
        }
    }
}

#[test]
fn jal_range() {
    for rd in registers() {
        for (offset, fits) in [
            (MIB - 2, true),
            (MIB - 1, false),
            (MIB, false),
            (MIB + 2, false),
            (-MIB, true),
            (-MIB - 1, false),
            (-MIB - 2, false),
            (1, false),
            (-1, false),
            (1 << 32, false),
            (i64::MAX, false),
            (i64::MAX - 1, false),
            (i64::MIN, false),
        ] {
            assert_eq!(jal(rd, offset).is_ok(), fits, "{rd:?} {offset}");
        }
    }
}

#[test]
fn auipc_range() {
    for rd in registers() {
        for (imm, fits) in [
            (0x7ffff, true),
            (0x80000, false),
            (-0x80000, true),
            (-0x80001, false),
            (1 << 32, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            assert_eq!(auipc(rd, imm).is_ok(), fits, "{rd:?} {imm}");
        }
    }
}

#[test]
fn jalr_range() {
    for rd in registers() {
        for (offset, fits) in [
            (2047, true),
            (2048, false),
            (-2048, true),
            (-2049, false),
            (1 << 32, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            assert_eq!(jalr(rd, Reg::T0, offset).is_ok(), fits, "{rd:?} {offset}");
        }
    }
}

#[test]
fn jal_round_trip() {
    for offset in (-MIB..MIB).step_by(2) {
        let rd = x((offset >> 1 & 31) as u8);
        let decoded = jal(rd, offset).unwrap().decode();

        assert_eq!(decoded, Decoded::Jal(rd, offset as i32));
    }
}

#[test]
fn auipc_round_trip() {
    for imm in -0x80000..0x80000 {
        let rd = x((imm & 31) as u8);

        assert_eq!(
            auipc(rd, imm).unwrap().decode(),
            Decoded::Auipc(rd, imm as i32)
        );
    }
}

#[test]
fn jalr_round_trip() {
    for offset in -2048..2048 {
        for rs1 in registers() {
            let rd = x((offset & 31) as u8);

            assert_eq!(
                jalr(rd, rs1, offset).unwrap().decode(),
                Decoded::Jalr(rd, rs1, offset as i32)
            );
        }
    }
}

/// The encodings are from clang, as in `encoders_agree_with_clang`.
#[test]
fn other_instructions_decode_as_other() {
    for (bits, what) in [
        (0x0015_0513, "addi a0, a0, 1"),
        (0x0005_8513, "mv a0, a1"),
        (0x0020_8463, "beq x1, x2, 8"),
        (0x0000_0073, "ecall"),
        (0x0010_0513, "li a0, 1"),
        (0x0000_9067, "jalr with a funct3 that is reserved"),
        (0x0020_0073, "a reserved system instruction"),
        (0x0000_0037, "lui x0, 0"),
    ] {
        assert_eq!(Insn::word(bits).unwrap().decode(), Decoded::Other, "{what}");
    }
    for (bits, what) in [
        (0x4505, "c.li a0, 1"),
        (0x8082, "c.jr ra"),
        (0xa801, "c.j 16"),
        (0x0005, "c.nop 1, a hint"),
        (0x0000, "the illegal instruction"),
    ] {
        assert_eq!(Insn::half(bits).unwrap().decode(), Decoded::Other, "{what}");
    }
    assert_eq!(Insn::NOP.decode(), Decoded::Nop);
    assert_eq!(Insn::C_NOP.decode(), Decoded::Nop);
    assert_eq!(Insn::EBREAK.decode(), Decoded::Ebreak);
    assert_eq!(Insn::C_EBREAK.decode(), Decoded::Ebreak);
}

/// Manual, "Expanded Instruction-Length Encoding": `aa` other than 11 is 16 bits; `bbb11` with
/// `bbb` other than 111 is 32 bits.
#[test]
fn length_of_every_parcel() {
    for parcel in 0..=u16::MAX {
        let (aa, bbb) = (parcel % 4, parcel / 4 % 8);
        let expected = match (aa, bbb) {
            (0..=2, _) => Some(2),
            (_, 0..=6) => Some(4),
            _ => None,
        };

        assert_eq!(insn_len(parcel), expected, "{parcel:#x}");
        assert_eq!(Insn::half(parcel).is_some(), expected == Some(2));
        for high in [0, 0x1234, 0xffff] {
            let word = Insn::word(high << 16 | u32::from(parcel));
            assert_eq!(word.is_some(), expected == Some(4));
        }
    }
}

/// The target of the pair according to the manual, relative to the `auipc`: both immediates are
/// sign-extended and added to its pc.
fn target([a, b]: [Insn; 2]) -> i64 {
    i64::from(a.bits() as i32 & !0xfff) + i64::from(b.bits() as i32 >> 20)
}

#[test]
fn far_jump_reaches_its_target() {
    let around = [
        0,
        0x7fe,
        0x800,
        0x802,
        0xffe,
        0x1000,
        0x17fe,
        0x1800,
        MIB,
        GIB,
        2 * GIB - 4096,
        2 * GIB - 2050,
        -2 * GIB,
        -2 * GIB - 2048,
    ];

    for near in around {
        for offset in (near - 64..=near + 64).chain([-near]) {
            let expected = offset % 2 == 0 && (-2 * GIB - 2048..=2 * GIB - 2050).contains(&offset);
            let pair = far_jump(Reg::T0, Reg::T1, offset);

            assert_eq!(pair.is_ok(), expected, "{offset:#x}");
            if let Ok(pair) = pair {
                assert_eq!(target(pair), offset);
            }
        }
    }
    for offset in (-2 * GIB..2 * GIB - 4096).step_by(65_538) {
        assert_eq!(target(far_jump(Reg::RA, Reg::RA, offset).unwrap()), offset);
    }
}

#[test]
fn far_jump_refuses_offsets_out_of_range() {
    for offset in [i64::MAX, i64::MAX - 1, i64::MIN, 4 * GIB, -4 * GIB] {
        assert_eq!(far_jump(Reg::RA, Reg::RA, offset), Err(OutOfRange));
    }
}

#[test]
fn far_jump_uses_its_registers() {
    for scratch in registers() {
        for rd in registers() {
            let [a, b] = far_jump(rd, scratch, 0x12345678).unwrap();

            assert_eq!(a.decode(), Decoded::Auipc(scratch, 0x12345));
            assert_eq!(b.decode(), Decoded::Jalr(rd, scratch, 0x678));
        }
    }
}
