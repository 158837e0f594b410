// SPDX-License-Identifier: GPL-2.0

//! A hotplug state in each section that logs when it runs as a CPU goes offline and comes online:
//! `echo 0 > /sys/devices/system/cpu/cpu1/online`, `echo 1 > ...`, then `dmesg`.

use kernel::{
    bindings::cpuhp_state_CPUHP_AP_ARM_XEN_STARTING,
    cpu::CpuId,
    prelude::*, //
};

use riscv::cpuhp::{
    Calls,
    Here,
    Online,
    Prepare,
    Registration,
    Section,
    Slot,
    Starting,
    State, //
};

module! {
    type: RustCpuhpObserver,
    name: "rust_cpuhp_observer",
    authors: ["rust-riscv contributors"],
    description: "Prints the order of CPU hotplug states",
    license: "GPL",
}

macro_rules! observer {
    ($name:ident, $section:ident, $cstr:literal, $result:expr) => {
        struct $name;

        #[vtable]
        impl State for $name {
            type Section = $section;
            const NAME: &'static CStr = $cstr;
            fn up(cpu: &$section) -> <$section as Section>::Return {
                print("up", stringify!($name), cpu.cpu().as_u32());
                $result
            }
            fn down(cpu: &$section) {
                print("down", stringify!($name), cpu.cpu().as_u32());
            }
        }
    };
}

fn print(way: &str, name: &str, cpu: u32) {
    let here = CpuId::current().as_u32();
    pr_info!("cpu {cpu}: {way} {name}, on CPU {here}\n");
}

observer!(First, Prepare, c"observer:prepare", Ok(()));
observer!(Second, Starting, c"observer:starting", ());
observer!(Third, Online, c"observer:online", Ok(()));

struct RustCpuhpObserver(
    #[expect(dead_code)]
    (
        Registration<First>,
        Registration<Second>,
        Registration<Third>,
    ),
);

impl kernel::Module for RustCpuhpObserver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // The starting section has static slots only; this one is not used on RISC-V.
        let free = Slot::new(cpuhp_state_CPUHP_AP_ARM_XEN_STARTING).ok_or(EINVAL)?;
        // SAFETY: Dropped with the module's data, or when `init` fails, before its text is freed.
        unsafe {
            Ok(RustCpuhpObserver((
                Registration::new(Slot::PREPARE_DYNAMIC, Calls::HotplugOnly)?,
                Registration::new(free, Calls::HotplugOnly)?,
                Registration::new(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
            )))
        }
    }
}
