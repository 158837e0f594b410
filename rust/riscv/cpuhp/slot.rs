// SPDX-License-Identifier: GPL-2.0

//! The places of the state machine.

use core::marker::PhantomData;

use kernel::bindings::*;

use super::{
    Online,
    Prepare,
    Section,
    Starting, //
};

/// A place of the state machine in the section `S`.
///
/// # Examples
///
/// ```
/// use kernel::bindings::{
///     cpuhp_state_CPUHP_AP_ONLINE_DYN,
///     cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE, //
/// };
/// use riscv::cpuhp::{Online, Slot, Starting};
///
/// // A place is in one section only.
/// assert!(Slot::<Online>::new(cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE).is_some());
/// assert!(Slot::<Starting>::new(cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE).is_none());
/// // Those that are handed out cannot be asked for.
/// assert!(Slot::<Online>::new(cpuhp_state_CPUHP_AP_ONLINE_DYN + 1).is_none());
/// ```
///
/// # Invariants
///
/// `number` is within [`Section::RANGE`] of `S`.
pub struct Slot<S: Section> {
    number: cpuhp_state,
    _section: PhantomData<fn() -> S>,
}

impl<S: Section> Clone for Slot<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Section> Copy for Slot<S> {}

impl Slot<Prepare> {
    /// Any place that is free at the end of the section.
    pub const PREPARE_DYNAMIC: Self = Slot::at(cpuhp_state_CPUHP_BP_PREPARE_DYN);
}

impl Slot<Starting> {
    /// Where the SBI IPI is enabled: before the CPU is online, and so before anybody queues work
    /// to it.
    pub const RISCV_SBI_IPI: Self = Slot::at(cpuhp_state_CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING);
}

impl Slot<Online> {
    /// Any place that is free behind all the static ones but "sched:active".
    pub const ONLINE_DYNAMIC: Self = Slot::at(cpuhp_state_CPUHP_AP_ONLINE_DYN);
}

impl<S: Section> Slot<S> {
    const fn at(number: cpuhp_state) -> Self {
        assert!(number >= S::RANGE[0] && number <= S::RANGE[1]);
        // INVARIANT: Checked.
        Slot {
            number,
            _section: PhantomData,
        }
    }

    /// The static place with this number; `None` if that is in another section, or one of those
    /// that are handed out.
    pub const fn new(number: cpuhp_state) -> Option<Self> {
        if let Some([first, last]) = S::DYNAMIC {
            if number >= first && number <= last {
                return None;
            }
        }
        if number < S::RANGE[0] || number > S::RANGE[1] {
            return None;
        }
        Some(Slot::at(number))
    }

    /// The number of the state.
    pub const fn number(self) -> cpuhp_state {
        self.number
    }

    /// The place that the kernel chose for a dynamic one.
    pub(super) fn handed_out(self, number: cpuhp_state) -> Self {
        // INVARIANT: The kernel chooses among the dynamic ones of the section.
        Slot { number, ..self }
    }
}
