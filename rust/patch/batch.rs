// SPDX-License-Identifier: GPL-2.0

//! A batch of edits of kernel text, which is committed atomically: all of them, or none.

use kernel::{
    alloc::KVVec,
    bindings,
    prelude::*, //
};

use riscv::{
    compat::errno,
    text::{
        commit::Failure,
        edit::{
            BadEdit,
            Edit,
            Kind, //
        },
        owners::Owners, //
    }, //
};

use crate::{
    engine,
    stats,
    strategy, //
};

pub use crate::{
    engine::Report,
    options::{
        Options,
        Probed,
        Torn, //
    }, //
};

/// A batch of edits of kernel text: either all of them are made, or none.
///
/// A batch that is dropped without [`Batch::commit`] changes nothing.
///
/// # Errors
///
/// A method that fails leaves the text unchanged, and writes one line to the kernel log, which is
/// rate-limited. The errors of adding an edit, which also leave the batch unchanged:
///
/// | errno | when |
/// |---|---|
/// | `-ENODATA` | no bytes |
/// | `-EMSGSIZE` | more than 8 bytes |
/// | `-EINVAL` | old and new bytes differ in length, or the length is odd |
/// | `-EADDRNOTAVAIL` | the address is odd |
/// | `-ECHRNG` | a phase other than 0 and 1 |
/// | `-EFAULT` | not kernel text, or not all of it in the kernel image or in one module |
/// | `-EBUSY` | in a module whose init function is running, even the caller's own: retry later |
/// | `-ESHUTDOWN` | in a module that is being removed |
/// | `-ENOMEM` | no memory |
///
/// In a kernel without compressed instructions, the address and the length of code must be
/// multiples of 4; otherwise the errors are those for odd ones.
///
/// The errors of committing:
///
/// | errno | when |
/// |---|---|
/// | `-ENODATA` | no edits |
/// | `-EEXIST` | two edits overlap |
/// | `-E2BIG` | more pages than the module parameter `window_pages` |
/// | `-EILSEQ` | the text does not hold the old bytes of an edit |
/// | `-EBUSY` | a kprobe, armed or not, is on an instruction: retry when it is unregistered |
/// | `-EOPNOTSUPP` | the requested strategy, or every strategy, is unsafe for these edits |
/// | `-EFAULT` | an address is no longer kernel text |
/// | `-ENOENT` | a CPU could not be stopped |
/// | `-ENODEV` | built in: before the initcall of `rust_riscv_patch`, or if that has failed |
///
/// In a kernel without our hooks, a kprobe that is not armed is not detected. The initcall is one
/// of the device level, in link order.
///
/// # Edits that a module has to undo
///
/// The batch that undoes an edit can be refused, too: root can define a kprobe event on the
/// instruction at any time. An exit function cannot fail, so it must not be the one that undoes the
/// edit. Take a reference to the own module while the edit is in place, and drop it after it was
/// undone: until then the module cannot be removed.
///
/// # Examples
///
/// ```
/// use kernel::prelude::*;
/// use riscv::insn::Insn;
/// use riscv_patch::batch::Batch;
///
/// /// Makes a function that returns 0 return 1. Its first instruction is at `addr`.
/// ///
/// /// # Safety
/// ///
/// /// What the function returns is used as a number only.
/// unsafe fn switch_on(addr: usize) -> Result {
///     // `li a0, 0` and `li a0, 1`.
///     let old = Insn::word(0x0000_0513).ok_or(EINVAL)?;
///     let new = Insn::word(0x0010_0513).ok_or(EINVAL)?;
///     let mut batch = Batch::new();
///
///     // SAFETY: One constant replaces another one, which the caller allows.
///     unsafe { batch.instruction(addr, old, new)? };
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
    /// Creates an empty batch. Does not allocate memory.
    pub const fn new() -> Batch {
        Batch {
            edits: KVVec::new(),
            owners: Owners::new(),
        }
    }

    /// Returns the number of edits.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Returns whether the batch has no edits.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Reserves memory for `more` edits, 32 bytes each.
    ///
    /// # Errors
    ///
    /// `-ENOMEM`.
    pub fn reserve(&mut self, more: usize) -> Result {
        Ok(self.edits.reserve(more, GFP_KERNEL)?)
    }

    /// Adds an edit that replaces `old` at `addr` with `new`, in `phase`.
    ///
    /// All edits of phase 0 are visible to every CPU before the first edit of phase 1 is written.
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    ///
    /// # Safety
    ///
    /// The text after the edit, with or without the batch's other edits of the same phase, must be
    /// valid code or, for [`Kind::Literal`], data that the surrounding code can use.
    ///
    /// An edit of several instructions must not be in code that runs while RCU is not watching:
    /// `noinstr` code, cpuidle, and trap entry and exit. No code elsewhere may branch or return
    /// into its middle. Tasks that are between such instructions are not waited for.
    ///
    /// Built-in code must not edit the kernel's init text, which may be freed before the commit.
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
        let edit = Edit::new(engine::machine(), addr, old, new, phase, kind).map_err(error_of)?;

        self.edits.reserve(1, GFP_KERNEL)?;
        self.owners.pin(&edit)?;
        Ok(self.edits.push(edit, GFP_KERNEL)?)
    }

    /// Adds an edit that replaces the instruction `old` at `addr` with `new`.
    ///
    /// # Errors
    ///
    /// See [`Batch`]; `-EINVAL` if the instructions differ in length.
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

        // SAFETY: The caller guarantees what `edit` requires of the resulting text.
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

    /// Writes all edits, with the cheapest strategy that is safe for them, or none.
    ///
    /// After it has returned without an error, every CPU executes the new text.
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    ///
    /// # Context
    ///
    /// Sleeps. The caller must not hold `cpus_read_lock`. Does not allocate memory.
    pub fn commit(self) -> Result<Report> {
        self.commit_with(Options {
            strategy: strategy::chosen(),
            ..Options::default()
        })
    }

    /// Like [`Batch::commit`], with options.
    ///
    /// # Errors
    ///
    /// See [`Batch`].
    pub fn commit_with(mut self, options: Options) -> Result<Report> {
        // `owners` keeps the modules loaded until the commit has returned.
        engine::commit(&mut self.edits, &self.owners, options).map_err(|failure| {
            refused("commit", failure);
            Error::from_errno(failure.errno)
        })
    }
}

/// Counts and logs that `action` was refused with `failure`.
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
