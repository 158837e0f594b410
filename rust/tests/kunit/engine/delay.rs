// SPDX-License-Identifier: GPL-2.0

//! A delay at a critical point, until the end of the test.

use kernel::prelude::*;

use riscv::adversary::{
    self,
    Point, //
};

use crate::support::{
    hold,
    Held, //
};

/// Delays CPUs at a point while it is held.
pub(crate) struct Delay(Point);

impl Delay {
    /// Delays CPUs at `point` by up to `ticks`, until the result is dropped or the test has ended.
    pub(crate) fn start(point: Point, ticks: u64) -> Result<Held<Delay>> {
        adversary::delay(point, ticks);
        hold(Delay(point))
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        adversary::delay(self.0, 0);
    }
}
