// SPDX-License-Identifier: GPL-2.0

//! One edit of kernel text, and the way it may be written.
//!
//! Plain logic, no machine: this file is also compiled and tested on the host.

use super::insn::insn_len;

/// The most bytes one edit replaces: two 4-byte instructions, or one 8-byte literal.
pub const MAX_LEN: usize = 8;

/// The highest phase an edit can be in.
pub const MAX_PHASE: u8 = 1;

/// What the bytes of an edit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Instructions: harts may be executing them.
    Code,
    /// A literal in text that instructions load from, as ftrace's ops pointer.
    Literal,
}

/// Why an edit cannot be made at all, whatever is at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEdit {
    /// No bytes (`-ENODATA`).
    Empty,
    /// More than [`MAX_LEN`] bytes (`-EMSGSIZE`).
    TooLong,
    /// The old and the new bytes differ in number, or the number is odd (`-EINVAL`).
    Uneven,
    /// The address is odd (`-EADDRNOTAVAIL`).
    OddAddress,
    /// There is no such phase (`-ECHRNG`).
    NoSuchPhase,
}

/// The cheapest way to write one edit that is safe while other harts run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// One naturally aligned store of 2, 4 or 8 bytes.
    ///
    /// Ziccif makes an instruction fetch of 2 or 4 naturally aligned bytes atomic, so that a hart
    /// runs the old instruction or the new one.
    Store,
    /// A 4-byte instruction on a 2-byte boundary where the old or the new one is a breakpoint:
    /// `c.ebreak` in the first parcel, then the second parcel, then the first, with an icache
    /// flush between.
    Breakpoint,
    /// Only while every other hart is stopped.
    Stop,
}

/// An edit of kernel text: at `addr`, where `old` is now, shall be `new`.
///
/// 32 bytes, so that a batch of many stays small.
///
/// # Invariants
///
/// - `addr` is even; `len` is even, not zero and at most [`MAX_LEN`]; `phase <= MAX_PHASE`.
/// - The bytes of `old` and `new` from `len` on are zero.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Edit {
    addr: usize,
    old: u64,
    new: u64,
    len: u8,
    phase: u8,
    kind: Kind,
}

const _: () = assert!(core::mem::size_of::<Edit>() <= 32);

const EBREAK: u64 = 0x0010_0073;
const C_EBREAK: u16 = 0x9002;

fn pack(bytes: &[u8]) -> u64 {
    let mut word = [0; MAX_LEN];

    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

impl Edit {
    /// An edit that replaces `old` by `new` at `addr`.
    ///
    /// # Errors
    ///
    /// See [`BadEdit`].
    pub fn new(
        addr: usize,
        old: &[u8],
        new: &[u8],
        phase: u8,
        kind: Kind,
    ) -> Result<Edit, BadEdit> {
        if new.is_empty() || old.is_empty() {
            return Err(BadEdit::Empty);
        }
        if new.len() > MAX_LEN || old.len() > MAX_LEN {
            return Err(BadEdit::TooLong);
        }
        if new.len() != old.len() || new.len() % 2 != 0 {
            return Err(BadEdit::Uneven);
        }
        if addr % 2 != 0 {
            return Err(BadEdit::OddAddress);
        }
        if phase > MAX_PHASE {
            return Err(BadEdit::NoSuchPhase);
        }
        // INVARIANT: Just checked; `pack` fills up with zeroes.
        Ok(Edit {
            addr,
            old: pack(old),
            new: pack(new),
            len: new.len() as u8,
            phase,
            kind,
        })
    }

    /// The address of the first byte.
    #[inline(always)]
    pub fn addr(&self) -> usize {
        self.addr
    }

    /// The number of bytes.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty, reason = "no edit is empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The address after the last byte; saturates at the end of the address space.
    #[inline(always)]
    pub fn end(&self) -> usize {
        self.addr.saturating_add(self.len())
    }

    /// The expected bytes, little-endian.
    #[inline(always)]
    pub fn old(&self) -> u64 {
        self.old
    }

    /// The bytes to write, little-endian.
    #[inline(always)]
    pub fn new_bytes(&self) -> u64 {
        self.new
    }

    /// The phase: all of phase 0 is visible to every hart before any of phase 1 is written.
    #[inline(always)]
    pub fn phase(&self) -> u8 {
        self.phase
    }

    /// Whether one naturally aligned store covers the edit.
    #[inline(always)]
    pub fn is_single_store(&self) -> bool {
        self.len.is_power_of_two() && self.addr % self.len() == 0
    }

    /// The cheapest safe way to write this edit.
    #[inline(always)]
    pub fn way(&self) -> Way {
        if self.kind == Kind::Literal {
            return if self.is_single_store() {
                Way::Store
            } else {
                Way::Stop
            };
        }

        let whole = |bytes: u64| insn_len(bytes as u16) == Some(self.len());
        let whole_by_whole = whole(self.old) && whole(self.new);

        match self.len {
            // The first parcel of a longer instruction may become a breakpoint and back: what
            // follows it stays, so a hart sees the breakpoint or the whole instruction.
            2 if whole_by_whole
                || self.old == u64::from(C_EBREAK)
                || self.new == u64::from(C_EBREAK) =>
            {
                Way::Store
            }
            4 if whole_by_whole && self.is_single_store() => Way::Store,
            4 if whole_by_whole && (self.old == EBREAK || self.new == EBREAK) => Way::Breakpoint,
            _ => Way::Stop,
        }
    }
}
