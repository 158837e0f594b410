// SPDX-License-Identifier: GPL-2.0

//! Sets of harts, as arguments of SBI calls.
//!
//! Plain logic without hardware access: this file is also compiled and tested on the host.

/// A hart ID: the value of `mhartid`, which differs from the number of the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HartId(pub usize);

/// A set of harts whose IDs are less than [`Harts::SPAN`] apart.
///
/// # Invariants
///
/// The lowest bit of `mask` is set: it stands for `base`, the lowest ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Harts {
    mask: usize,
    base: usize,
}

impl Harts {
    /// The number of IDs that a set can span.
    pub const SPAN: usize = usize::BITS as usize;

    /// Returns the set of one hart.
    ///
    /// # Examples
    ///
    /// ```
    /// use riscv::sbi::{HartId, Harts};
    ///
    /// let harts = Harts::one(HartId(5)).with(HartId(4)).ok_or(EINVAL)?;
    /// assert_eq!(harts.arguments(), [0b11, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    pub const fn one(hart: HartId) -> Harts {
        Harts {
            mask: 1,
            base: hart.0,
        }
    }

    /// Returns the set with `hart` added; `None` if its ID is too far from that of another hart.
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

    /// Returns the arguments of an SBI call: the mask, and the ID that its lowest bit stands for.
    pub fn arguments(self) -> [usize; 2] {
        [self.mask, self.base]
    }
}
