// SPDX-License-Identifier: GPL-2.0

//! A batch of edits of kernel text: all of them are made, or none.

use kernel::{
    alloc::KVVec,
    bindings,
    prelude::*, //
};

use riscv::{
    batch::Failure,
    edit::{
        BadEdit,
        Edit,
        Kind, //
    },
    errno,
    plan::Strategy,
    text::Owners, //
};

use crate::{
    control,
    engine,
    stats, //
};

/// How a batch was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The strategy that was taken.
    pub strategy: Strategy,
    /// The number of edits.
    pub edits: usize,
    /// How long CPUs were stopped, in nanoseconds; 0 unless by [`Strategy::Rendezvous`].
    pub stopped_ns: u64,
}

/// What a test or a measurement asks for; users leave it at its default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// This strategy rather than the cheapest.
    pub strategy: Option<Strategy>,
    /// Pretend that somebody else wrote to the edit of this index, in the order of addresses,
    /// after the batch was verified. Only in a kernel with KUnit; ignored by a rendezvous, which
    /// leaves no such moment.
    pub race_at: Option<usize>,
    /// Stop the machine even for instructions that are replaced together, if this is asked for by
    /// [`Strategy::Rendezvous`]. Only in a kernel with KUnit.
    pub torn: Option<Torn>,
}

/// That instructions which are replaced together may be torn: a task that is between them goes on in
/// the middle of the new ones.
#[derive(Clone, Copy, Debug)]
pub struct Torn(());

impl Torn {
    /// For a test that wants to see that.
    ///
    /// # Safety
    ///
    /// What a task runs then is harmless, for every edit of the batch.
    pub const unsafe fn new() -> Torn {
        Torn(())
    }
}

/// Edits of kernel text that are made together, or not at all.
///
/// A batch that is dropped without [`Batch::commit`] changes nothing.
///
/// # Errors
///
/// Every method that fails writes one line, rate-limited, to the kernel log; the text is as it
/// was. The errors of adding an edit, which leave the batch as it was:
///
/// | errno | when |
/// |---|---|
/// | `-ENODATA` | no bytes |
/// | `-EMSGSIZE` | more than 8 bytes |
/// | `-EINVAL` | old and new bytes differ in number, or the number is odd |
/// | `-EADDRNOTAVAIL` | the address is odd |
/// | `-ECHRNG` | a phase other than 0 and 1 |
/// | `-EFAULT` | not kernel text, or not all of it in the kernel image or in one module |
/// | `-EBUSY` | in a module that is not live yet, be it the caller's own: try again once it is |
/// | `-ESHUTDOWN` | in a module that is being removed |
/// | `-ENOMEM` | no memory |
///
/// The errors of committing:
///
/// | errno | when |
/// |---|---|
/// | `-ENODATA` | no edits |
/// | `-EEXIST` | two edits overlap |
/// | `-E2BIG` | more pages than the module parameter `window_pages` |
/// | `-EILSEQ` | the old bytes of an edit are not what is there |
/// | `-EOPNOTSUPP` | the strategy that was asked for is not safe for these edits, or none is |
/// | `-EFAULT` | an address is no longer kernel text |
/// | `-ENOENT` | a CPU could not be stopped |
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use riscv::insn::Insn;
/// use riscv_patch::batch::Batch;
///
/// /// Makes the `nop` at `addr` a breakpoint.
/// fn arm(addr: usize) -> Result {
///     let mut batch = Batch::new();
///
///     // SAFETY: A breakpoint is valid code anywhere, and its handler is registered.
///     unsafe { batch.instruction(addr, Insn::NOP, Insn::EBREAK)? };
///     batch.commit()?;
///     Ok(())
/// }
/// ```
pub struct Batch {
    edits: KVVec<Edit>,
    owners: Owners,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch. Allocates nothing.
    pub const fn new() -> Batch {
        Batch {
            edits: KVVec::new(),
            owners: Owners::new(),
        }
    }

    /// The number of edits.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Whether there are no edits.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Makes room for `more` edits, 32 bytes each.
    ///
    /// # Errors
    ///
    /// `-ENOMEM`.
    pub fn reserve(&mut self, more: usize) -> Result {
        Ok(self.edits.reserve(more, GFP_KERNEL)?)
    }

    /// Adds an edit: at `addr`, where `old` is, shall be `new`, in `phase`.
    ///
    /// All edits of phase 0 are visible to every CPU before the first of phase 1 is made.
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    ///
    /// # Safety
    ///
    /// What is there after the edit, with and without the batch's other edits of the same phase,
    /// must be valid code or, for [`Kind::Literal`], data that the code around it can use.
    ///
    /// An edit of several instructions at once must not be of code that runs while RCU does not
    /// watch: `noinstr`, cpuidle and the entry from traps and the way back. Nor may code elsewhere
    /// branch or return into its middle. Who is between such instructions is not waited for.
    ///
    /// # Context
    ///
    /// May sleep.
    pub unsafe fn edit(
        &mut self,
        addr: usize,
        old: &[u8],
        new: &[u8],
        phase: u8,
        kind: Kind,
    ) -> Result {
        self.add(addr, old, new, phase, kind).inspect_err(|error| {
            refused(
                "edit",
                Failure {
                    errno: error.to_errno(),
                    addr,
                },
            )
        })
    }

    fn add(&mut self, addr: usize, old: &[u8], new: &[u8], phase: u8, kind: Kind) -> Result {
        let edit = Edit::new(addr, old, new, phase, kind).map_err(error_of)?;

        self.edits.reserve(1, GFP_KERNEL)?;
        self.owners.pin(&edit)?;
        Ok(self.edits.push(edit, GFP_KERNEL)?)
    }

    /// Adds an edit that makes the instruction `old` at `addr` the instruction `new`, which must
    /// have the same length (`-EINVAL`).
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    ///
    /// # Safety
    ///
    /// As for [`Batch::edit`].
    pub unsafe fn instruction(
        &mut self,
        addr: usize,
        old: riscv::insn::Insn,
        new: riscv::insn::Insn,
    ) -> Result {
        let (old_bytes, new_bytes) = (old.bits().to_le_bytes(), new.bits().to_le_bytes());

        // SAFETY: By the function's requirements.
        unsafe {
            self.edit(
                addr,
                &old_bytes[..old.len()],
                &new_bytes[..new.len()],
                0,
                Kind::Code,
            )
        }
    }

    /// Makes all edits, by the cheapest strategy that is safe for them, or none.
    ///
    /// When it returns, every CPU runs the new text.
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    ///
    /// # Context
    ///
    /// Sleeps. The caller holds no `cpus_read_lock`. Allocates nothing.
    pub fn commit(self) -> Result<Report> {
        self.commit_with(Options {
            strategy: control::strategy(),
            ..Options::default()
        })
    }

    /// As [`Batch::commit`], with options.
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    pub fn commit_with(mut self, options: Options) -> Result<Report> {
        // `owners` lives until the end, so that the text does.
        engine::commit(&mut self.edits, &self.owners, options).map_err(|failure| {
            refused("commit", failure);
            Error::from_errno(failure.errno)
        })
    }
}

/// Counts and logs that `action` was refused.
fn refused(action: &str, failure: Failure) {
    stats::STATS.count_error(failure.errno);
    if riscv::may_log() {
        pr_err!("{action} refused, text unchanged: {failure}\n");
    }
}

fn error_of(bad: BadEdit) -> Error {
    errno(match bad {
        BadEdit::Empty => bindings::ENODATA,
        BadEdit::TooLong => bindings::EMSGSIZE,
        BadEdit::Uneven => bindings::EINVAL,
        BadEdit::OddAddress => bindings::EADDRNOTAVAIL,
        BadEdit::NoSuchPhase => bindings::ECHRNG,
    })
}
