// SPDX-License-Identifier: GPL-2.0

//! Planning a batch: the order of its edits, and the strategy to write them with.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.

use crate::text::edit::{
    Contents,
    Edit,
    Way, //
};

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Strategy {
    /// Writes all edits while all harts run, then flushes the icaches once.
    Live,
    /// Like [`Strategy::Live`], one phase after the other, with an icache flush after each.
    Phased,
    /// Stops all harts; one of them writes, then releases the others.
    Rendezvous,
    /// Like [`Strategy::Live`], with breakpoints in front of instructions that are replaced
    /// together, and a wait until no task is between two of them.
    ///
    /// Stopping all harts would not suffice: a task that was preempted between two of the
    /// instructions would resume in the middle of the new code.
    Guarded,
}

/// Why a batch cannot be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPlan {
    /// Two edits touch the same byte; the second of them is at this address (`-EEXIST`).
    Overlap(usize),
    /// The requested strategy, or every strategy, is unsafe for the edit at this address
    /// (`-EOPNOTSUPP`).
    Unsafe(usize),
}

/// How edits that replace more than one instruction are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// They are refused: a task may be between two of the instructions.
    Refused,
    /// They are written with [`Strategy::Guarded`], and refused where that is not possible.
    Guarded,
    /// They are written with [`Strategy::Rendezvous`], so that a task between two of the
    /// instructions resumes in the middle of the new ones. For tests that detect this.
    Torn,
}

/// Returns how a kernel handles such edits, given whether it has our `hooks`, `CONFIG_TASKS_RCU`
/// and `CONFIG_PREEMPTION`.
///
/// Without the hooks, our breakpoints have no handler. Without `CONFIG_TASKS_RCU`,
/// `synchronize_rcu_tasks()` is `synchronize_rcu()`, which waits for every task that is between two
/// instructions only if tasks cannot be preempted there.
pub const fn pairs(hooks: bool, tasks_rcu: bool, preemption: bool) -> Pairs {
    if hooks && (tasks_rcu || !preemption) {
        Pairs::Guarded
    } else {
        Pairs::Refused
    }
}

/// Sorts the edits by address and returns the cheapest strategy that is safe for all of them, or
/// `wanted` if that is safe.
///
/// # Errors
///
/// See [`BadPlan`].
pub fn plan(
    edits: &mut [Edit],
    wanted: Option<Strategy>,
    pairs: Pairs,
) -> Result<Strategy, BadPlan> {
    edits.sort_unstable_by_key(Edit::addr);

    let overlap = edits.windows(2).find(|pair| pair[0].end() > pair[1].addr());
    if let Some(pair) = overlap {
        return Err(BadPlan::Overlap(pair[1].addr()));
    }
    strategy(edits, wanted, pairs)
}

/// The cheapest strategy that is safe for all of `edits`, which do not overlap, or `wanted` if that
/// is safe.
///
/// # Errors
///
/// [`BadPlan::Unsafe`].
pub fn strategy(
    edits: &[Edit],
    wanted: Option<Strategy>,
    pairs: Pairs,
) -> Result<Strategy, BadPlan> {
    let all = Contents::of(edits);
    let first_with = |contents| {
        let is_one = |edit: &&Edit| edit.contents().has(contents);

        all.has(contents)
            .then(|| edits.iter().find(is_one))
            .flatten()
    };
    let (needs_stop, splittable) = (first_with(Contents::STOP), first_with(Contents::SPLITTABLE));
    let later = all.has(Contents::LATER);

    if let (Some(edit), None | Some(Strategy::Rendezvous)) = (splittable, wanted) {
        match (pairs, wanted) {
            (Pairs::Torn, _) => {}
            (Pairs::Guarded, None) => return guarded(edits),
            _ => return Err(BadPlan::Unsafe(edit.addr())),
        }
    }

    match (wanted, needs_stop) {
        (Some(Strategy::Guarded), _) if pairs == Pairs::Guarded => guarded(edits),
        (Some(Strategy::Guarded), _) => Err(BadPlan::Unsafe(first_addr(edits))),
        (Some(Strategy::Rendezvous), _) | (None, Some(_)) => Ok(Strategy::Rendezvous),
        (Some(_), Some(edit)) => Err(BadPlan::Unsafe(edit.addr())),
        // `Live` does not flush between the phases.
        (Some(Strategy::Live), None) if later => Err(BadPlan::Unsafe(
            first_with(Contents::LATER).map_or(0, Edit::addr),
        )),
        (Some(strategy), None) => Ok(strategy),
        (None, None) if later => Ok(Strategy::Phased),
        (None, None) => Ok(Strategy::Live),
    }
}

/// Returns [`Strategy::Guarded`] if all edits that cannot be written live can be guarded.
fn guarded(edits: &[Edit]) -> Result<Strategy, BadPlan> {
    let last = edits.iter().map(Edit::phase).max();

    // Guarded edits must be in the last phase: an earlier one may have to be reverted, when a task
    // may already be in its new code.
    match edits
        .iter()
        .find(|edit| edit.way() == Way::Stop && (!edit.can_guard() || Some(edit.phase()) != last))
    {
        Some(edit) => Err(BadPlan::Unsafe(edit.addr())),
        None => Ok(Strategy::Guarded),
    }
}

fn first_addr(edits: &[Edit]) -> usize {
    edits.first().map_or(0, Edit::addr)
}

/// Returns the addresses of the pages that contain the edits, in the order of the edits.
///
/// Neighbours in it differ. If `edits` are sorted by address, as [`plan`] leaves them, each page
/// comes once.
pub fn pages(edits: &[Edit], page_size: usize) -> impl Iterator<Item = usize> + '_ {
    let page = move |addr: usize| addr & !(page_size - 1);
    let mut rest = edits.iter();
    let mut found = None;
    let mut next = None;

    core::iter::from_fn(move || {
        while next.is_none() {
            let edit = rest.next()?;
            let (first, last) = (page(edit.addr()), page(edit.end().saturating_sub(1)));

            if found != Some(first) {
                found = Some(first);
                next = (last != first).then_some(last);
                return found;
            }
            next = (last != first).then_some(last);
        }
        found = next.take();
        found
    })
}
