// SPDX-License-Identifier: GPL-2.0

//! The queue of edits by the kernel's own users.

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
    /// The index of the first edit of each run.
    starts: [usize; MAX_RUNS],
    runs: usize,
}

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
            starts: [0; MAX_RUNS],
            runs: 0,
        })
    }

    /// Adds `edit`. Does not allocate memory.
    pub(crate) fn push(&mut self, edit: Edit) -> Result<(), NoRoom> {
        let page = |addr: usize| addr / PAGE_SIZE;
        // An edit can span two pages, and the first of them can be the page of the last edit.
        let pages = self.pages + page(edit.end() - 1) - page(edit.addr())
            + usize::from(self.edits.is_empty() || page(edit.addr()) != page(self.end - 1));

        if self.edits.len() == self.capacity || pages > self.max_pages {
            return Err(NoRoom);
        }
        let new_run = self.runs == 0 || edit.addr() < self.end;
        if (new_run || self.runs > 1) && self.overlaps(&edit) {
            return Err(NoRoom);
        }
        if new_run {
            *self.starts.get_mut(self.runs).ok_or(NoRoom)? = self.edits.len();
            self.runs += 1;
        }
        self.edits.push_within_capacity(edit).map_err(|_| NoRoom)?;
        self.end = edit.end();
        self.pages = pages;
        Ok(())
    }

    /// Returns whether `edit` overlaps a queued one.
    fn overlaps(&self, edit: &Edit) -> bool {
        let mut rest = &self.edits[..];

        self.starts[..self.runs].iter().rev().any(|&start| {
            let (before, run) = rest.split_at(start);
            let next = run.partition_point(|queued| queued.end() <= edit.addr());

            rest = before;
            run.get(next)
                .is_some_and(|queued| queued.addr() < edit.end())
        })
    }

    /// Returns the edits. They are sorted by address if that is cheap, that is, if each run as a
    /// whole fits before, after or between edits that were queued earlier.
    pub(crate) fn edits(&mut self) -> &mut [Edit] {
        for run in 1..self.runs {
            let start = self.starts[run];
            let end = *self.starts[..self.runs]
                .get(run + 1)
                .unwrap_or(&self.edits.len());
            let first = self.edits[start].addr();
            let to = self.edits[..start].partition_point(|edit| edit.addr() < first);

            self.edits[to..end].rotate_right(end - start);
        }
        self.starts[0] = 0;
        self.runs = self.runs.min(1);
        &mut self.edits
    }

    /// Removes all edits.
    pub(crate) fn clear(&mut self) {
        self.edits.clear();
        self.pages = 0;
        self.end = 0;
        self.runs = 0;
    }
}
