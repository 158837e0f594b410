// SPDX-License-Identifier: GPL-2.0

//! The queue of edits by the kernel's own users.

use core::mem::{
    size_of,
    MaybeUninit, //
};

use kernel::{
    alloc::KVVec,
    prelude::*, //
};

use riscv::{
    mm::pgtable::PAGE_SIZE,
    text::edit::Edit, //
};

/// A queue of edits that do not overlap. Its memory is allocated when it is created.
///
/// ftrace and jump labels queue their sites in ascending order, except for those of modules, so the
/// queue consists of a few runs of ascending edits.
pub(crate) struct Queue {
    edits: KVVec<Edit>,
    capacity: usize,
    /// An upper bound for the number of pages that contain the edits; at most `max_pages`.
    pages: usize,
    max_pages: usize,
    /// The end address of the last edit.
    end: usize,
    /// The number of its last page, or [`NO_PAGE`].
    page: usize,
    /// The index of the first edit of each run.
    starts: [usize; MAX_RUNS],
    runs: usize,
}

/// The number of no page.
const NO_PAGE: usize = usize::MAX;

/// The maximum number of runs. For each new edit, all runs except its own are searched for
/// overlaps.
const MAX_RUNS: usize = 32;

/// The error of [`Queue::push`]: the queue must be emptied before the edit can be added.
pub(crate) struct NoRoom;

impl Queue {
    /// Creates an empty queue for `capacity` edits, 32 bytes each, in up to `max_pages` pages.
    ///
    /// # Errors
    ///
    /// `-ENOMEM`.
    pub(crate) fn new(capacity: usize, max_pages: usize) -> Result<Queue> {
        Ok(Queue {
            edits: KVVec::with_capacity(capacity, GFP_KERNEL)?,
            capacity,
            pages: 0,
            max_pages,
            end: 0,
            page: NO_PAGE,
            starts: [0; MAX_RUNS],
            runs: 0,
        })
    }

    /// Brings the memory for `count` more edits into the cache.
    ///
    /// As with texts, the misses of loads that follow each other overlap. Those of the stores that
    /// fill the queue would not.
    #[inline(always)]
    pub(crate) fn touch(&mut self, count: usize) {
        const CACHE_LINE: usize = 64;
        const EDITS: usize = CACHE_LINE / size_of::<Edit>();

        for edit in self
            .edits
            .spare_capacity_mut()
            .iter()
            .take(count)
            .step_by(EDITS)
        {
            let byte = core::ptr::from_ref(edit).cast::<MaybeUninit<u8>>();

            // SAFETY: The first byte of the memory of an edit. Volatile, since it is not used.
            unsafe { byte.read_volatile() };
        }
    }

    /// Adds `edit`. Does not allocate memory.
    #[inline(always)]
    pub(crate) fn push(&mut self, edit: Edit) -> Result<(), NoRoom> {
        let page = |addr: usize| addr / PAGE_SIZE;
        let (first, last) = (page(edit.addr()), page(edit.end() - 1));
        // An edit can span two pages, and the first of them can be the page of the last edit.
        let pages = self.pages + last - first + usize::from(first != self.page);

        if self.edits.len() == self.capacity || pages > self.max_pages {
            return Err(NoRoom);
        }
        if self.runs != 1 || edit.addr() < self.end {
            self.check_runs(&edit)?;
        }
        self.edits.push_within_capacity(edit).map_err(|_| NoRoom)?;
        self.end = edit.end();
        self.page = last;
        self.pages = pages;
        Ok(())
    }

    /// Begins a new run if `edit` is not behind the last one, after checking that it overlaps none.
    #[inline(never)]
    fn check_runs(&mut self, edit: &Edit) -> Result<(), NoRoom> {
        if self.overlaps(edit) {
            return Err(NoRoom);
        }
        if self.runs == 0 || edit.addr() < self.end {
            *self.starts.get_mut(self.runs).ok_or(NoRoom)? = self.edits.len();
            self.runs += 1;
        }
        Ok(())
    }

    /// Returns whether `edit` overlaps a queued one.
    fn overlaps(&self, edit: &Edit) -> bool {
        let mut rest = &self.edits[..];

        self.starts[..self.runs].iter().rev().any(|&start| {
            let (before, run) = rest.split_at(start);

            rest = before;
            // Most runs are those of a module, or of the kernel image.
            let is_beside = run.first().zip(run.last()).is_none_or(|(first, last)| {
                edit.end() <= first.addr() || last.end() <= edit.addr()
            });

            !is_beside && {
                let next = run.partition_point(|queued| queued.end() <= edit.addr());

                run.get(next)
                    .is_some_and(|queued| queued.addr() < edit.end())
            }
        })
    }

    /// Returns the edits, in the order in which they were added.
    pub(crate) fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Removes all edits.
    pub(crate) fn clear(&mut self) {
        self.edits.clear();
        self.pages = 0;
        self.end = 0;
        self.page = NO_PAGE;
        self.runs = 0;
    }
}
