// SPDX-License-Identifier: GPL-2.0

//! Verify every edit of a batch, then write.
//!
//! The types are the steps: [`Batch::verify`] turns a batch into a [`Verified`] one, which can be
//! opened, and only a [`Ready`] one can write. Nothing here allocates.

use core::ptr::NonNull;

use kernel::{
    ffi::c_int,
    fmt,
    prelude::*, //
};

use crate::{
    edit::{
        Edit,
        Kind,
        Way,
        MAX_PHASE, //
    },
    pgtable::PAGE_SIZE,
    plan,
    rendezvous::Met,
    symbol::Symbol,
    text::{
        self,
        Allowed, //
    },
    window::{
        Closed,
        Mapped,
        Open,
        Window,
        Writer, //
    }, //
};

/// What stopped a batch, and at which address.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The error as a number, negative. An [`Error`] could not be made on a stopped machine: that
    /// is a call.
    pub errno: c_int,
    /// The address of the edit, or 0 if it is not about one.
    pub addr: usize,
}

impl Failure {
    #[inline(always)]
    fn mismatch(edit: &Edit) -> Failure {
        Failure {
            errno: -(kernel::bindings::EILSEQ as c_int),
            addr: edit.addr(),
        }
    }

    #[inline(always)]
    fn not_open(edit: &Edit) -> Failure {
        Failure {
            errno: -(kernel::bindings::EFAULT as c_int),
            addr: edit.addr(),
        }
    }
}

/// As it is to be logged: `error -84 at do_foo+0x4/0x20`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.errno)?;
        if self.addr != 0 {
            f.write_fmt(fmt!(" at {}", Symbol(self.addr)))?;
        }
        Ok(())
    }
}

/// Edits that may be made.
///
/// # Invariants
///
/// The edits are in the order of their addresses and do not overlap; their bytes are kernel text,
/// or where allowed memory, and stay so for `'e`.
pub struct Batch<'e>(&'e [Edit], Allowed);

impl<'e> Batch<'e> {
    /// Takes planned edits.
    ///
    /// # Safety
    ///
    /// - [`plan::plan`] accepted the edits.
    /// - [`text::Owners::pin`] accepted each, and the `Owners` are kept for `'e`; or, with
    ///   [`Allowed::Memory`], the caller answers for each that it may be written, and stays.
    /// - Nobody else writes to the same text, but by mistake.
    /// - What is there after any number of the edits, in the order of their phases, is valid code.
    pub unsafe fn new(edits: &'e [Edit], allowed: Allowed) -> Batch<'e> {
        // INVARIANT: By the function's requirements.
        Batch(edits, allowed)
    }

    /// Checks that the old bytes of every edit are what is there now.
    ///
    /// # Errors
    ///
    /// `-EILSEQ` with the first that is not.
    #[inline(always)]
    pub fn verify(self) -> Result<Verified<'e>, Failure> {
        check(self.0)?;
        Ok(Verified(self.0, self.1))
    }

    /// Leaves that check to the writing, which is the one that counts: the caller has just read the
    /// old bytes.
    #[inline(always)]
    pub fn just_read(self) -> Verified<'e> {
        Verified(self.0, self.1)
    }
}

#[inline(always)]
fn check(edits: &[Edit]) -> Result<(), Failure> {
    for edit in edits {
        if !holds_old(edit) {
            return Err(Failure::mismatch(edit));
        }
    }
    Ok(())
}

#[inline(always)]
fn holds_old(edit: &Edit) -> bool {
    // SAFETY: By the invariant of `Batch`, from which all edits here come.
    unsafe { text::read(edit.addr(), edit.len()) == edit.old() }
}

/// A batch whose old bytes were all there when the caller or [`Batch::verify`] looked.
///
/// # Invariants
///
/// Those of [`Batch`].
pub struct Verified<'e>(&'e [Edit], Allowed);

impl<'e> Verified<'e> {
    /// Opens `window` for the pages of the batch.
    ///
    /// # Errors
    ///
    /// Those of [`Window::open`].
    ///
    /// # Safety
    ///
    /// - The steps of the result are made in their order: see [`Ready`].
    /// - An edit of [`Way::Stop`] is one of those that [`guards::publish`](crate::guards::publish)
    ///   was told of before its first step is made, and until the result has been dropped.
    /// - The result is dropped: leaked, as by `mem::forget()`, it leaves writable aliases of text.
    pub unsafe fn open<'w>(self, window: &'w mut Window) -> Result<Ready<'e, 'w>> {
        let shape = Shape::of(self.0);
        // SAFETY: By the type invariants the pages are in ascending order, and stay what they are.
        // By the function's requirement it is dropped.
        let mut open = unsafe { window.open(plan::pages(self.0, PAGE_SIZE), self.1) }?;

        if shape.iter().any(|phase| phase.breakpoints | phase.accesses) {
            open.wait_for_traps();
        }
        Ok(Ready {
            edits: self.0,
            open,
            shape,
        })
    }

    /// Maps the pages of the batch in `window`, for the master of a rendezvous, whichever CPU that
    /// is.
    ///
    /// # Errors
    ///
    /// Those of [`Window::map`].
    ///
    /// # Safety
    ///
    /// - No task is between two instructions of an edit that [is splittable](Edit::is_splittable):
    ///   it would go on in the middle of the new ones.
    /// - The result is dropped: leaked, as by `mem::forget()`, it leaves writable aliases of text.
    pub unsafe fn for_master<'w>(self, window: &'w mut Window) -> Result<ForMaster<'e, 'w>> {
        // SAFETY: As in `open`.
        let mapped = unsafe { window.map(plan::pages(self.0, PAGE_SIZE), self.1) }?;

        Ok(ForMaster {
            edits: self.0,
            mapped,
        })
    }
}

/// A batch that can be written: its window is open.
///
/// Phase by phase, in ascending order, with [`Ready::synchronise`] between two steps, always:
///
/// 1. [`Ready::begin`];
/// 2. where the phase [has parcels](Ready::has_parcels), [`Ready::finish`] of the tail, and before
///    it, where the batch [is splittable](Ready::is_splittable), a wait for all tasks, by
///    [`Ready::synchronise_and`];
/// 3. there, [`Ready::finish`] of the head.
///
/// A step may be made twice. Where `begin` fails, [`Ready::take_back`] is called instead of the
/// others; then the phases before are made back, in descending order, by [`Ready::begin_unchecked`]
/// and, as in 2 and 3, `finish`.
///
/// Dropping it closes the window and synchronises all CPUs with what was written. If an edit has a
/// breakpoint, no CPU is in the trap of one any more that was there before.
pub struct Ready<'e, 'w> {
    edits: &'e [Edit],
    open: Open<'w>,
    shape: [Shape; MAX_PHASE as usize + 1],
}

/// What there is in one phase of a batch.
#[derive(Clone, Copy, Default)]
struct Shape {
    any: bool,
    code: bool,
    parcels: bool,
    breakpoints: bool,
    accesses: bool,
}

impl Shape {
    fn of(edits: &[Edit]) -> [Shape; MAX_PHASE as usize + 1] {
        let mut shapes = [Shape::default(); MAX_PHASE as usize + 1];

        for edit in edits {
            let shape = &mut shapes[usize::from(edit.phase())];

            shape.any = true;
            shape.code |= edit.kind() == Kind::Code;
            shape.parcels |= edit.way() != Way::Store;
            shape.breakpoints |= edit.has_breakpoint();
            shape.accesses |= edit.has_access();
        }
        shapes
    }
}

/// The part of an edit behind a breakpoint that a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// All but the head.
    Tail,
    /// What the stand-in is in the place of, after the others.
    Head,
}

/// In which direction an edit is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Old bytes become new ones.
    Forth,
    /// New bytes become the old ones again.
    Back,
}

impl Direction {
    #[inline(always)]
    fn bytes(self, edit: &Edit) -> u64 {
        match self {
            Direction::Forth => edit.new_bytes(),
            Direction::Back => edit.old(),
        }
    }
}

impl<'e, 'w> Ready<'e, 'w> {
    /// Makes the first step of every edit of `phase`, each after checking once more that its old
    /// bytes are there: the whole edit, or, unless it is of [`Way::Store`], the stand-in in the
    /// place of its head.
    ///
    /// # Errors
    ///
    /// The index of the first edit whose old bytes had gone, and why. Those before it are written.
    pub fn begin(&self, phase: u8, race_at: Option<usize>) -> Result<(), (usize, Failure)> {
        let mut writer = self.open.writer();

        for (index, edit) in self.edits.iter().enumerate() {
            if edit.phase() != phase {
                continue;
            }
            if race_at == Some(index) {
                return Err((index, Failure::mismatch(edit)));
            }
            begin_one(&mut writer, edit).map_err(|failure| (index, failure))?;
        }
        Ok(())
    }

    /// Takes the first step back for those edits of `phase` that are before `end`.
    pub fn take_back(&self, phase: u8, end: usize) -> Result<(), Failure> {
        let mut writer = self.open.writer();

        for edit in self.edits.iter().take(end) {
            if edit.phase() != phase {
                continue;
            }
            match edit.way() {
                Way::Store => first_step(&mut writer, edit, Direction::Back)?,
                // Only the head was touched.
                _ => store(&mut writer, edit, 0, edit.head_len(), edit.old())?,
            }
        }
        Ok(())
    }

    /// Makes the first step of every edit of `phase` in a direction, without looking.
    pub fn begin_unchecked(&self, phase: u8, direction: Direction) -> Result<(), Failure> {
        let mut writer = self.open.writer();

        for edit in self.edits.iter().filter(|edit| edit.phase() == phase) {
            first_step(&mut writer, edit, direction)?;
        }
        Ok(())
    }

    /// Writes what is behind the stand-in of every edit of `phase` that has one, or over it.
    pub fn finish(&self, phase: u8, parcel: Parcel, direction: Direction) -> Result<(), Failure> {
        let mut writer = self.open.writer();

        for edit in self.edits.iter().filter(|edit| edit.phase() == phase) {
            if edit.way() == Way::Store {
                continue;
            }
            let (bytes, head) = (direction.bytes(edit), edit.head_len());
            match parcel {
                Parcel::Tail => {
                    let tail = bytes >> (8 * head);
                    store(&mut writer, edit, head, edit.len() - head, tail)?;
                }
                Parcel::Head => store(&mut writer, edit, 0, head, bytes)?,
            }
        }
        Ok(())
    }

    /// Whether a task may be between two instructions that are both replaced.
    pub fn is_splittable(&self) -> bool {
        self.edits.iter().any(Edit::is_splittable)
    }

    fn shape(&self, phase: u8) -> Shape {
        self.shape
            .get(usize::from(phase))
            .copied()
            .unwrap_or_default()
    }

    /// Whether `phase` has edits at all.
    pub fn has_phase(&self, phase: u8) -> bool {
        self.shape(phase).any
    }

    /// Whether `phase` has edits of instructions.
    pub fn has_code(&self, phase: u8) -> bool {
        self.shape(phase).code
    }

    /// Whether `phase` has edits that are written behind a stand-in.
    pub fn has_parcels(&self, phase: u8) -> bool {
        self.shape(phase).parcels
    }

    /// Has every CPU see what was written so far.
    ///
    /// Context: interrupts on; waits for IPIs.
    pub fn synchronise(&self) {
        self.open.synchronise();
    }

    /// As [`Ready::synchronise`], before `phase` goes on to its tails or is taken back.
    ///
    /// Where an instruction that accesses memory comes or goes, it waits for the traps of old text,
    /// too. The handler of a misaligned access reads the instruction again, parcel by parcel: it
    /// would join an old head with a new tail, or find the stand-in, and then the access once more.
    ///
    /// Context: as there.
    pub fn synchronise_accesses(&self, phase: u8) {
        if self.shape(phase).accesses {
            self.open.synchronise_after_traps();
        } else {
            self.open.synchronise();
        }
    }

    /// As [`Ready::synchronise`], with the window closed before and until `wait` has returned.
    ///
    /// Context: as there, and what `wait` needs.
    pub fn synchronise_and(&mut self, wait: impl FnOnce(&Closed)) {
        self.open.closed_while(wait);
    }
}

/// A batch that the master of a rendezvous writes, whichever CPU that is.
///
/// Dropping it closes the window.
pub struct ForMaster<'e, 'w> {
    edits: &'e [Edit],
    mapped: Mapped<'w>,
}

impl ForMaster<'_, '_> {
    /// Verifies the whole batch once more, writes it, and closes the window, while all other CPUs
    /// wait for this one.
    #[inline(always)]
    pub fn write_stopped(&mut self, met: &Met<'_>) -> Result<(), Failure> {
        let result = self.write_all_here();

        self.mapped.close_stopped(met);
        result
    }

    #[inline(always)]
    fn write_all_here(&self) -> Result<(), Failure> {
        check(self.edits)?;
        self.mapped.prepare_here();

        let mut writer = self.mapped.writer();
        for edit in self.edits {
            store(&mut writer, edit, 0, edit.len(), edit.new_bytes())?;
        }
        Ok(())
    }
}

#[inline(always)]
fn begin_one(writer: &mut Writer<'_>, edit: &Edit) -> Result<(), Failure> {
    let alias = writer.alias(edit.addr()).ok_or(Failure::not_open(edit))?;

    if edit.way() == Way::Store {
        // SAFETY: As in `store`: what is there is read and written whole.
        return if unsafe { replace_once(alias, edit.len(), edit.old(), edit.new_bytes()) } {
            Ok(())
        } else {
            Err(Failure::mismatch(edit))
        };
    }
    if !holds_old(edit) {
        return Err(Failure::mismatch(edit));
    }
    first_step(writer, edit, Direction::Forth)
}

#[inline(always)]
fn first_step(writer: &mut Writer<'_>, edit: &Edit, to: Direction) -> Result<(), Failure> {
    match edit.way() {
        Way::Store => store(writer, edit, 0, edit.len(), to.bytes(edit)),
        _ => store(writer, edit, 0, edit.head_len(), edit.stand_in().into()),
    }
}

/// Stores the low `len` bytes of `bytes` at `offset` of `edit`: in one store if they are naturally
/// aligned, else by parcels.
#[inline(always)]
fn store(
    writer: &mut Writer<'_>,
    edit: &Edit,
    offset: usize,
    len: usize,
    bytes: u64,
) -> Result<(), Failure> {
    let addr = edit.addr() + offset;

    if edit.way() == Way::Store || len.is_power_of_two() && addr % len == 0 {
        let alias = writer.alias(addr).ok_or(Failure::not_open(edit))?;

        // SAFETY: `alias` is `len` writable bytes: they are naturally aligned, as all of an edit of
        // `Way::Store` is, hence in one page.
        unsafe { store_once(alias, len, bytes) };
        return Ok(());
    }
    for parcel in (0..len).step_by(2) {
        let alias = writer.alias(addr + parcel).ok_or(Failure::not_open(edit))?;

        // SAFETY: As above, for 2 bytes; `addr` is even.
        unsafe { store_once(alias, 2, bytes >> (8 * parcel)) };
    }
    Ok(())
}

/// Stores `new` if `old` is there, and says whether it was.
///
/// # Safety
///
/// As for [`store_once`]; `alias` is also valid for reading.
#[inline(always)]
unsafe fn replace_once(alias: NonNull<u8>, len: usize, old: u64, new: u64) -> bool {
    let alias = alias.as_ptr();

    // Volatile, as there.
    macro_rules! replace {
        ($word:ty) => {{
            let alias = alias.cast::<$word>();

            // SAFETY: By the function's requirement.
            let is_old = unsafe { alias.read_volatile() } == old as $word;
            if is_old {
                // SAFETY: By the function's requirement.
                unsafe { alias.write_volatile(new as $word) };
            }
            is_old
        }};
    }
    match len {
        4 => replace!(u32),
        8 => replace!(u64),
        _ => replace!(u16),
    }
}

/// # Safety
///
/// `alias` is valid for writing `len` bytes, and aligned to it; `len` is 2, 4 or 8.
#[inline(always)]
unsafe fn store_once(alias: NonNull<u8>, len: usize, bytes: u64) {
    let alias = alias.as_ptr();

    // Volatile: harts fetch these bytes at any time, so that each must be one store. The kernel
    // crate's `Atomic` would call a traced function from a stopped machine.
    match len {
        // SAFETY: By the function's requirement.
        2 => unsafe { alias.cast::<u16>().write_volatile(bytes as u16) },
        // SAFETY: By the function's requirement.
        4 => unsafe { alias.cast::<u32>().write_volatile(bytes as u32) },
        // SAFETY: By the function's requirement.
        _ => unsafe { alias.cast::<u64>().write_volatile(bytes) },
    }
}
