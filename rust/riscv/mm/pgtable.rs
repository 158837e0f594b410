// SPDX-License-Identifier: GPL-2.0

//! Walks of RISC-V page tables: Sv39, Sv48 and Sv57.
//!
//! Plain logic without hardware access; a [`Tables`] reads the entries. This file is also compiled
//! and tested on the host.
//!
//! Reference: The RISC-V Instruction Set Manual, Volume II, chapters "Sv39", "Sv48", "Sv57",
//! "Svnapot" and "Svpbmt".

/// The number of bits of an offset within a page.
pub const PAGE_SHIFT: u32 = 12;
/// The size of a page in bytes.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

const INDEX_BITS: u32 = 9;
const PTE_SIZE: u64 = 8;
const PPN_MASK: u64 = ((1 << 44) - 1) << 10;
const NAPOT: u64 = 1 << 63;
/// Contiguous pages of a Svnapot mapping, the only size that is defined (64 KiB).
const NAPOT_PAGES: u64 = 16;

/// A page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pte(u64);

impl Pte {
    const V: u64 = 1 << 0;
    const R: u64 = 1 << 1;
    const W: u64 = 1 << 2;
    const X: u64 = 1 << 3;
    const U: u64 = 1 << 4;
    const G: u64 = 1 << 5;
    const A: u64 = 1 << 6;
    const D: u64 = 1 << 7;

    /// The page protection of a page that the kernel may only read.
    pub const KERNEL_READ: u64 = Self::V | Self::R | Self::G | Self::A;

    /// An entry that maps nothing.
    pub const INVALID: Pte = Pte(0);

    /// Creates the entry whose bits are `bits`.
    pub const fn new(bits: u64) -> Pte {
        Pte(bits)
    }

    /// Returns the bits of the entry.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns whether the entry is valid.
    pub const fn is_valid(self) -> bool {
        self.0 & Self::V != 0
    }

    const fn is_leaf(self) -> bool {
        self.0 & (Self::R | Self::W | Self::X) != 0
    }

    /// Returns whether the entry maps kernel text: executable, not writable, not for user mode.
    pub const fn is_text(self) -> bool {
        self.is_valid() && self.0 & (Self::W | Self::X | Self::U) == Self::X
    }

    /// Returns an entry that maps the same page of memory readable and writable, not executable,
    /// for the kernel.
    ///
    /// The memory type is kept, whichever of the two encodings (Svpbmt, T-Head's) it is in.
    pub const fn to_writable(self) -> Pte {
        let rw = Self::V | Self::R | Self::W | Self::G | Self::A | Self::D;

        Pte(self.0 & !(Self::X | Self::U | NAPOT) | rw)
    }

    const fn table(self) -> u64 {
        (self.0 & PPN_MASK) >> 10 << PAGE_SHIFT
    }
}

/// A source of page-table entries.
pub trait Tables {
    /// Reads the entry at the physical address `phys`.
    fn read(&self, phys: u64) -> Pte;
}

/// The result of a page-table walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The entry as it would be if the address were mapped by a page of 4 KiB.
    pub pte: Pte,
    /// The physical address of the entry itself.
    pub entry: u64,
    /// The level the entry is on; 0 is a page of 4 KiB.
    pub level: u32,
}

impl Found {
    /// Returns the result of a walk for `to`, given this result for `from`; `None` unless one large
    /// page maps both.
    pub fn beside(&self, from: usize, to: usize) -> Option<Found> {
        let (from, to) = (from as u64 >> PAGE_SHIFT, to as u64 >> PAGE_SHIFT);
        let bits = INDEX_BITS * self.level;
        let below = (1 << bits) - 1;

        // At the lowest level each page has an entry of its own.
        (self.level > 0 && from >> bits == to >> bits).then_some(Found {
            pte: Pte(self.pte.bits() & !(below << 10) | (to & below) << 10),
            ..*self
        })
    }
}

/// Walks from the table at the physical address `root` to the entry for `addr`.
///
/// `levels` is 3 for Sv39, 4 for Sv48, 5 for Sv57. Returns the leaf entry, or the invalid entry at
/// the lowest level; `None` if the walk ends at an invalid entry of a higher level.
///
/// # Examples
///
/// ```
/// use riscv::mm::pgtable::{walk, Pte, Tables};
///
/// struct Empty;
///
/// impl Tables for Empty {
///     fn read(&self, _phys: u64) -> Pte {
///         Pte::INVALID
///     }
/// }
///
/// assert!(walk(&Empty, 0x1000, 3, 0).is_none());
/// ```
pub fn walk(tables: &impl Tables, root: u64, levels: u32, addr: usize) -> Option<Found> {
    let vpn = addr as u64 >> PAGE_SHIFT;
    let mut table = root;

    for level in (0..levels).rev() {
        let index = vpn >> (INDEX_BITS * level) & ((1 << INDEX_BITS) - 1);
        let entry = table + index * PTE_SIZE;
        let pte = tables.read(entry);

        if level == 0 || pte.is_valid() && pte.is_leaf() {
            return Some(Found {
                pte: page_of(pte, level, vpn),
                entry,
                level,
            });
        }
        if !pte.is_valid() {
            return None;
        }
        table = pte.table();
    }
    None
}

/// The entry for the single page `vpn`, where `pte` may map a larger range.
fn page_of(pte: Pte, level: u32, vpn: u64) -> Pte {
    let below = if level == 0 && pte.bits() & NAPOT != 0 {
        NAPOT_PAGES - 1
    } else {
        (1 << (INDEX_BITS * level)) - 1
    };

    // The low bits of a superpage's PPN are zero, those of a Svnapot mapping's encode its size.
    Pte((pte.bits() & !NAPOT & !(below << 10)) | (vpn & below) << 10)
}
