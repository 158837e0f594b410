// SPDX-License-Identifier: GPL-2.0

//! The protocol that writes a batch of edits: all of them, or none.
//!
//! [`Batch::write`] is the way in. `write_live` has the steps of a batch that is written while all
//! harts execute the text, `write_guarded` puts breakpoints in front of instructions that are
//! replaced together, and `write_stopped` writes while all other CPUs are stopped. Nothing here
//! allocates.

use core::ptr::NonNull;

use kernel::{
    bindings::{
        EFAULT,
        EILSEQ,
        EIO,
        EOPNOTSUPP, //
    },
    ffi::c_int,
    fmt,
    prelude::*, //
};

use crate::{
    adversary::{
        self,
        Point, //
    },
    mm::{
        flush,
        pgtable::PAGE_SIZE, //
    },
    online_cpus,
    stop_machine::rendezvous::{
        rendezvous,
        Exclusive,
        Work, //
    },
    symbol::Symbol,
    text::{
        self,
        breakpoints,
        edit::{
            Contents,
            Edit,
            Way,
            MAX_PHASE, //
        },
        lock::TextLock,
        plan::{
            self,
            Strategy, //
        },
        window::{
            Mapped,
            Open,
            Window,
            Writer, //
        },
        Origin, //
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
    /// The failure with the errno `number`, which is positive as in C, at `addr`.
    #[inline(always)]
    pub const fn new(number: u32, addr: usize) -> Failure {
        Failure {
            errno: -(number as c_int),
            addr,
        }
    }

    #[inline(always)]
    fn mismatch(edit: &Edit) -> Failure {
        Failure::new(EILSEQ, edit.addr())
    }

    #[inline(always)]
    fn not_open(edit: &Edit) -> Failure {
        Failure::new(EFAULT, edit.addr())
    }
}

impl From<Error> for Failure {
    /// A failure that is not about a particular edit.
    fn from(error: Error) -> Failure {
        Failure {
            errno: error.to_errno(),
            addr: 0,
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

/// How a batch that is written while harts execute the text is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live {
    /// Whether each write of code is repeated if several CPUs are online: see [`twice`].
    pub write_twice: bool,
    /// The index of an edit to treat as if its old bytes did not match when it is written, for
    /// tests.
    pub race_at: Option<usize>,
}

/// The outcome of [`Batch::write`].
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Whether all edits were made. If not, the text is as it was before.
    pub result: Result<(), Failure>,
    /// Whether writing had begun and was given up, so that what was written has been reverted.
    pub reverted: bool,
    /// For how long all CPUs were stopped, in nanoseconds, if they were.
    pub stopped_ns: Option<u64>,
}

impl From<Failure> for Outcome {
    /// The outcome of a batch of which nothing was written.
    fn from(failure: Failure) -> Outcome {
        Outcome {
            result: Err(failure),
            reverted: false,
            stopped_ns: None,
        }
    }
}

/// Calls `write`, which writes code that harts execute. If `wanted` and several CPUs are online when
/// it has returned, calls it a second time after a flush of all instruction caches.
///
/// QEMU's multi-threaded TCG needs that: while one thread stores, another may be translating the
/// old bytes, and link its stale translation after the store has discarded the existing ones. When
/// a flush ends it has been linked, so that a second store discards it.
///
/// # Errors
///
/// Those of `write`.
///
/// # Context
///
/// Interrupts on; waits for the other harts.
pub fn twice<E>(wanted: bool, mut write: impl FnMut() -> Result<(), E>) -> Result<(), E> {
    write()?;
    again(wanted, write)
}

/// The second half of [`twice`], after a first write that was another function.
fn again<E>(wanted: bool, write: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    // Not asked before the first write: a CPU that came online meanwhile may have translated the
    // old bytes.
    if wanted && online_cpus() > 1 {
        flush::instructions_everywhere();
        write()?;
    }
    Ok(())
}

/// A batch of planned edits, of addresses that may be written.
///
/// # Invariants
///
/// The edits do not overlap, and are sorted by address if `strategy` is [`Strategy::Guarded`];
/// `strategy` is safe for them. For all of
/// `'e`, the bytes at their addresses are kernel text or, for [`Origin::Kernel`], any memory of the
/// kernel.
pub struct Batch<'e> {
    edits: &'e [Edit],
    origin: Origin,
    strategy: Strategy,
    /// What the edits of each phase contain.
    phases: [Contents; MAX_PHASE as usize + 1],
}

/// Whether edits are applied or reverted.
#[derive(Clone, Copy)]
enum Direction {
    Apply,
    Revert,
}

impl Direction {
    #[inline(always)]
    fn bytes(self, edit: &Edit) -> u64 {
        match self {
            Direction::Apply => edit.new_bytes(),
            Direction::Revert => edit.old(),
        }
    }
}

/// The part of an edit that is written while or after a stand-in is in the place of its head.
#[derive(Clone, Copy)]
enum Part {
    Tail,
    Head,
}

impl<'e> Batch<'e> {
    /// Creates a batch from planned edits.
    ///
    /// # Safety
    ///
    /// - [`plan::plan`] accepted the edits and returned `strategy`; or the edits do not overlap,
    ///   [`plan::strategy`] returned `strategy`, and they are sorted by address if it is
    ///   [`Strategy::Guarded`].
    /// - [`text::owners::Owners::pin`] accepted each edit, and the `Owners` are kept for `'e`; or,
    ///   for [`Origin::Kernel`], the caller guarantees that the memory of each edit may be written
    ///   and stays valid for `'e`.
    /// - With [`Strategy::Guarded`], no other guarded batch is written at the same time.
    /// - Nobody else writes to the same text. (If somebody does by mistake, verifying each edit again
    ///   detects what was written before that.)
    /// - The text is valid code at every point in between: after any subset of the edits of phase
    ///   0, and after all of phase 0 and any subset of phase 1.
    pub unsafe fn new(edits: &'e [Edit], origin: Origin, strategy: Strategy) -> Batch<'e> {
        let mut phases = [Contents::default(); MAX_PHASE as usize + 1];

        for edit in edits {
            if let Some(phase) = phases.get_mut(usize::from(edit.phase())) {
                phase.add(edit.contents());
            }
        }
        // INVARIANT: The caller guarantees that `strategy` was chosen for these edits, that they do
        // not overlap and are sorted where that is necessary, and that `Owners::pin` or the caller
        // itself has checked their addresses.
        Batch {
            edits,
            origin,
            strategy,
            phases,
        }
    }

    /// The strategy that it is written with.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// The number of edits.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Writes the batch through `window`.
    ///
    /// The old bytes of each edit are verified when it is written. Those of a batch of
    /// [`Origin::Module`] are also verified before anything is written.
    ///
    /// # Errors
    ///
    /// In [`Outcome::result`]; the text is unchanged:
    ///
    /// - `-EILSEQ`, with the address of the edit: the text does not hold its old bytes.
    /// - `-EOPNOTSUPP`: the strategy needs `lock`, which is `None`.
    /// - `-ENOENT`: a CPU could not be stopped.
    /// - Those of [`Window::map`].
    ///
    /// # Context
    ///
    /// May sleep. The caller holds `text_mutex`, except in a kernel without our hooks; `lock` shows
    /// that it also holds `cpus_read_lock`.
    pub fn write(self, window: &mut Window, lock: Option<&TextLock>, live: Live) -> Outcome {
        if self.origin == Origin::Module {
            if let Err(failure) = verify(self.edits) {
                return failure.into();
            }
        }
        match (self.strategy, lock) {
            (Strategy::Live | Strategy::Phased, _) => self.write_live(window, live),
            (Strategy::Guarded, Some(lock)) => self.write_guarded(window, lock, live),
            (Strategy::Rendezvous, Some(lock)) => self.write_stopped(window, lock),
            // CPU hotplug is not excluded.
            (Strategy::Guarded | Strategy::Rendezvous, None) => Failure::new(EOPNOTSUPP, 0).into(),
        }
    }

    /// Writes the batch while all harts execute the text.
    ///
    /// For phase 0, then for phase 1:
    ///
    /// 1. Before phase 1, flush all instruction caches. A hart that executes what phase 1 writes can
    ///    go on to execute or load what phase 0 wrote, or what the kernel has written before for this
    ///    hart only.
    /// 2. Verify the old bytes of each edit, and write its first step: the whole edit, if one store
    ///    can, else a stand-in for the head. On a mismatch, revert what was written.
    ///
    /// If the phase has stand-ins, also:
    ///
    /// 3. Flush: no hart fetches the old head any more. If the edits are guarded, wait until no
    ///    task is between two of their instructions, with the window closed meanwhile.
    /// 4. Write the tails.
    /// 5. Flush: no hart fetches an old tail any more.
    /// 6. Write the heads over the stand-ins.
    ///
    /// At the end:
    ///
    /// 7. Close the window and flush: every hart fetches the new text. If an edit adds or removes a
    ///    breakpoint or a memory access, wait until every CPU has left any trap that the old text
    ///    caused.
    ///
    /// With [`Live::write_twice`], steps 2, 4 and 6 are each repeated after another flush.
    fn write_live(&self, window: &mut Window, live: Live) -> Outcome {
        // SAFETY: By the type invariants the pages stay mapped as they are. The window is closed
        // below.
        let mut open = match unsafe { window.open(plan::pages(self.edits, PAGE_SIZE), self.origin) }
        {
            Ok(open) => open,
            Err(error) => return Failure::from(error).into(),
        };
        let mut outcome = Outcome {
            result: Ok(()),
            reverted: false,
            stopped_ns: None,
        };

        for phase in 0..=MAX_PHASE {
            if !self.phase(phase).has(Contents::EDIT) {
                continue;
            }
            if phase > 0 {
                // 1. litmus: batch+phases, batch+phases-after
                open.synchronise();
            }
            // 2.
            if let Err((written, failure)) = self.begin(&open, phase, live.race_at) {
                outcome.reverted = true;
                outcome.result = self
                    .revert(&mut open, phase, written, live)
                    .and(Err(failure));
                break;
            }
            outcome.result = again(
                live.write_twice && self.phase(phase).has(Contents::CODE),
                || self.begin_unchecked(&open, phase, Direction::Apply),
            )
            // 3. to 6.
            .and_then(|()| self.finish(&mut open, phase, Direction::Apply, live));
            if outcome.result.is_err() {
                break;
            }
        }

        // 7.
        open.close(self.has(Contents::TRAP));
        outcome
    }

    /// Writes the batch live, with breakpoints in front of instructions that are replaced together.
    ///
    /// A task that was preempted between two instructions resumes at the second one, even if the
    /// machine was stopped meanwhile. So the stand-in of such an edit is a breakpoint, whose handler
    /// emulates all of the old instructions, and step 3 of [`Batch::write_live`] waits until no task
    /// is between them.
    fn write_guarded(&self, window: &mut Window, lock: &TextLock, live: Live) -> Outcome {
        // SAFETY: `new` requires that no other guarded batch is written at the same time, so that
        // there is no other table, and that the edits are sorted. When `write_live` returns,
        // none of the breakpoints is left in the text, and all CPUs have flushed.
        unsafe { breakpoints::guard(self.edits, lock, || self.write_live(window, live)) }
    }

    /// Writes the batch while all other CPUs are stopped: at a rendezvous, the last CPU to arrive
    /// verifies the old bytes and writes.
    fn write_stopped(&self, window: &mut Window, lock: &TextLock) -> Outcome {
        // SAFETY: As in `write_live`. `mapped` is dropped with `writing`.
        let mapped = match unsafe { window.map(plan::pages(self.edits, PAGE_SIZE), self.origin) } {
            Ok(mapped) => mapped,
            Err(error) => return Failure::from(error).into(),
        };
        let writing = Writing {
            edits: self.edits,
            mapped,
            result: Err(Failure::new(EIO, 0)),
        };

        match rendezvous(writing, lock) {
            Ok((writing, held)) => Outcome {
                result: writing.result,
                reverted: false,
                stopped_ns: Some(held.nanoseconds),
            },
            Err(error) => Failure::from(error).into(),
        }
    }

    /// What the edits of `phase` contain.
    fn phase(&self, phase: u8) -> Contents {
        self.phases
            .get(usize::from(phase))
            .copied()
            .unwrap_or_default()
    }

    /// Whether any edit contains any of `contents`.
    fn has(&self, contents: Contents) -> bool {
        self.phases.iter().any(|phase| phase.has(contents))
    }

    /// The edits of `phase`.
    #[inline(always)]
    fn edits(&self, phase: u8) -> impl Iterator<Item = &'e Edit> {
        self.edits.iter().filter(move |edit| edit.phase() == phase)
    }

    /// Step 2: verifies the old bytes of every edit of `phase`, and writes its first step.
    ///
    /// # Errors
    ///
    /// The index of the first edit that was not written, and why. The edits of `phase` before it
    /// have been written.
    fn begin(
        &self,
        open: &Open<'_>,
        phase: u8,
        race_at: Option<usize>,
    ) -> Result<(), (usize, Failure)> {
        let mut writer = open.writer();

        for (index, edit) in self.edits.iter().enumerate() {
            if edit.phase() != phase {
                continue;
            }
            if race_at == Some(index) {
                return Err((index, Failure::mismatch(edit)));
            }
            verify_and_begin(&mut writer, edit).map_err(|failure| (index, failure))?;
        }
        Ok(())
    }

    /// Step 2 again, or backwards: writes the first step of every edit of `phase` without verifying
    /// anything.
    fn begin_unchecked(
        &self,
        open: &Open<'_>,
        phase: u8,
        direction: Direction,
    ) -> Result<(), Failure> {
        let mut writer = open.writer();

        for edit in self.edits(phase) {
            first_step(&mut writer, edit, direction)?;
        }
        Ok(())
    }

    /// Steps 3 to 6: writes the rest of the edits of `phase` that have a stand-in.
    fn finish(
        &self,
        open: &mut Open<'_>,
        phase: u8,
        direction: Direction,
        live: Live,
    ) -> Result<(), Failure> {
        if !self.phase(phase).has(Contents::STAND_IN) {
            return Ok(());
        }
        // 3. No hart may see the new tail after the old head. litmus: batch+phases
        self.synchronise_before_tails(open, phase);
        // 4.
        twice(live.write_twice, || {
            self.write_part(open, phase, Part::Tail, direction)
        })?;
        // 5. No hart may see the new head before the new tail. litmus: batch+phases
        open.synchronise();
        // 6.
        twice(live.write_twice, || {
            self.write_part(open, phase, Part::Head, direction)
        })
    }

    /// Step 3: waits until no hart executes the instructions behind the stand-ins of `phase`, and
    /// no task is between them.
    fn synchronise_before_tails(&self, open: &mut Open<'_>, phase: u8) {
        if self.has(Contents::SPLITTABLE) {
            open.closed_while(breakpoints::wait_for_tasks);
        } else {
            self.synchronise_accesses(open, phase);
        }
        adversary::at(Point::StoodIn);
    }

    /// Steps 4 and 6: writes a part of every edit of `phase` that has a stand-in.
    fn write_part(
        &self,
        open: &Open<'_>,
        phase: u8,
        part: Part,
        direction: Direction,
    ) -> Result<(), Failure> {
        let mut writer = open.writer();

        for edit in self.edits(phase).filter(|edit| edit.way() != Way::Store) {
            let (bytes, head) = (direction.bytes(edit), edit.head_len());

            match part {
                Part::Tail => {
                    let tail = bytes >> (8 * head);
                    store(&mut writer, edit, head, edit.len() - head, tail)?;
                }
                Part::Head => store(&mut writer, edit, 0, head, bytes)?,
            }
        }
        Ok(())
    }

    /// Flushes all instruction caches, before the tails of `phase` are written or it is reverted.
    ///
    /// If an instruction that accesses memory is added or removed, it also waits until every CPU
    /// has left any trap that the old text caused. The handler of a misaligned access reads the
    /// instruction again, parcel by parcel: it could combine an old head with a new tail, or find
    /// the stand-in and then the access again.
    fn synchronise_accesses(&self, open: &Open<'_>, phase: u8) {
        if self.phase(phase).has(Contents::ACCESS) {
            open.synchronise_after_traps();
        } else {
            open.synchronise();
        }
    }

    /// Reverts the edits of `phase` whose indices are below `end`, of which only the first step was
    /// written, and all phases before, the last one first.
    fn revert(
        &self,
        open: &mut Open<'_>,
        phase: u8,
        end: usize,
        live: Live,
    ) -> Result<(), Failure> {
        self.synchronise_accesses(open, phase);
        self.write_code_twice(live, phase, || self.revert_first_steps(open, phase, end))?;

        for earlier in (0..phase).rev() {
            self.synchronise_accesses(open, earlier);
            self.write_code_twice(live, earlier, || {
                self.begin_unchecked(open, earlier, Direction::Revert)
            })?;
            self.finish(open, earlier, Direction::Revert, live)?;
        }
        Ok(())
    }

    /// Calls `write`, which writes edits of `phase`, and again if it has written code and
    /// [`Live::write_twice`] is set.
    fn write_code_twice(
        &self,
        live: Live,
        phase: u8,
        write: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        twice(
            live.write_twice && self.phase(phase).has(Contents::CODE),
            write,
        )
    }

    /// Reverts the first step of the edits of `phase` whose indices are below `end`.
    fn revert_first_steps(&self, open: &Open<'_>, phase: u8, end: usize) -> Result<(), Failure> {
        let mut writer = open.writer();

        for edit in self.edits.iter().take(end) {
            if edit.phase() != phase {
                continue;
            }
            match edit.way() {
                Way::Store => first_step(&mut writer, edit, Direction::Revert)?,
                // Only the head has been written.
                _ => store(&mut writer, edit, 0, edit.head_len(), edit.old())?,
            }
        }
        Ok(())
    }
}

/// The work of a rendezvous that writes a batch.
struct Writing<'e, 'w> {
    edits: &'e [Edit],
    mapped: Mapped<'w>,
    result: Result<(), Failure>,
}

impl Work for Writing<'_, '_> {
    /// Verifies the whole batch, writes it and closes the window, while all other CPUs wait.
    #[inline(always)]
    fn master(&mut self, exclusive: &Exclusive<'_>) {
        self.result = self.write();
        self.mapped.close_stopped(exclusive);
    }
}

impl Writing<'_, '_> {
    #[inline(always)]
    fn write(&self) -> Result<(), Failure> {
        verify(self.edits)?;
        self.mapped.prepare_here();

        let mut writer = self.mapped.writer();
        for edit in self.edits {
            store(&mut writer, edit, 0, edit.len(), edit.new_bytes())?;
        }
        Ok(())
    }
}

/// Checks that the text holds the old bytes of every edit.
#[inline(always)]
fn verify(edits: &[Edit]) -> Result<(), Failure> {
    for edit in edits {
        if !holds_old(edit) {
            return Err(Failure::mismatch(edit));
        }
    }
    Ok(())
}

#[inline(always)]
fn holds_old(edit: &Edit) -> bool {
    // SAFETY: All edits here come from a `Batch`, by whose invariant their bytes are memory of the
    // kernel that stays valid.
    unsafe { text::read(edit.addr(), edit.len()) == edit.old() }
}

#[inline(always)]
fn verify_and_begin(writer: &mut Writer<'_>, edit: &Edit) -> Result<(), Failure> {
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
    first_step(writer, edit, Direction::Apply)
}

#[inline(always)]
fn first_step(writer: &mut Writer<'_>, edit: &Edit, direction: Direction) -> Result<(), Failure> {
    match edit.way() {
        Way::Store => store(writer, edit, 0, edit.len(), direction.bytes(edit)),
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
