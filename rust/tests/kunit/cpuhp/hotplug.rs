// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_hotplug`: CPU hotplug under load.

use kernel::prelude::*;

use crate::{
    cpus::*,
    load,
    module_parameters,
    support::{
        is_alone,
        skip, //
    }, //
};

#[kunit_tests(rust_riscv_hotplug)]
mod tests {
    use super::*;

    #[test]
    fn cycles_under_load() -> Result {
        let cycles = riscv::compat::parameter::<u32>(module_parameters::hotplug_cycles.value());
        let bound = riscv::compat::parameter::<u32>(module_parameters::hotplug_bound_ms.value());

        if is_alone() {
            return skip("one hart: none can go off");
        }
        let load = load::Load::start()?;
        let mut result = Ok(());

        for _ in 0..cycles {
            result = result.and_then(|()| others().try_for_each(cycle));
        }
        let answered = all().all(answers);
        let seen = load.stop();

        for seen in &seen {
            pr_info!(
                "{}: {} done of {}, the longest in {} us\n",
                seen.name,
                seen.done,
                seen.sent,
                seen.worst_ns / 1000
            );
        }
        result?;
        assert!(answered);
        for seen in &seen {
            assert!(seen.sent > 0);
            assert_eq!(seen.done, seen.sent);
            if seen.is_answer {
                assert!(seen.worst_ns <= u64::from(bound) * 1_000_000);
            }
        }
        Ok(())
    }
}
