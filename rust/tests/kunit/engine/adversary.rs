// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_adversary`: delays at critical points, which make races likely.

use kernel::prelude::*;

use riscv::{
    adversary::{
        self,
        Point, //
    },
    timebase::Ticks, //
};

use crate::{
    delay::Delay,
    flip::*, //
};
#[cfg(rust_riscv_text_hooks)]
use crate::{
    hammer::*,
    support::{
        is_alone,
        skip, //
    },
    targets::*, //
};

#[kunit_tests(rust_riscv_adversary)]
mod tests {
    use super::*;

    /// 2 ms with QEMU's clock of 10 MHz.
    const SHORT: u64 = 20_000;
    /// One second.
    const LONG: u64 = 10_000_000;

    /// Runs `f`, and returns how long it took, in ticks.
    fn ticks(f: impl FnOnce() -> Result) -> Result<u64> {
        let start = Ticks::now().as_u64();

        f()?;
        Ok(Ticks::now().as_u64() - start)
    }

    #[test]
    fn commit_is_delayed_before_and_after_its_flush() -> Result {
        for point in [Point::Stored, Point::Flushed] {
            let slow = Delay::start(point, SHORT)?;
            let taken = ticks(|| flip(&[WORD], true, None).map(|_| ()))?;

            drop(slow);
            flip(&[WORD], false, None)?;
            assert!(taken >= SHORT);
        }
        Ok(())
    }

    #[test]
    fn other_points_are_not_delayed() -> Result {
        let _slow = Delay::start(Point::Unlocked, LONG)?;
        let before = Ticks::now().as_u64();

        for _ in 0..10 {
            adversary::at(Point::Unguarded);
        }
        // 10 s if each call were delayed.
        assert!(Ticks::now().as_u64() - before < 10 * LONG);
        Ok(())
    }

    /// When a commit that removes a breakpoint returns, no CPU is in its trap any more.
    #[test]
    #[cfg(rust_riscv_text_hooks)]
    fn removing_a_breakpoint_waits_for_its_traps() -> Result {
        if is_alone() {
            return skip("one hart: nobody else can be in a trap");
        }
        let probe = Probe::register()?;

        probe.arm(true)?;
        let hammer = Hammer::start(&[Called {
            function: rust_riscv_target_probed,
            answers: [0, 0],
        }])?;
        // Longer than a commit that does not wait takes, even on a busy host.
        let slow = Delay::start(Point::Trapped, LONG / 2)?;

        while adversary::waiting(Point::Trapped) == 0 {
            core::hint::spin_loop();
        }
        let result = probe.arm(false);
        let still = adversary::waiting(Point::Trapped);

        drop(slow);
        let seen = hammer.stop();

        assert!(result.is_ok());
        assert_eq!(still, 0);
        assert_eq!(seen.wrong, 0);
        Ok(())
    }
}
