// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the plain logic, on the machine it is for: our encoders against the assembler,
//! our page-table walk against the kernel's own page tables.

use core::hint::black_box;

use kernel::prelude::*;

use riscv::insn::{
    self,
    Decoded,
    Insn,
    OutOfRange,
    Reg, //
};

module! {
    type: Tests,
    name: "rust_riscv_kunit_insn",
    authors: ["rust-riscv contributors"],
    description: "KUnit suite of instruction encoding and page-table walks",
    license: "GPL",
}

struct Tests;

impl kernel::Module for Tests {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Tests)
    }
}

/// What the assembler made of one line: the instruction, filled up with zeroes, and its length.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
struct Assembled {
    bits: u32,
    len: u32,
}

/// The same line, for us. The arguments go through `black_box`, so that it is our code that runs
/// and not the compiler's evaluation of it.
struct Ours {
    line: &'static str,
    encode: fn() -> Result<Insn, OutOfRange>,
    decoded: fn() -> Decoded,
}

/// The register `x{n}`.
fn x(n: u8) -> Reg {
    Reg::new(black_box(n)).unwrap_or(Reg::ZERO)
}

/// One line for the assembler.
macro_rules! line {
    (jal $rd:literal $offset:literal) => {
        concat!("jal x", $rd, ", ", $offset)
    };
    // The assembler wants the 20 bits without a sign.
    (auipc $rd:literal $imm:literal) => {
        concat!("auipc x", $rd, ", (", $imm, ") & 0xfffff")
    };
    (jalr $rd:literal $rs1:literal $offset:literal) => {
        concat!("jalr x", $rd, ", ", $offset, "(x", $rs1, ")")
    };
    (nop) => {
        "nop"
    };
    (ebreak) => {
        "ebreak"
    };
    (c_nop) => {
        "c.nop"
    };
    (c_ebreak) => {
        "c.ebreak"
    };
}

/// The same line for our encoder, and as our decoder should see it.
macro_rules! ours {
    (jal $rd:literal $offset:literal) => {
        (
            || insn::jal(x($rd), black_box($offset)),
            || Decoded::Jal(x($rd), $offset),
        )
    };
    (auipc $rd:literal $imm:literal) => {
        (
            || insn::auipc(x($rd), black_box($imm)),
            || Decoded::Auipc(x($rd), $imm),
        )
    };
    (jalr $rd:literal $rs1:literal $offset:literal) => {
        (
            || insn::jalr(x($rd), x($rs1), black_box($offset)),
            || Decoded::Jalr(x($rd), x($rs1), $offset),
        )
    };
    (nop) => {
        (|| Ok(Insn::NOP), || Decoded::Nop)
    };
    (ebreak) => {
        (|| Ok(Insn::EBREAK), || Decoded::Ebreak)
    };
    (c_nop) => {
        (|| Ok(Insn::C_NOP), || Decoded::Nop)
    };
    (c_ebreak) => {
        (|| Ok(Insn::C_EBREAK), || Decoded::Ebreak)
    };
}

/// Hands every line to the assembler and to us: one list, so that the two cannot drift apart.
macro_rules! lines {
    ($($option:ident: $($name:ident $($argument:literal)*),+;)*) => {
        core::arch::global_asm!(
            ".pushsection .rodata.rr_assembled, \"a\"",
            ".option push",
            // Without relaxation the lengths below are known to the assembler.
            ".option norelax",
            ".balign 4",
            "rr_assembled:",
            $($(
                concat!(".option ", stringify!($option)),
                "1:",
                line!($name $($argument)*),
                "2:",
                ".balign 4, 0",
                ".4byte 2b - 1b",
            )+)*
            ".option pop",
            ".popsection",
        );

        const OURS: &[Ours] = &[
            $($({
                let (encode, decoded) = ours!($name $($argument)*);

                Ours { line: line!($name $($argument)*), encode, decoded }
            },)+)*
        ];
    };
}

// Both ends of every range, single bits of every immediate, every register in every place.
lines! {
    norvc:
        jal 1 1048574, jal 1 -1048576, jal 0 0, jal 31 -2, jal 1 2, jal 1 4, jal 1 8, jal 1 16,
        jal 1 32, jal 1 64, jal 1 128, jal 1 256, jal 1 512, jal 1 1024, jal 1 2048, jal 1 4096,
        jal 1 8192, jal 1 16384, jal 1 32768, jal 1 65536, jal 1 131072, jal 1 262144,
        jal 1 524288, jal 5 699050, jal 5 -699052;
    norvc:
        auipc 1 0x7ffff, auipc 1 -0x80000, auipc 0 0, auipc 31 -1, auipc 5 1, auipc 5 0x55555,
        auipc 5 -0x55556, auipc 6 0x40000;
    norvc:
        jalr 1 5 2047, jalr 1 5 -2048, jalr 0 1 0, jalr 0 5 0, jalr 31 31 -1, jalr 5 5 1365,
        jalr 5 6 -1366, jalr 1 6 1, jalr 1 6 1024;
    norvc:
        jalr 0 31 0, jalr 1 30 0, jalr 2 29 0, jalr 3 28 0, jalr 4 27 0, jalr 5 26 0, jalr 6 25 0,
        jalr 7 24 0, jalr 8 23 0, jalr 9 22 0, jalr 10 21 0, jalr 11 20 0, jalr 12 19 0,
        jalr 13 18 0, jalr 14 17 0, jalr 15 16 0, jalr 16 15 0, jalr 17 14 0, jalr 18 13 0,
        jalr 19 12 0, jalr 20 11 0, jalr 21 10 0, jalr 22 9 0, jalr 23 8 0, jalr 24 7 0,
        jalr 25 6 0, jalr 26 5 0, jalr 27 4 0, jalr 28 3 0, jalr 29 2 0, jalr 30 1 0, jalr 31 0 0;
    norvc:
        jal 2 8, jal 3 8, jal 4 8, jal 6 8, jal 7 8, jal 8 8, jal 9 8, jal 10 8, jal 11 8,
        jal 12 8, jal 13 8, jal 14 8, jal 15 8, jal 16 8, jal 17 8, jal 18 8, jal 19 8, jal 20 8,
        jal 21 8, jal 22 8, jal 23 8, jal 24 8, jal 25 8, jal 26 8, jal 27 8, jal 28 8, jal 29 8,
        jal 30 8;
    norvc:
        auipc 2 9, auipc 3 9, auipc 4 9, auipc 7 9, auipc 8 9, auipc 9 9, auipc 10 9, auipc 11 9,
        auipc 12 9, auipc 13 9, auipc 14 9, auipc 15 9, auipc 16 9, auipc 17 9, auipc 18 9,
        auipc 19 9, auipc 20 9, auipc 21 9, auipc 22 9, auipc 23 9, auipc 24 9, auipc 25 9,
        auipc 26 9, auipc 27 9, auipc 28 9, auipc 29 9, auipc 30 9;
    norvc:
        nop, ebreak;
    rvc:
        c_nop, c_ebreak;
}

extern "C" {
    #[link_name = "rr_assembled"]
    static ASSEMBLED: [Assembled; OURS.len()];
}

/// Every line with what the assembler made of it.
fn lines() -> impl Iterator<Item = (&'static Ours, Assembled)> {
    // SAFETY: The assembler has as many entries there, never written, as `OURS` has.
    let assembled = unsafe { &*core::ptr::addr_of!(ASSEMBLED) };

    OURS.iter().zip(assembled.iter().copied())
}

/// A page of the kernel's data, and one that is only read.
static DATA: kernel::sync::atomic::Atomic<u32> = kernel::sync::atomic::Atomic::new(1);
static READ_ONLY: [u32; 4] = [1, 2, 3, 4];

#[kunit_tests(rust_riscv_insn)]
mod tests {
    use riscv::{
        edit::{
            Edit,
            Kind, //
        },
        pgtable::{
            Found,
            PAGE_SIZE, //
        },
        text::{
            look_up,
            Owners, //
        },
    };

    use super::*;

    #[test]
    fn encoders_agree_with_the_assembler() {
        for (ours, assembled) in lines() {
            let encoded = (ours.encode)().ok().map(|insn| Assembled {
                bits: insn.bits(),
                len: insn.len() as u32,
            });

            if encoded != Some(assembled) {
                pr_err!(
                    "{}: {:#x?}, but the assembler has {:#x}\n",
                    ours.line,
                    encoded.map(|encoded| encoded.bits),
                    assembled.bits
                );
            }
            assert!(encoded == Some(assembled));
        }
    }

    #[test]
    fn decoder_agrees_with_the_assembler() {
        for (ours, assembled) in lines() {
            let insn = match assembled.len {
                2 => Insn::half(assembled.bits as u16),
                _ => Insn::word(assembled.bits),
            };
            let decoded = insn.map(Insn::decode);

            if decoded != Some((ours.decoded)()) {
                pr_err!("{}: decoded as {:?}\n", ours.line, decoded);
            }
            assert!(decoded == Some((ours.decoded)()));
        }
    }

    #[test]
    fn lengths_agree_with_the_assembler() {
        for (_, assembled) in lines() {
            let len = insn::insn_len(assembled.bits as u16);

            assert_eq!(len, Some(assembled.len as usize));
        }
    }

    /// What is one step beyond what the list has, where the assembler gives up as well.
    #[test]
    fn beyond_the_ranges_is_refused() {
        for offset in [1_048_575, 1_048_576, -1_048_577, -1_048_578, 1, -1] {
            assert!(insn::jal(Reg::RA, black_box(offset)).is_err());
        }
        for imm in [0x80000, -0x80001] {
            assert!(insn::auipc(Reg::RA, black_box(imm)).is_err());
        }
        for offset in [2048, -2049] {
            assert!(insn::jalr(Reg::RA, Reg::RA, black_box(offset)).is_err());
        }
        assert!(Reg::new(black_box(32)).is_none());
    }

    /// Modules and the kernel are within reach of each other, and further apart than a `jal` goes.
    #[test]
    fn far_jump_reaches_this_kernel() {
        let from = far_jump_reaches_this_kernel as *const () as usize;
        let to = kernel::bindings::_printk as *const () as usize;
        let offset = to.wrapping_sub(from) as i64;
        let pair = insn::far_jump(Reg::RA, Reg::T1, offset).map(|pair| pair.map(Insn::bits));

        assert!(pair.is_ok());
        if let Ok([auipc, jalr]) = pair {
            let high = (auipc & 0xffff_f000) as i32 as usize;
            let low = (jalr as i32 >> 20) as usize;

            assert_eq!(from.wrapping_add(high).wrapping_add(low), to);
        }
    }

    fn is_text(addr: usize) -> bool {
        // SAFETY: What stays while it is asked about, or where no tables are.
        unsafe { look_up(addr) }.is_some_and(|found| found.pte.is_text())
    }

    #[test]
    fn functions_are_text() {
        // In the kernel image, in a module, in this one.
        assert!(is_text(kernel::bindings::_printk as *const () as usize));
        assert!(is_text(insn::jal as *const () as usize));
        assert!(is_text(
            encoders_agree_with_the_assembler as *const () as usize
        ));
    }

    #[test]
    fn data_is_not_text() -> Result {
        let on_stack = black_box(1u32);
        let on_heap = KBox::new(1u32, GFP_KERNEL)?;

        assert!(!is_text(core::ptr::addr_of!(on_stack) as usize));
        assert!(!is_text(core::ptr::from_ref(&*on_heap) as usize));
        assert!(!is_text(core::ptr::from_ref(&DATA) as usize));
        assert!(!is_text(core::ptr::from_ref(&READ_ONLY) as usize));
        assert!(!is_text(
            core::ptr::addr_of!(kernel::bindings::init_task) as usize
        ));
        Ok(())
    }

    #[test]
    fn holes_are_not_text() {
        // No user memory here, a hole between the halves, the last page of all.
        for addr in [0, PAGE_SIZE, 1 << 60, usize::MAX & !(PAGE_SIZE - 1)] {
            assert!(!is_text(addr));
        }
    }

    fn page_number(found: Option<Found>) -> Option<u64> {
        Some(found?.pte.bits() >> 10 & ((1 << 44) - 1))
    }

    /// The kernel's image and the linear map map neighbours to neighbours, with whatever page sizes
    /// they are made of; those of the image are large.
    #[test]
    fn neighbours_in_memory_are_neighbours() -> Result {
        const PAGES: usize = 64;

        let memory = KVec::<u8>::with_capacity(PAGES * PAGE_SIZE, GFP_KERNEL)?;
        let image = kernel::bindings::_printk as *const () as usize;

        for start in [memory.as_ptr() as usize, image] {
            // SAFETY: `memory` stays until the end, and so does the image.
            let number = |n: usize| page_number(unsafe { look_up(start + n * PAGE_SIZE) });
            let first = number(0);

            assert!(first.is_some());
            for n in 0..PAGES {
                assert_eq!(number(n), first.map(|first| first + n as u64));
            }
        }
        Ok(())
    }

    fn pinned(addr: usize) -> Result {
        let bytes = [0; insn::ALIGN];
        let edit = Edit::new(addr, &bytes, &bytes, 0, Kind::Code).map_err(|_| EINVAL)?;

        Owners::new().pin(&edit)
    }

    #[test]
    fn only_text_has_owners() {
        let own = only_text_has_owners as *const () as usize;

        assert_eq!(
            pinned(kernel::bindings::_printk as *const () as usize),
            Ok(())
        );
        assert_eq!(pinned(own), Ok(()));
        assert_eq!(pinned(core::ptr::from_ref(&DATA) as usize), Err(EFAULT));
        assert_eq!(
            pinned(core::ptr::from_ref(&READ_ONLY) as usize),
            Err(EFAULT)
        );
        assert_eq!(
            pinned(core::ptr::addr_of!(kernel::bindings::init_task) as usize),
            Err(EFAULT)
        );
        assert_eq!(pinned(0), Err(EFAULT));
    }
}
