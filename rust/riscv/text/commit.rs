// SPDX-License-Identifier: GPL-2.0

//! The protocol that writes a batch of edits: all of them, or none.
//!
//! [`PlannedBatch::write`] calls one of three functions, depending on the strategy:
//!
//! - `write_live`: writes while all harts execute the text. Its comment lists the steps.
//! - `write_guarded`: writes live, with breakpoints in front of instructions that are replaced
//!   together.
//! - `write_stopped`: writes while all other CPUs are stopped.
//!
//! Nothing here allocates memory.

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
    /// The error as a negative errno. Not an [`Error`], since creating one is a call of a function
    /// that may be traced, which is not allowed while the machine is stopped.
    pub errno: c_int,
    /// The address of the edit, or 0 if the error is not about a particular edit.
    pub addr: usize,
}

impl Failure {
    /// Creates a failure at `addr`. `number` is a positive errno, as in C.
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
    /// Creates a failure that is not about a particular edit.
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

/// Options of writing a batch live, that is, while harts execute the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveOptions {
    /// Whether each write of code is repeated if more than one CPU is online: see [`twice`].
    pub write_twice: bool,
    /// Whether text may have been written before for which only this CPU has flushed its
    /// instruction cache.
    pub local_before: bool,
    /// For tests: the index of an edit whose old bytes are assumed not to match when it is written.
    pub race_at: Option<usize>,
}

/// The result of [`PlannedBatch::write`].
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// `Ok` if all edits were written. If not, the text is unchanged.
    pub result: Result<(), Failure>,
    /// Whether some edits had been written before the failure, and were reverted.
    pub reverted: bool,
    /// How long all CPUs were stopped, in nanoseconds, if they were.
    pub stopped_ns: Option<u64>,
}

impl From<Failure> for Outcome {
    /// Creates the outcome of a batch of which nothing was written.
    fn from(failure: Failure) -> Outcome {
        Outcome {
            result: Err(failure),
            reverted: false,
            stopped_ns: None,
        }
    }
}

/// Calls `write`, which writes code that harts execute. If `wanted` is set and more than one CPU is
/// online when `write` has returned, flushes all instruction caches and calls `write` again.
///
/// This is a workaround for QEMU's multi-threaded TCG: while one vCPU thread stores, another may be
/// translating the old bytes, and may link its stale translation after the store has invalidated
/// those that existed. By the end of a flush the stale translation has been linked, so that a
/// second store invalidates it.
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

/// The second half of [`twice`], for a first write that was done by another function.
fn again<E>(wanted: bool, write: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    // Checked after the first write: a CPU that came online during it may have translated the old
    // bytes.
    if wanted && online_cpus() > 1 {
        flush::instructions_everywhere();
        write()?;
    }
    Ok(())
}

/// A batch that has been planned, and whose addresses may be written.
///
/// # Invariants
///
/// The edits do not overlap, and are sorted by address if `strategy` is [`Strategy::Guarded`];
/// `strategy` is safe for them. Throughout `'e`, the bytes at their addresses are kernel text or,
/// for [`Origin::Kernel`], any kernel memory.
pub struct PlannedBatch<'e> {
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

/// The parts of an edit that has a stand-in: the tail is written while the stand-in replaces the
/// head, then the head.
#[derive(Clone, Copy)]
enum Part {
    Tail,
    Head,
}

impl<'e> PlannedBatch<'e> {
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
    /// - Nobody else writes to the same text. (A write before an edit is verified is still
    ///   detected, and fails the batch; a write between the verification and the store is lost.)
    /// - The text is valid code in every intermediate state: after any subset of the edits of phase
    ///   0, and after all of phase 0 and any subset of phase 1.
    pub unsafe fn new(edits: &'e [Edit], origin: Origin, strategy: Strategy) -> PlannedBatch<'e> {
        let mut phases = [Contents::default(); MAX_PHASE as usize + 1];

        for edit in edits {
            if let Some(phase) = phases.get_mut(usize::from(edit.phase())) {
                *phase = phase.with(edit.contents());
            }
        }
        // INVARIANT: The caller guarantees that `strategy` was chosen for these edits, that they do
        // not overlap and are sorted where that is necessary, and that `Owners::pin` or the caller
        // itself has checked their addresses.
        PlannedBatch {
            edits,
            origin,
            strategy,
            phases,
        }
    }

    /// Returns the strategy with which the batch is written.
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Returns the number of edits.
    #[allow(clippy::len_without_is_empty, reason = "not needed")]
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Writes the batch through `window`.
    ///
    /// The old bytes of each edit are verified right before it is written. Those of a batch of
    /// [`Origin::Module`] are also verified before anything is written.
    ///
    /// # Errors
    ///
    /// Returned in [`Outcome::result`]. The text is unchanged then:
    ///
    /// - `-EILSEQ`, with the address of the edit: the text does not hold its old bytes.
    /// - `-EOPNOTSUPP`: the strategy needs `lock`, which is `None`.
    /// - `-ENOENT`: a CPU could not be stopped.
    /// - Those of [`Window::map`].
    ///
    /// # Context
    ///
    /// May sleep. The caller holds `text_mutex`, except in a kernel without our hooks. If it also
    /// holds `cpus_read_lock`, it passes `lock`.
    pub fn write(self, window: &mut Window, lock: Option<&TextLock>, live: LiveOptions) -> Outcome {
        if self.origin == Origin::Module {
            if let Err(failure) = verify(self.edits) {
                return failure.into();
            }
        }
        match (self.strategy, lock) {
            (Strategy::Live | Strategy::Phased, _) => self.write_live(window, live),
            (Strategy::Guarded, Some(lock)) => self.write_guarded(window, lock, live),
            (Strategy::Rendezvous, Some(lock)) => self.write_stopped(window, lock),
            // Both need CPU hotplug to be excluded.
            (Strategy::Guarded | Strategy::Rendezvous, None) => Failure::new(EOPNOTSUPP, 0).into(),
        }
    }

    /// Writes the batch while all harts execute the text.
    ///
    /// For phase 0, then for phase 1:
    ///
    /// 1. Before phase 1, flush all instruction caches: a hart that executes what phase 1 writes may
    ///    go on to execute or load what phase 0 wrote, or what the kernel has written before without
    ///    flushing other harts. Not if phase 0 is empty and no [`LiveOptions::local_before`].
    /// 2. For each edit, verify the old bytes and write the first step: the whole edit if it takes
    ///    a single store, else a stand-in for the head. On a mismatch, revert what was written.
    ///
    /// The head is the first 2 or 4 bytes of an edit, the tail is the rest. The stand-in, a
    /// breakpoint or a no-op, is safe to execute with the old tail and with the new one: see
    /// [`Edit::stand_in`].
    ///
    /// If the phase has stand-ins, also:
    ///
    /// 3. Flush: afterwards no hart fetches an old head. If the edits are guarded, close the
    ///    window, wait until no task is between two of the instructions of an edit, and open it
    ///    again.
    /// 4. Write the tails.
    /// 5. Flush: afterwards no hart fetches an old tail.
    /// 6. Write the heads over the stand-ins.
    ///
    /// At the end:
    ///
    /// 7. Close the window and flush: afterwards every hart fetches the new text. If an edit adds
    ///    or removes a breakpoint or a memory access, wait until every CPU has left any trap that
    ///    the old text caused.
    ///
    /// With [`LiveOptions::write_twice`], steps 2, 4 and 6 are each repeated after an additional
    /// flush.
    fn write_live(&self, window: &mut Window, live: LiveOptions) -> Outcome {
        // SAFETY: `open()` requires that the pages stay mapped as they are, and may be written,
        // until the window is closed: the type invariants guarantee it throughout `'e`. `open` is
        // closed below.
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
            if phase > 0 && (self.phase(0).has(Contents::EDIT) || live.local_before) {
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
    /// A task that was preempted between two instructions resumes at the second one, even if all
    /// CPUs were stopped in the meantime. So the stand-in of such an edit is a breakpoint, whose
    /// handler emulates all of the old instructions, and step 3 of [`PlannedBatch::write_live`]
    /// waits until no task is between them.
    fn write_guarded(&self, window: &mut Window, lock: &TextLock, live: LiveOptions) -> Outcome {
        // SAFETY: `guard()` requires that no other table is published: the caller of `new`
        // guarantees that no other guarded batch is written at the same time. The edits are sorted,
        // by the type invariants. When `write_live` returns, none of the breakpoints is left in the
        // text, and all CPUs have flushed their instruction caches since.
        unsafe { breakpoints::guard(self.edits, lock, || self.write_live(window, live)) }
    }

    /// Writes the batch while all other CPUs are stopped: the last CPU to arrive at a rendezvous
    /// verifies the old bytes and writes.
    fn write_stopped(&self, window: &mut Window, lock: &TextLock) -> Outcome {
        // SAFETY: `map()` requires that the pages stay mapped as they are, and may be written,
        // until the window is closed: the type invariants guarantee it throughout `'e`. `mapped` is
        // dropped with `writing`.
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

    /// Step 2: verifies the old bytes of each edit of `phase`, and writes its first step.
    ///
    /// # Errors
    ///
    /// Returns the index of the first edit that was not written, and why. The edits of `phase` with
    /// lower indices have been written.
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

    /// Repeats or reverts step 2: writes the first step of each edit of `phase`, without verifying
    /// the old bytes.
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

    /// Steps 3 to 6: writes the tails and heads of the edits of `phase` that have a stand-in.
    fn finish(
        &self,
        open: &mut Open<'_>,
        phase: u8,
        direction: Direction,
        live: LiveOptions,
    ) -> Result<(), Failure> {
        if !self.phase(phase).has(Contents::STAND_IN) {
            return Ok(());
        }
        // 3. No hart may execute the old head with the new tail. litmus: batch+phases
        self.synchronise_before_tails(open, phase);
        // 4.
        twice(live.write_twice, || {
            self.write_part(open, phase, Part::Tail, direction)
        })?;
        // 5. No hart may execute the new head with the old tail. litmus: batch+phases
        open.synchronise();
        // 6.
        twice(live.write_twice, || {
            self.write_part(open, phase, Part::Head, direction)
        })
    }

    /// Step 3: flushes, so that no hart fetches an old head of `phase` any more. If the edits are
    /// guarded, also waits until no task is between two of their instructions.
    fn synchronise_before_tails(&self, open: &mut Open<'_>, phase: u8) {
        if self.has(Contents::SPLITTABLE) {
            open.closed_while(breakpoints::wait_for_tasks);
        } else {
            self.synchronise_accesses(open, phase);
        }
        adversary::at(Point::StoodIn);
    }

    /// Steps 4 and 6: writes `part` of each edit of `phase` that has a stand-in.
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
    /// If an edit adds or removes a memory access, also waits until every CPU has left any trap
    /// that the old text caused. The handler of a misaligned access reads the instruction again,
    /// parcel by parcel: it could combine an old head with a new tail, or read the stand-in and
    /// then the access again.
    fn synchronise_accesses(&self, open: &Open<'_>, phase: u8) {
        if self.phase(phase).has(Contents::ACCESS) {
            open.synchronise_after_traps();
        } else {
            open.synchronise();
        }
    }

    /// Reverts the edits of `phase` whose indices are below `end`, of which only the first step was
    /// written. Then reverts all earlier phases, in descending order.
    fn revert(
        &self,
        open: &mut Open<'_>,
        phase: u8,
        end: usize,
        live: LiveOptions,
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

    /// Calls `write`, which writes edits of `phase`. Repeats it as [`twice`] does if `phase`
    /// contains code and [`LiveOptions::write_twice`] is set.
    fn write_code_twice(
        &self,
        live: LiveOptions,
        phase: u8,
        write: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        twice(
            live.write_twice && self.phase(phase).has(Contents::CODE),
            write,
        )
    }

    /// Reverts the first step of each edit of `phase` whose index is below `end`.
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

/// Checks that the text contains the old bytes of each edit.
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
    // SAFETY: `read()` requires that the bytes are readable kernel memory. The edit is from a
    // `PlannedBatch`, whose invariants guarantee it.
    unsafe { text::read(edit.addr(), edit.len()) == edit.old() }
}

#[inline(always)]
fn verify_and_begin(writer: &mut Writer<'_>, edit: &Edit) -> Result<(), Failure> {
    let alias = writer.alias(edit.addr()).ok_or(Failure::not_open(edit))?;

    if edit.way() == Way::Store {
        // SAFETY: `replace_once()` requires `len` bytes that are readable, writable and aligned. An
        // edit of `Way::Store` is 2, 4 or 8 naturally aligned bytes, and so in one page, which the
        // window maps at `alias`.
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

/// Writes the low `len` bytes of `bytes` at `offset` of `edit`: with one store if they are
/// naturally aligned, else parcel by parcel (2 bytes).
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

        // SAFETY: `store_once()` requires `len` bytes that are writable and aligned. They are
        // naturally aligned, as is all of an edit of `Way::Store`, and so in one page, which the
        // window maps at `alias`.
        unsafe { store_once(alias, len, bytes) };
        return Ok(());
    }
    for parcel in (0..len).step_by(2) {
        let alias = writer.alias(addr + parcel).ok_or(Failure::not_open(edit))?;

        // SAFETY: As above, for 2 bytes: `addr` is even, as the address and all parts of an edit
        // are.
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

    // Volatile, for the reasons given in `store_once`.
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

    // Volatile, so that each is a single store: harts may fetch these bytes at any time. Not the
    // `kernel` crate's `Atomic`, whose stores are calls of a traced function, which is not allowed
    // while the machine is stopped.
    match len {
        // SAFETY: The caller guarantees that `alias` is valid for writing `len` bytes, and aligned.
        2 => unsafe { alias.cast::<u16>().write_volatile(bytes as u16) },
        // SAFETY: As for 2 bytes.
        4 => unsafe { alias.cast::<u32>().write_volatile(bytes as u32) },
        // SAFETY: As for 2 bytes; `len` is 8, the only other length that the caller may pass.
        _ => unsafe { alias.cast::<u64>().write_volatile(bytes) },
    }
}
