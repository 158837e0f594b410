// SPDX-License-Identifier: GPL-2.0

//! Tests of page-table walks, on simulated memory. The bits are from the privileged manual, "Sv39".

use std::collections::HashMap;

use crate::mm::pgtable::{
    walk,
    Found,
    Pte,
    Tables, //
};

const V: u64 = 1 << 0;
const R: u64 = 1 << 1;
const W: u64 = 1 << 2;
const X: u64 = 1 << 3;
const U: u64 = 1 << 4;
const G: u64 = 1 << 5;
const A: u64 = 1 << 6;
const D: u64 = 1 << 7;
const RSW: u64 = 3 << 8;
const PBMT: u64 = 3 << 61;
const NAPOT: u64 = 1 << 63;

const TEXT: u64 = V | R | X | G | A | D;

/// The kernel address with these table indices, from the top level down, and an offset.
const fn address(indices: &[usize]) -> usize {
    // Sign-extended, in the kernel's half of the address space.
    let mut addr = usize::MAX;
    let mut n = 0;

    while n < indices.len() {
        addr = addr << 9 | indices[n];
        n += 1;
    }
    addr << 12 | 0x678
}

/// `satp` modes by their number of levels, with an address that has a different nonzero index on
/// each level.
const MODES: [(u32, usize); 3] = [
    (3, address(&[0x1c1, 0x0a3, 0x165])),
    (4, address(&[0x182, 0x0c1, 0x1a3, 0x165])),
    (5, address(&[0x101, 0x0fe, 0x0c1, 0x1a3, 0x165])),
];

/// Memory that only contains page tables. Any other access is an error of the walk.
#[derive(Default)]
struct Memory(HashMap<u64, u64>);

impl Tables for Memory {
    fn read(&self, phys: u64) -> Pte {
        assert_eq!(phys % 8, 0);
        assert!(
            self.0.contains_key(&(phys & !0xfff)),
            "{phys:#x} is in no table"
        );
        Pte::new(self.0.get(&phys).copied().unwrap_or(0))
    }
}

/// The address of the table on a level, as [`build`] creates it; high, so that every bit of a PPN
/// is used.
fn table(level: u32) -> u64 {
    0x00ab_cdef_0100_0000 + u64::from(level) * 0x1000
}

/// The index into the table on a level, according to the manual: VPN[level].
fn index(addr: usize, level: u32) -> u64 {
    addr as u64 / 4096 / 512u64.pow(level) % 512
}

fn entry(addr: usize, level: u32) -> u64 {
    table(level) + 8 * index(addr, level)
}

fn ppn(phys: u64) -> u64 {
    phys / 4096 << 10
}

/// Creates the page tables for `addr`, which end on `level` with the entry `last`.
fn build(levels: u32, addr: usize, level: u32, last: u64) -> Memory {
    let mut memory = Memory::default();

    for on in level..levels {
        let pte = if on == level {
            last
        } else {
            ppn(table(on - 1)) | V
        };
        memory.0.insert(table(on), 0);
        memory.0.insert(entry(addr, on), pte);
    }
    memory
}

fn find(levels: u32, addr: usize, level: u32, last: u64) -> Option<Found> {
    let memory = build(levels, addr, level, last);

    walk(&memory, table(levels - 1), levels, addr)
}

#[test]
fn indices_of_the_addresses_differ() {
    for (levels, addr) in MODES {
        let mut all: Vec<_> = (0..levels).map(|level| index(addr, level)).collect();
        all.push(0);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), levels as usize + 1);
    }
}

#[test]
fn page_of_4_kib() {
    for (levels, addr) in MODES {
        let pte = ppn(0x00fe_dcba_9876_5000) | TEXT;

        assert_eq!(
            find(levels, addr, 0, pte),
            Some(Found {
                pte: Pte::new(pte),
                entry: entry(addr, 0),
                level: 0
            })
        );
    }
}

/// The entry of a superpage becomes that of one page: its low PPN bits come from the address.
#[test]
fn superpages() {
    for (levels, addr) in MODES {
        for level in 1..levels {
            let size = 4096 * 512u64.pow(level);
            let base = 0x00fe_dcba_9876_5000 / size * size;
            let found = find(levels, addr, level, ppn(base) | TEXT).unwrap();
            let expected = base + addr as u64 % size / 4096 * 4096;

            assert_eq!(found.pte, Pte::new(ppn(expected) | TEXT));
            assert_eq!((found.entry, found.level), (entry(addr, level), level));
        }
    }
}

/// The result for one page of a superpage gives the result for any other page of it, and for no
/// page outside.
#[test]
fn neighbours_in_a_superpage() {
    for (levels, addr) in MODES {
        for level in 1..levels {
            let size = 4096 * 512u64.pow(level);
            let base = 0x00fe_dcba_9876_5000 / size * size;
            let last = ppn(base) | TEXT;
            let found = find(levels, addr, level, last).unwrap();
            let start = addr as u64 / size * size;

            for offset in [0, 4096, size / 2, size - 4096] {
                let to = (start + offset) as usize;
                assert_eq!(found.beside(addr, to), find(levels, to, level, last));
            }
            for to in [start.wrapping_sub(4096), start.wrapping_add(size)] {
                assert_eq!(found.beside(addr, to as usize), None);
            }
        }
        let found = find(levels, addr, 0, ppn(0x1234_5000) | TEXT).unwrap();
        assert_eq!(found.beside(addr, addr), None);
    }
}

/// Svnapot: 64 KiB, with 0b1000 in place of the page's number within them.
#[test]
fn napot() {
    for (levels, addr) in MODES {
        for page in 0..16 {
            let addr = addr & !0xffff | page << 12 | 0x678;
            let base = 0x00fe_dcba_9876_0000;
            let pte = ppn(base + 0x8000) | TEXT | NAPOT;
            let found = find(levels, addr, 0, pte).unwrap();

            assert_eq!(
                found.pte,
                Pte::new(ppn(base + page as u64 * 4096) | TEXT),
                "page {page}"
            );
        }
    }
}

#[test]
fn invalid_entry_on_the_lowest_level_is_returned() {
    for (levels, addr) in MODES {
        for bits in [0, R | W | X, ppn(0x1000) | G] {
            let found = find(levels, addr, 0, bits).unwrap();

            assert_eq!((found.entry, found.level), (entry(addr, 0), 0));
            assert_eq!(found.pte, Pte::new(bits));
            assert!(!found.pte.is_valid());
        }
    }
}

/// An invalid entry is neither a pointer nor a leaf, whatever its other bits are.
#[test]
fn invalid_entry_on_an_upper_level_is_not_returned() {
    for (levels, addr) in MODES {
        for level in 1..levels {
            for bits in [0, ppn(table(level - 1)), TEXT & !V] {
                assert_eq!(find(levels, addr, level, bits), None);
            }
        }
    }
}

/// An entry of the lowest level is never a pointer to a table, so it must not be followed.
#[test]
fn lowest_level_is_not_followed() {
    for (levels, addr) in MODES {
        let found = find(levels, addr, 0, ppn(0x00fe_dcba_9876_5000) | V).unwrap();

        assert_eq!(found.level, 0);
        assert!(!found.pte.is_text());
    }
}

/// The upper bits, reserved or of a memory type, are not part of a table's address.
#[test]
fn table_addresses_have_44_bits_of_ppn() {
    for (levels, addr) in MODES {
        let mut memory = build(levels, addr, 0, ppn(0x5000) | TEXT);
        let pointer = memory.0.get_mut(&entry(addr, 1)).unwrap();

        *pointer |= 0x3ff << 54 | RSW | G;
        assert!(walk(&memory, table(levels - 1), levels, addr).is_some());
    }
}

#[test]
fn text_is_executable_and_not_writable() {
    for permissions in 0..1u64 << 8 {
        let has = |bit| permissions & bit != 0;
        let expected = has(V) && has(X) && !has(W) && !has(U);
        let pte = Pte::new(ppn(0x8020_0000) | permissions);

        assert_eq!(pte.is_text(), expected, "{permissions:#b}");
        assert_eq!(pte.is_valid(), has(V));
    }
}

#[test]
fn to_writable_keeps_the_page_and_clears_executable() {
    for permissions in 0..1u64 << 8 {
        let page = ppn(0x00fe_dcba_9876_5000);
        let writable = Pte::new(page | permissions).to_writable();

        // Accessed and dirty are set, too, since the hardware need not set them.
        assert_eq!(writable.bits(), page | V | R | W | G | A | D);
        assert!(!writable.is_text());
    }
}

/// Svpbmt has bits 62 and 61, T-Head 62 to 59. Aliases of different types would not be coherent.
#[test]
fn to_writable_keeps_the_memory_type() {
    for kind in 0..16u64 {
        let kind = kind << 59;
        let page = ppn(0x8020_0000);
        let writable = Pte::new(page | TEXT | RSW | kind).to_writable();

        assert_eq!(writable.bits() & (PBMT | 0xf << 59), kind);
        assert_eq!(writable.bits() & !(0xf << 59 | 0xff), page | RSW);
    }
}

#[test]
fn to_writable_clears_napot() {
    let writable = Pte::new(ppn(0x8020_8000) | TEXT | NAPOT).to_writable();

    assert_eq!(writable.bits() & NAPOT, 0);
}

#[test]
fn constants() {
    assert!(!Pte::INVALID.is_valid());
    // The protection of the window's placeholder page: not writable, executable or for user mode.
    assert_eq!(Pte::KERNEL_READ & (V | R | W | X | U), V | R);
}
