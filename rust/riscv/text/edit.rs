// SPDX-License-Identifier: GPL-2.0

//! An edit of kernel text, and the ways to write it safely.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.

use crate::insn::{
    emulate,
    insn_len,
    ALIGN, //
};

/// The maximum length of an edit in bytes: two 4-byte instructions, or one 8-byte literal.
pub const MAX_LEN: usize = 8;

/// The highest phase of an edit.
pub const MAX_PHASE: u8 = 1;

/// What the bytes of an edit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Instructions, which harts may be executing.
    Code,
    /// Data in text that instructions load, such as ftrace's ops pointer.
    Literal,
}

/// Why an edit is invalid, regardless of what is at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEdit {
    /// No bytes (`-ENODATA`).
    Empty,
    /// More than [`MAX_LEN`] bytes (`-EMSGSIZE`).
    TooLong,
    /// The old and the new bytes differ in length, or the length is not a multiple of 2, or of 4
    /// for code in a kernel without compressed instructions (`-EINVAL`).
    Uneven,
    /// The address is not a multiple of 2, or of 4 for code in a kernel without compressed
    /// instructions (`-EADDRNOTAVAIL`).
    OddAddress,
    /// The phase is greater than [`MAX_PHASE`] (`-ECHRNG`).
    NoSuchPhase,
}

/// How an edit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// One naturally aligned store of 2, 4 or 8 bytes.
    ///
    /// Safe while other harts execute the text: with Ziccif, a fetch of 2 or 4 naturally aligned
    /// bytes is atomic, so that a hart executes either the old or the new instruction.
    Store,
    /// Three stores: [`Edit::stand_in`] to the first parcel, then the second parcel, then the
    /// first, with an icache flush after each.
    ///
    /// Safe while other harts execute the text, for a 4-byte instruction that is not fetched
    /// atomically, if the old or the new one is a breakpoint or a `nop`. Not used in a kernel
    /// without compressed instructions, since the stand-in may be `c.ebreak`, which is one.
    Parcels,
    /// Only while all other harts are stopped. If [`Edit::can_guard`], also in the three steps of
    /// [`Way::Parcels`], with a breakpoint whose handler emulates the old instructions, and a wait
    /// until no task is between them.
    Stop,
}

/// The properties of the machine and the kernel that determine how an edit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Whether every hart fetches 4 naturally aligned bytes atomically (Ziccif). If not, a hart may
    /// execute the first parcel of one instruction with the second parcel of another.
    pub atomic_fetch: bool,
    /// Whether the kernel's handler of misaligned accesses executes the instruction at the trap's
    /// address again if it was replaced since the trap. If not, the kernel dies.
    pub reruns_accesses: bool,
}

/// What edits contain: a set. That of several edits is the union of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents(u8);

impl Contents {
    /// An edit.
    pub const EDIT: Contents = Contents(1 << 0);
    /// Instructions.
    pub const CODE: Contents = Contents(1 << 1);
    /// An edit that is written in several steps, with a stand-in for the head.
    pub const STAND_IN: Contents = Contents(1 << 2);
    /// An edit of [`Way::Stop`].
    pub const STOP: Contents = Contents(1 << 3);
    /// An edit of several instructions, so that a task may be between two of them.
    pub const SPLITTABLE: Contents = Contents(1 << 4);
    /// An edit that adds or removes a breakpoint, so that a hart can be in its handler.
    pub const BREAKPOINT: Contents = Contents(1 << 5);
    /// An edit that adds, removes or changes an instruction that accesses memory, so that it
    /// matters what the handler of its misaligned access finds, which reads the instruction again,
    /// parcel by parcel.
    pub const ACCESS: Contents = Contents(1 << 6);
    /// Edits for which a hart can be in a trap that the old text caused, whose handler looks at the
    /// text.
    pub const TRAP: Contents = Self::BREAKPOINT.with(Self::ACCESS);
    /// An edit of a phase after the first one.
    pub const LATER: Contents = Contents(1 << 7);

    /// What all of `edits` contain.
    #[inline(always)]
    pub fn of(edits: &[Edit]) -> Contents {
        edits
            .iter()
            .fold(Contents::default(), |all, edit| all.with(edit.contents))
    }

    /// Whether any of `others` is contained.
    #[inline(always)]
    pub const fn has(self, others: Contents) -> bool {
        self.0 & others.0 != 0
    }

    /// `self` and `others`.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, others: Contents) -> Contents {
        Contents(self.0 | others.0)
    }

    /// `self` if `condition` holds, else nothing.
    #[inline(always)]
    const fn when(self, condition: bool) -> Contents {
        Contents(self.0 * condition as u8)
    }
}

/// An edit of kernel text: replaces the bytes `old` at `addr` with `new`.
///
/// Its size is limited to 32 bytes, since a batch can contain many edits.
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
    way: Way,
    contents: Contents,
    /// Whether harts fetch an aligned 4-byte instruction atomically.
    atomic_fetch: bool,
}

const _: () = assert!(core::mem::size_of::<Edit>() <= 32);

const EBREAK: u64 = 0x0010_0073;
const C_EBREAK: u16 = 0x9002;
const NOP: u64 = 0x13;

fn pack(bytes: &[u8]) -> u64 {
    let mut word = [0; MAX_LEN];

    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The 4-byte instructions that access memory, by bits 2 to 6 of their opcode: LOAD, LOAD-FP, STORE,
/// STORE-FP and AMO.
const ACCESSES: u32 = 1 << 0x00 | 1 << 0x01 | 1 << 0x08 | 1 << 0x09 | 1 << 0x0b;

/// Whether the first instruction in `bytes` accesses memory.
#[inline(always)]
fn accesses_memory(bytes: u64) -> bool {
    let funct3 = bytes >> 13 & 7;

    match bytes & 3 {
        3 => ACCESSES >> (bytes >> 2 & 0x1f) & 1 != 0,
        // All except `c.addi4spn`.
        0 => funct3 != 0,
        1 => false,
        // All except `c.slli`, `c.jr`, `c.mv`, `c.add` and `c.ebreak`.
        _ => funct3 & 3 != 0,
    }
}

/// Whether `bytes` begin with a 4-byte instruction that neither accesses memory nor is an `ebreak`.
///
/// No for all of the opcode of `ebreak`.
#[inline(always)]
fn is_plain_word(bytes: u64) -> bool {
    // By bits 2 to 6 of the opcode. 0x07, 0x0f, 0x17 and 0x1f begin longer instructions.
    const LONGER: u32 = 1 << 0x07 | 1 << 0x0f | 1 << 0x17 | 1 << 0x1f;
    const SYSTEM: u32 = 1 << 0x1c;

    bytes & 3 == 3 && (ACCESSES | LONGER | SYSTEM) >> (bytes >> 2 & 0x1f) & 1 == 0
}

impl Edit {
    /// Creates an edit that replaces `old` with `new` at `addr`, to be written on `machine`.
    ///
    /// # Errors
    ///
    /// See [`BadEdit`].
    pub fn new(
        machine: Machine,
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
        if new.len() != old.len() || new.len() % align(kind) != 0 {
            return Err(BadEdit::Uneven);
        }
        if addr % align(kind) != 0 {
            return Err(BadEdit::OddAddress);
        }
        if phase > MAX_PHASE {
            return Err(BadEdit::NoSuchPhase);
        }
        let len = new.len();
        let (old, new) = (pack(old), pack(new));
        let decided = decide(machine, addr, old, new, len, kind);

        Ok(Edit::of_words(
            machine, addr, old, new, len, phase, kind, decided,
        ))
    }

    /// Creates an edit of checked arguments: `len` is 2, 4, 6 or 8, the bytes of the words from
    /// `len` on are zero, `addr` is even, `phase` is at most [`MAX_PHASE`], and [`decide`] would
    /// return the same way and contents.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all fields of an edit")]
    fn of_words(
        machine: Machine,
        addr: usize,
        old: u64,
        new: u64,
        len: usize,
        phase: u8,
        kind: Kind,
        (way, contents): (Way, Contents),
    ) -> Edit {
        // INVARIANT: The caller has checked `addr`, `len` and `phase`, and passes words whose bytes
        // from `len` on are zero.
        Edit {
            addr,
            old,
            new,
            len: len as u8,
            phase,
            kind,
            way,
            contents: contents.with(Contents::LATER.when(phase > 0)),
            atomic_fetch: machine.atomic_fetch,
        }
    }

    /// Creates an edit that replaces the `len` naturally aligned bytes at `addr`, the lowest ones of
    /// `old`, with the lowest ones of `new`.
    ///
    /// Returns `None` for a length other than 2, 4 or 8, another alignment or a phase above
    /// [`MAX_PHASE`], and for code that is shorter than the shortest instruction.
    #[inline(always)]
    pub fn aligned(
        machine: Machine,
        addr: usize,
        old: u64,
        new: u64,
        len: usize,
        phase: u8,
        kind: Kind,
    ) -> Option<Edit> {
        if phase > MAX_PHASE || len < align(kind) || !is_aligned(addr, len) {
            return None;
        }
        let low = u64::MAX >> (u64::BITS as usize - 8 * len);
        let (old, new) = (old & low, new & low);
        // As `decide` does. ftrace has tens of thousands of the first two.
        let decided = match kind {
            Kind::Literal => (Way::Store, Contents::EDIT),
            Kind::Code
                if len == 4 && machine.atomic_fetch && is_plain_word(old) && is_plain_word(new) =>
            {
                (Way::Store, Contents::EDIT.with(Contents::CODE))
            }
            Kind::Code => decide(machine, addr, old, new, len, kind),
        };

        Some(Edit::of_words(
            machine, addr, old, new, len, phase, kind, decided,
        ))
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

    /// The address after the last byte, saturating at the end of the address space.
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

    /// What the bytes are.
    #[inline(always)]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it contains.
    #[inline(always)]
    pub fn contents(&self) -> Contents {
        self.contents
    }

    /// Whether a breakpoint on the head can stand in for the old instructions: its handler can
    /// emulate them, none of them makes control reenter their middle later, and the head is fetched
    /// atomically.
    ///
    /// A call that is not the last instruction returns to the middle. The called function may
    /// sleep, in which case it is not waited for, and would then return between the new
    /// instructions.
    #[inline(always)]
    pub fn can_guard(&self) -> bool {
        self.kind == Kind::Code
            && (self.head_len() == 2 || self.atomic_fetch)
            && emulate::can_run(self.old, self.len())
            && !emulate::may_reenter(self.old, self.len())
    }

    /// The cheapest safe way to write this edit.
    #[inline(always)]
    pub fn way(&self) -> Way {
        self.way
    }

    /// The length in bytes of the head, the part that [`Edit::stand_in`] replaces. All instructions
    /// are aligned to it, so that a single store writes the head.
    #[inline(always)]
    pub fn head_len(&self) -> usize {
        ALIGN
    }

    /// The temporary content of the head while the tail is written, which is safe to execute with
    /// the old tail and with the new one.
    ///
    /// It is a breakpoint, or the first parcel of a `nop` (`addi x0, x0, 0`). The latter contains
    /// the opcode and the destination, so that with any second parcel it is a hint, which does
    /// nothing.
    #[inline(always)]
    pub fn stand_in(&self) -> u32 {
        let one_is = |insn| self.old == insn || self.new == insn;

        if self.way == Way::Parcels && !one_is(EBREAK) {
            NOP as u32 & 0xffff
        } else if ALIGN == 2 {
            C_EBREAK.into()
        } else {
            EBREAK as u32
        }
    }
}

/// Whether the handler of misaligned accesses emulates two instructions in the same way. It takes
/// the address from the trap, so two loads or two stores may differ in the base register and the
/// offset.
#[inline(always)]
fn emulate_alike(old: u64, new: u64) -> bool {
    let differ = old ^ new;

    match old & 0x7f {
        _ if differ == 0 => true,
        // LOAD, LOAD-FP: all but rs1 and imm[11:0].
        0x03 | 0x07 => differ & !0xffff_8000 == 0,
        // STORE, STORE-FP: all but imm[11:5], rs1 and imm[4:0].
        0x23 | 0x27 => differ & !0xfe0f_8f80 == 0,
        _ => false,
    }
}

/// The way to write an edit, and what it contains.
#[inline(never)]
fn decide(
    machine: Machine,
    addr: usize,
    old: u64,
    new: u64,
    len: usize,
    kind: Kind,
) -> (Way, Contents) {
    let way = way(machine, addr, old, new, len, kind);

    (way, contents(old, new, len, kind, way))
}

/// Whether the bytes begin with a breakpoint.
#[inline(always)]
fn is_breakpoint(bytes: u64) -> bool {
    bytes as u16 == C_EBREAK || bytes as u32 == EBREAK as u32
}

/// The contents of an edit that is written in this `way`.
#[inline(always)]
fn contents(old: u64, new: u64, len: usize, kind: Kind, way: Way) -> Contents {
    let is_stop = way == Way::Stop;
    let common = Contents::EDIT
        .with(Contents::STAND_IN.when(way != Way::Store))
        .with(Contents::STOP.when(is_stop));

    if kind == Kind::Literal {
        return common;
    }
    let is_split = is_stop && insn_len(old as u16).is_none_or(|first| first < len);

    common
        .with(Contents::CODE)
        .with(Contents::SPLITTABLE.when(is_split))
        .with(Contents::BREAKPOINT.when(is_breakpoint(old) | is_breakpoint(new)))
        .with(Contents::ACCESS.when(changes_access(old, new)))
}

/// Whether the handler of a misaligned access treats `old` and `new` differently.
#[inline(always)]
fn changes_access(old: u64, new: u64) -> bool {
    (accesses_memory(old) | accesses_memory(new)) && !emulate_alike(old, new)
}

/// Whether the `len` bytes at `addr` are naturally aligned, and 2, 4 or 8: what one store writes.
#[inline(always)]
fn is_aligned(addr: usize, len: usize) -> bool {
    matches!(len, 2 | 4 | 8) && addr & (len - 1) == 0
}

/// The alignment in bytes of addresses and lengths.
#[inline(always)]
fn align(kind: Kind) -> usize {
    match kind {
        Kind::Code => ALIGN,
        Kind::Literal => 2,
    }
}

/// The way to write a 4-byte instruction that is not fetched atomically.
#[inline(always)]
fn by_parcels(old: u64, new: u64) -> Way {
    if ALIGN == 2 && [old, new].iter().any(|&insn| insn == EBREAK || insn == NOP) {
        Way::Parcels
    } else {
        Way::Stop
    }
}

#[inline(always)]
fn way(machine: Machine, addr: usize, old: u64, new: u64, len: usize, kind: Kind) -> Way {
    let single_store = is_aligned(addr, len);

    if kind == Kind::Literal {
        return if single_store { Way::Store } else { Way::Stop };
    }

    if changes_access(old, new) {
        // The handler of misaligned accesses would emulate the new access with the address of the
        // old one.
        let mixes_two = accesses_memory(old) && accesses_memory(new);

        if mixes_two || !machine.reruns_accesses {
            return Way::Stop;
        }
    }

    let whole = |bytes: u64| insn_len(bytes as u16) == Some(len);
    let whole_by_whole = whole(old) & whole(new);

    match len {
        // The first parcel of a longer instruction may be replaced with a breakpoint, and restored:
        // the rest does not change, so a hart executes the breakpoint or the whole instruction.
        2 if whole_by_whole || old == u64::from(C_EBREAK) || new == u64::from(C_EBREAK) => {
            Way::Store
        }
        4 if whole_by_whole && single_store && one_fetch(machine, old, new) => Way::Store,
        4 if whole_by_whole => by_parcels(old, new),
        _ => Way::Stop,
    }
}

/// Whether a hart that fetches an aligned 4-byte instruction while it is written gets either `old`
/// or `new`: because the fetch is atomic, or because only one parcel changes. (A mixture can be any
/// instruction: the first parcel of a `nop` with the second of an `ebreak` is an `ecall`.)
#[inline(always)]
fn one_fetch(machine: Machine, old: u64, new: u64) -> bool {
    let changed = old ^ new;

    machine.atomic_fetch || changed >> 16 == 0 || changed as u16 == 0
}
