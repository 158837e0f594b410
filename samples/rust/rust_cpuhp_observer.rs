// SPDX-License-Identifier: GPL-2.0

//! Sample: three CPU hotplug states, one in each section, whose callbacks log when they run.
//!
//! Take a CPU offline and online, and read the order of the callbacks in the log:
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
    description: "Logs the order of CPU hotplug callbacks",
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
        // The starting section has no dynamic slots. This static one is not used on RISC-V.
        let free = Slot::new(cpuhp_state_CPUHP_AP_ARM_XEN_STARTING).ok_or(EINVAL)?;
        // SAFETY: `new()` requires that the registration is dropped before the module is unloaded:
        // the module's data contains it, and `init` drops it if a later step fails.
        unsafe {
            Ok(RustCpuhpObserver((
                Registration::new(Slot::PREPARE_DYNAMIC, Calls::HotplugOnly)?,
                Registration::new(free, Calls::HotplugOnly)?,
                Registration::new(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
            )))
        }
    }
}
