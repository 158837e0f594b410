// SPDX-License-Identifier: GPL-2.0

//! Verifying and writing a batch of edits.
//!
//! Each step has a type: [`Batch::verify`] returns a [`Verified`] batch, [`Verified::open`] a
//! [`Ready`] one, and only that can be written. Nothing here allocates.

use core::ptr::NonNull;

use kernel::{
    ffi::c_int,
    fmt,
    prelude::*, //
};

use crate::{
    mm::pgtable::PAGE_SIZE,
    stop_machine::rendezvous::Met,
    symbol::Symbol,
    text::{
        self,
        edit::{
            Edit,
            Kind,
            Way,
            MAX_PHASE, //
        },
        plan,
        window::{
            Closed,
            Mapped,
            Open,
            Window,
            Writer, //
        },
        Allowed, //
    }, //
};

/// Why a batch failed, and at which address.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The error as a negative errno. Not an [`Error`]: making one is a function call, which is not
    /// allowed while the machine is stopped.
    pub errno: c_int,
    /// The address of the edit, or 0 if the error is not about a particular edit.
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

/// The format of the kernel log: `error -84 at do_foo+0x4/0x20`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.errno)?;
        if self.addr != 0 {
            f.write_fmt(fmt!(" at {}", Symbol(self.addr)))?;
        }
        Ok(())
    }
}

/// A batch of planned edits, of addresses that may be written.
///
/// # Invariants
///
/// The edits are sorted by address and do not overlap. For all of `'e`, the bytes at their
/// addresses are kernel text or, with [`Allowed::Memory`], any memory of the kernel.
pub struct Batch<'e>(&'e [Edit], Allowed);

impl<'e> Batch<'e> {
    /// Creates a batch from planned edits.
    ///
    /// # Safety
    ///
    /// - [`plan::plan`] accepted the edits.
    /// - [`text::Owners::pin`] accepted each edit, and the `Owners` are kept for `'e`; or, with
    ///   [`Allowed::Memory`], the caller guarantees that the memory of each edit may be written and
    ///   stays valid for `'e`.
    /// - Nobody else writes to the same text, except by mistake.
    /// - The text is valid code at every point in between: after any subset of the edits of phase
    ///   0, and after all of phase 0 and any subset of phase 1.
    pub unsafe fn new(edits: &'e [Edit], allowed: Allowed) -> Batch<'e> {
        // INVARIANT: The caller guarantees that `plan` has sorted the edits and checked that they
        // do not overlap, and that `Owners::pin` or the caller itself has checked their addresses.
        Batch(edits, allowed)
    }

    /// Checks that the text holds the old bytes of every edit.
    ///
    /// # Errors
    ///
    /// `-EILSEQ`, with the address of the first edit whose old bytes do not match.
    #[inline(always)]
    pub fn verify(self) -> Result<Verified<'e>, Failure> {
        check(self.0)?;
        Ok(Verified(self.0, self.1))
    }

    /// Skips the pre-check, for a caller that has just read the old bytes: [`Ready::begin`] and
    /// [`ForMaster::write_stopped`] verify again.
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

/// A batch whose old bytes matched the text when [`Batch::verify`] or the caller read it.
///
/// # Invariants
///
/// Those of [`Batch`].
pub struct Verified<'e>(&'e [Edit], Allowed);

impl<'e> Verified<'e> {
    /// Opens `window` on the pages of the batch, for this CPU.
    ///
    /// # Errors
    ///
    /// Those of [`Window::open`].
    ///
    /// # Safety
    ///
    /// - The steps of the result are made in order: see [`Ready`].
    /// - Edits of [`Way::Stop`] are in the table of
    ///   [`breakpoints::publish`](crate::text::breakpoints::publish), from before their first step
    ///   until the result has been dropped.
    /// - The result is dropped: it must not be leaked, as by `mem::forget()`, or writable aliases
    ///   of text remain.
    pub unsafe fn open<'w>(self, window: &'w mut Window) -> Result<Ready<'e, 'w>> {
        let shape = Shape::of(self.0);
        // SAFETY: By the type invariants the pages are in ascending order, and stay mapped as they
        // are. The caller guarantees that the window is dropped.
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

    /// Maps the pages of the batch in `window` for the master of a rendezvous, which may be any
    /// CPU.
    ///
    /// # Errors
    ///
    /// Those of [`Window::map`].
    ///
    /// # Safety
    ///
    /// - No task is between two instructions of an edit that [is splittable](Edit::is_splittable):
    ///   it would resume in the middle of the new ones.
    /// - The result is dropped: it must not be leaked, as by `mem::forget()`, or writable aliases
    ///   of text remain.
    pub unsafe fn for_master<'w>(self, window: &'w mut Window) -> Result<ForMaster<'e, 'w>> {
        // SAFETY: As in `open`.
        let mapped = unsafe { window.map(plan::pages(self.0, PAGE_SIZE), self.1) }?;

        Ok(ForMaster {
            edits: self.0,
            mapped,
        })
    }
}

/// A batch whose window is open, so that it can be written.
///
/// The phases are written in ascending order, with [`Ready::synchronise`] between any two steps:
///
/// 1. [`Ready::begin`].
/// 2. If the phase [has parcels](Ready::has_parcels), [`Ready::finish`] of the tail. If the batch
///    [is splittable](Ready::is_splittable), [`Ready::synchronise_and`] waits for all tasks before.
/// 3. If the phase has parcels, [`Ready::finish`] of the head.
///
/// A step may be repeated. If `begin` fails, [`Ready::take_back`] is called instead of the other
/// steps. Then the phases before are reverted, in descending order, by [`Ready::begin_unchecked`]
/// and `finish`, as in 2 and 3.
///
/// Dropping it closes the window and flushes the instruction caches of all CPUs. If an edit adds or
/// removes a breakpoint or a memory access, it also waits until every CPU has left the handler of
/// any breakpoint or misaligned access that it took before.
pub struct Ready<'e, 'w> {
    edits: &'e [Edit],
    open: Open<'w>,
    shape: [Shape; MAX_PHASE as usize + 1],
}

/// Which kinds of edits a phase of a batch contains.
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

/// The part of an edit that [`Ready::finish`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// The bytes after the head, while the stand-in is in the place of the head.
    Tail,
    /// The head, over the stand-in, once the tail is written.
    Head,
}

/// Whether an edit is applied or reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Replaces the old bytes with the new ones.
    Forth,
    /// Restores the old bytes.
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
    /// Writes the first step of every edit of `phase`, after verifying the old bytes of each again.
    ///
    /// That step is the whole edit for [`Way::Store`], and otherwise the stand-in for its head.
    /// `race_at` is the index of an edit to treat as if its old bytes did not match, for tests.
    ///
    /// # Errors
    ///
    /// The index of the first edit that was not written, and why: `-EILSEQ` if its old bytes do not
    /// match. The edits of `phase` before it have been written.
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

    /// Reverts the first step of the edits of `phase` whose indices are below `end`.
    pub fn take_back(&self, phase: u8, end: usize) -> Result<(), Failure> {
        let mut writer = self.open.writer();

        for edit in self.edits.iter().take(end) {
            if edit.phase() != phase {
                continue;
            }
            match edit.way() {
                Way::Store => first_step(&mut writer, edit, Direction::Back)?,
                // Only the head has been written.
                _ => store(&mut writer, edit, 0, edit.head_len(), edit.old())?,
            }
        }
        Ok(())
    }

    /// Writes the first step of every edit of `phase` in a direction, without verifying anything.
    pub fn begin_unchecked(&self, phase: u8, direction: Direction) -> Result<(), Failure> {
        let mut writer = self.open.writer();

        for edit in self.edits.iter().filter(|edit| edit.phase() == phase) {
            first_step(&mut writer, edit, direction)?;
        }
        Ok(())
    }

    /// Writes `parcel` of every edit of `phase` that has a stand-in.
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

    /// Whether an edit replaces several instructions, so that a task may be between two of them.
    pub fn is_splittable(&self) -> bool {
        self.edits.iter().any(Edit::is_splittable)
    }

    fn shape(&self, phase: u8) -> Shape {
        self.shape
            .get(usize::from(phase))
            .copied()
            .unwrap_or_default()
    }

    /// Whether `phase` has any edits.
    pub fn has_phase(&self, phase: u8) -> bool {
        self.shape(phase).any
    }

    /// Whether `phase` has edits of instructions, rather than only of literals.
    pub fn has_code(&self, phase: u8) -> bool {
        self.shape(phase).code
    }

    /// Whether `phase` has edits that are written in several steps, with a stand-in.
    pub fn has_parcels(&self, phase: u8) -> bool {
        self.shape(phase).parcels
    }

    /// Flushes the instruction caches of all CPUs, so that they fetch what was written so far.
    ///
    /// Context: interrupts on; waits for IPIs.
    pub fn synchronise(&self) {
        self.open.synchronise();
    }

    /// Like [`Ready::synchronise`], before the tails of `phase` are written or it is reverted.
    ///
    /// If an instruction that accesses memory is added or removed, it also waits until every CPU
    /// has left any trap that the old text caused. The handler of a misaligned access reads the
    /// instruction again, parcel by parcel: it could combine an old head with a new tail, or find
    /// the stand-in and then the access again.
    ///
    /// Context: that of [`Ready::synchronise`].
    pub fn synchronise_accesses(&self, phase: u8) {
        if self.shape(phase).accesses {
            self.open.synchronise_after_traps();
        } else {
            self.open.synchronise();
        }
    }

    /// Like [`Ready::synchronise`], and calls `wait`, with the window closed until it has returned.
    ///
    /// Context: that of [`Ready::synchronise`] and that of `wait`.
    pub fn synchronise_and(&mut self, wait: impl FnOnce(&Closed)) {
        self.open.closed_while(wait);
    }
}

/// A batch whose pages are mapped for the master of a rendezvous, which may be any CPU.
///
/// Dropping it closes the window.
pub struct ForMaster<'e, 'w> {
    edits: &'e [Edit],
    mapped: Mapped<'w>,
}

impl ForMaster<'_, '_> {
    /// Verifies the whole batch again, writes it and closes the window, while all other CPUs wait
    /// for this one.
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

/// Writes the low `len` bytes of `bytes` at `offset` of `edit`: in one store if they are naturally
/// aligned, else parcel by parcel (2 bytes).
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

/// Stores `new` if the bytes at `alias` are `old`, and returns whether they were.
///
/// # Safety
///
/// Those of [`store_once`]; `alias` is also valid for reading.
#[inline(always)]
unsafe fn replace_once(alias: NonNull<u8>, len: usize, old: u64, new: u64) -> bool {
    let alias = alias.as_ptr();

    // Volatile, as in `store_once`.
    macro_rules! replace {
        ($word:ty) => {{
            let alias = alias.cast::<$word>();

            // SAFETY: The caller guarantees that `alias` is valid for reading `len` bytes, the size
            // of `$word`, and aligned.
            let is_old = unsafe { alias.read_volatile() } == old as $word;
            if is_old {
                // SAFETY: As above, and valid for writing.
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

/// Writes the low `len` bytes of `bytes` at `alias` in a single store.
///
/// # Safety
///
/// `alias` is valid for writing `len` bytes and aligned to `len`, which is 2, 4 or 8.
#[inline(always)]
unsafe fn store_once(alias: NonNull<u8>, len: usize, bytes: u64) {
    let alias = alias.as_ptr();

    // Volatile, so that each is a single store: harts may fetch these bytes at any time. The
    // `kernel` crate's `Atomic` would be a call of a traced function, on a stopped machine.
    match len {
        // SAFETY: The caller guarantees that `alias` is valid for writing `len` bytes, and aligned.
        2 => unsafe { alias.cast::<u16>().write_volatile(bytes as u16) },
        // SAFETY: As for 2 bytes.
        4 => unsafe { alias.cast::<u32>().write_volatile(bytes as u32) },
        // SAFETY: As for 2 bytes; `len` is 8, the only other length that the caller may pass.
        _ => unsafe { alias.cast::<u64>().write_volatile(bytes) },
    }
}
