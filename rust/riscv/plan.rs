// SPDX-License-Identifier: GPL-2.0

//! From the edits of a batch to the order and the strategy in which they are written.
//!
//! Plain logic, no machine: this file is also compiled and tested on the host.

use super::edit::{
    Edit,
    Way, //
};

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Strategy {
    /// Every edit written while all harts run, then one icache flush.
    Live,
    /// As [`Strategy::Live`], phase after phase, with an icache flush after each.
    Phased,
    /// Every other hart stopped, one writes.
    Rendezvous,
    /// As [`Strategy::Live`] behind a breakpoint, once no task is between two instructions that
    /// are both replaced.
    ///
    /// Stopping the machine is no help to a task that was preempted there: it would go on in the
    /// middle of the new code.
    Guarded,
}

/// Why a batch cannot be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPlan {
    /// Two edits touch the same byte, the second of them at this address (`-EEXIST`).
    Overlap(usize),
    /// The strategy that was asked for is not safe for the edit at this address (`-EOPNOTSUPP`).
    Unsafe(usize),
}

/// What becomes of edits that replace more than one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// They are refused: a task can be between two of the instructions.
    Refused,
    /// [`Strategy::Guarded`], or they are refused.
    Guarded,
    /// [`Strategy::Rendezvous`], under which a task that is between them goes on in the middle of
    /// the new ones. For tests that see that.
    Torn,
}

/// What can become of such edits in a kernel with or without our `hooks`, `CONFIG_TASKS_RCU` and
/// `CONFIG_PREEMPTION`.
///
/// Without the first, nobody hears of our breakpoints. Without the second,
/// `synchronize_rcu_tasks()` is `synchronize_rcu()`, and only where no task is preempted does that
/// wait for all that are between two instructions.
pub const fn pairs(hooks: bool, tasks_rcu: bool, preemption: bool) -> Pairs {
    if hooks && (tasks_rcu || !preemption) {
        Pairs::Guarded
    } else {
        Pairs::Refused
    }
}

/// Puts the edits in the order of their addresses and finds the cheapest strategy that is safe for
/// all of them, or checks that `wanted` is.
///
/// # Errors
///
/// See [`BadPlan`].
pub fn plan(
    edits: &mut [Edit],
    wanted: Option<Strategy>,
    pairs: Pairs,
) -> Result<Strategy, BadPlan> {
    let overlap = |edits: &[Edit]| {
        let pair = edits
            .windows(2)
            .find(|pair| pair[0].end() > pair[1].addr())?;
        Some(pair[1].addr())
    };

    // Those that the kernel queues are in order.
    if overlap(edits).is_some() {
        edits.sort_unstable_by_key(Edit::addr);
        if let Some(addr) = overlap(edits) {
            return Err(BadPlan::Overlap(addr));
        }
    }

    let (mut needs_stop, mut splittable, mut phases) = (None, None, false);
    for edit in edits.iter() {
        phases |= edit.phase() > 0;
        if splittable.is_none() && edit.is_splittable() {
            splittable = Some(edit);
        }
        if edit.way() == Way::Stop && needs_stop.is_none() {
            needs_stop = Some(edit);
        }
    }

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
        // Leaving out the flush between two phases is what may not be asked for.
        (Some(Strategy::Live), None) if phases => Err(BadPlan::Unsafe(
            edits
                .iter()
                .find(|edit| edit.phase() > 0)
                .map_or(0, Edit::addr),
        )),
        (Some(strategy), None) => Ok(strategy),
        (None, None) if phases => Ok(Strategy::Phased),
        (None, None) => Ok(Strategy::Live),
    }
}

/// Whether all that is not written live can be guarded.
fn guarded(edits: &[Edit]) -> Result<Strategy, BadPlan> {
    let last = edits.iter().map(Edit::phase).max();

    // What is written early may have to be taken back, when a task can be in the new code.
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

/// The pages that the edits touch, each once, ascending.
///
/// `edits` must be in the order of their addresses, as [`plan`] leaves them.
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
