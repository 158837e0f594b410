// SPDX-License-Identifier: GPL-2.0

//! The slots of the state machine, one for each hotplug state.

use core::marker::PhantomData;

use kernel::bindings::*;

use super::{
    Online,
    Prepare,
    Section,
    Starting, //
};

/// A slot of the state machine, in the section `S`.
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
/// // A slot is in one section only.
/// assert!(Slot::<Online>::new(cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE).is_some());
/// assert!(Slot::<Starting>::new(cpuhp_state_CPUHP_AP_WORKQUEUE_ONLINE).is_none());
/// // A dynamic slot cannot be requested by its number.
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
    /// Any free slot of the dynamic ones at the end of the section.
    pub const PREPARE_DYNAMIC: Self = Slot::at(cpuhp_state_CPUHP_BP_PREPARE_DYN);
}

impl Slot<Starting> {
    /// The slot where the SBI IPI is enabled: before the CPU is online, and so before any work is
    /// queued on it.
    pub const RISCV_SBI_IPI: Self = Slot::at(cpuhp_state_CPUHP_AP_IRQ_RISCV_SBI_IPI_STARTING);
}

impl Slot<Online> {
    /// Any free slot of the dynamic ones, which come after all static ones except "sched:active".
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

    /// The static slot with this number; `None` if that is in another section, or dynamic.
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

    /// The slot that the kernel allocated for a dynamic one.
    pub(super) fn allocated(self, number: cpuhp_state) -> Self {
        // INVARIANT: The kernel allocates from the dynamic slots of the section.
        Slot { number, ..self }
    }
}
