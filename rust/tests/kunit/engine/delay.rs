// SPDX-License-Identifier: GPL-2.0

//! A delay at a critical point, which ends with the test.

use kernel::prelude::*;

use riscv::adversary::{
    self,
    Point, //
};

use crate::support::{
    hold,
    Held, //
};

/// While it is held, CPUs are delayed at the point.
pub(crate) struct Delay(Point);

impl Delay {
    /// Delays CPUs at `point` by up to `ticks`, at the longest until the test has ended.
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
