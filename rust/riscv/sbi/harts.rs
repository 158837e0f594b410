// SPDX-License-Identifier: GPL-2.0

//! Sets of harts, as SBI takes them.
//!
//! Plain logic, no machine: this file is also compiled and tested on the host.

/// A hart, by its number in `mhartid`, which is not that of its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HartId(pub usize);

/// A set of harts whose numbers are less than [`Harts::SPAN`] apart.
///
/// # Invariants
///
/// The lowest bit of `mask` is set: it is for `base`, the hart with the lowest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Harts {
    mask: usize,
    base: usize,
}

impl Harts {
    /// How many numbers one set spans.
    pub const SPAN: usize = usize::BITS as usize;

    /// The set of one hart.
    pub const fn one(hart: HartId) -> Harts {
        Harts {
            mask: 1,
            base: hart.0,
        }
    }

    /// The set with one hart more; `None` if its number is too far away from that of another.
    pub fn with(self, hart: HartId) -> Option<Harts> {
        let base = self.base.min(hart.0);
        let up = self.base - base;
        let bit = hart.0 - base;

        if bit >= Self::SPAN || up > self.mask.leading_zeros() as usize {
            return None;
        }
        Some(Harts {
            mask: self.mask << up | 1 << bit,
            base,
        })
    }

    /// As arguments of a call: the mask, and the hart that its lowest bit is for.
    pub fn arguments(self) -> [usize; 2] {
        [self.mask, self.base]
    }
}
