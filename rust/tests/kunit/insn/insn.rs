// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_insn`: our encoders against the assembler, our page-table walk against the
//! kernel's own page tables.

use core::hint::black_box;

use kernel::prelude::*;

use riscv::{
    insn::{
        self,
        Insn,
        Reg, //
    },
    mm::pgtable::{
        Found,
        PAGE_SIZE, //
    },
    text::{
        edit::{
            Edit,
            Kind,
            Machine, //
        },
        look_up,
        owners::Owners, //
    }, //
};

use crate::assembled::{
    lines,
    Assembled, //
};

/// Writable and read-only data of this module.
static DATA: kernel::sync::atomic::Atomic<u32> = kernel::sync::atomic::Atomic::new(1);
static READ_ONLY: [u32; 4] = [1, 2, 3, 4];

#[kunit_tests(rust_riscv_insn)]
mod tests {
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

    /// Immediates just beyond the ranges, which the assembler also refuses.
    #[test]
    fn immediates_out_of_range_are_refused() {
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

    /// Modules are within the range of a far jump from the kernel, but not within that of a `jal`.
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
        // SAFETY: Callers pass addresses of memory that is not freed meanwhile, or without tables.
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
    fn unmapped_addresses_are_not_text() {
        // User addresses, a hole between the two halves, the last page.
        for addr in [0, PAGE_SIZE, 1 << 60, usize::MAX & !(PAGE_SIZE - 1)] {
            assert!(!is_text(addr));
        }
    }

    fn page_number(found: Option<Found>) -> Option<u64> {
        Some(found?.pte.bits() >> 10 & ((1 << 44) - 1))
    }

    /// The kernel image and the linear map are contiguous in memory, whatever page sizes they use.
    /// Those of the image are large.
    #[test]
    fn contiguous_memory_has_contiguous_page_numbers() -> Result {
        const PAGES: usize = 64;

        let memory = KVec::<u8>::with_capacity(PAGES * PAGE_SIZE, GFP_KERNEL)?;
        let image = kernel::bindings::_printk as *const () as usize;

        for start in [memory.as_ptr() as usize, image] {
            // SAFETY: Neither `memory` nor the image is freed meanwhile.
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
        // Any machine, since nothing is written.
        let machine = Machine {
            atomic_fetch: false,
            reruns_accesses: false,
        };
        let bytes = [0; insn::ALIGN];
        let edit = Edit::new(machine, addr, &bytes, &bytes, 0, Kind::Code).map_err(|_| EINVAL)?;

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
