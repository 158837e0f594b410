// SPDX-License-Identifier: GPL-2.0

//! Suite `rust_riscv_sbi`: SBI calls, and a CPU's own interrupts.

use core::ffi::CStr;

use kernel::{
    prelude::*,
    sync::SetOnce, //
};

use riscv::{
    cpuhp::{
        Calls,
        Here,
        Starting,
        State, //
    },
    irq::percpu::{
        Local,
        PercpuIrq, //
    },
    sbi::{
        self,
        Extension,
        HartId,
        HartState,
        Harts, //
    }, //
};

use crate::{
    cpus::*,
    states::*,
    support::{
        is_alone,
        skip,
        BackOn, //
    }, //
};

#[kunit_tests(rust_riscv_sbi)]
mod tests {
    use super::*;

    fn harts() -> Result<Harts> {
        all().try_fold(Harts::one(hart(0)?), |harts, cpu| {
            harts.with(hart(cpu)?).ok_or(EINVAL)
        })
    }

    #[test]
    fn harts_of_online_cpus_are_started() -> Result {
        for cpu in all() {
            assert_eq!(sbi::hart_state(hart(cpu)?)?, HartState::Started);
        }
        Ok(())
    }

    #[test]
    fn harts_of_offline_cpus_are_stopped() -> Result {
        if is_alone() {
            return skip("one hart: none can go off");
        }
        for cpu in others() {
            let _back = BackOn::hold(cpu)?;

            take_down(cpu)?;
            assert_eq!(sbi::hart_state(hart(cpu)?)?, HartState::Stopped);
            bring_up(cpu)?;
            assert_eq!(sbi::hart_state(hart(cpu)?)?, HartState::Started);
        }
        Ok(())
    }

    #[test]
    fn missing_harts_return_einval() {
        let nowhere = HartId(4000);
        let harts = Harts::one(nowhere);

        assert_eq!(sbi::hart_state(nowhere), Err(EINVAL));
        // OpenSBI 1.5 checks whether the harts exist, 1.6 ignores those that do not.
        for result in [
            sbi::send_ipi(harts),
            sbi::remote_fence_i(harts),
            sbi::remote_sfence_vma(harts, 0, 4096),
        ] {
            assert!(matches!(result, Ok(()) | Err(EINVAL)));
        }
    }

    #[test]
    fn calls_for_all_harts_succeed() -> Result {
        for extension in [Extension::Ipi, Extension::Rfence, Extension::Hsm] {
            assert!(sbi::has(extension));
        }
        sbi::send_ipi(harts()?)?;
        sbi::remote_fence_i(harts()?)?;
        sbi::remote_sfence_vma(harts()?, 0, usize::MAX)?;
        assert!(all().all(answers));
        Ok(())
    }

    static SWITCHED: Seen = Seen::new();
    static TIMER: SetOnce<PercpuIrq> = SetOnce::new();

    struct Switch;

    #[vtable]
    impl State for Switch {
        type Section = Starting;

        const NAME: &'static CStr = c"rust_riscv_test:switch";

        fn up(cpu: &Starting) {
            let Some(&timer) = TIMER.as_ref() else {
                return;
            };
            let was_on = is_enabled(Local::Timer);
            timer.disable(cpu);
            let is_off = !is_enabled(Local::Timer);
            timer.enable(cpu, timer.trigger());
            timer.enable(cpu, timer.trigger());
            SWITCHED.count(
                true,
                cpu.cpu(),
                was_on && is_off && is_enabled(Local::Timer),
            );
        }
    }

    #[test]
    fn percpu_irq_is_disabled_and_enabled() -> Result {
        SWITCHED.reset();
        TIMER.populate(PercpuIrq::find(Local::Timer).ok_or(ENODEV)?);
        drop(registered::<Switch>(FREE, Calls::OnlineCpusToo)?);
        assert!(all().all(|cpu| SWITCHED.up(cpu) == 1));
        assert!(SWITCHED.all_right());
        assert_eq!(
            PercpuIrq::find(Local::Software).is_some(),
            sbi::delivers_ipis()
        );
        Ok(())
    }
}
