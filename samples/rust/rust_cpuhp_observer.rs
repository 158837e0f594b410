// SPDX-License-Identifier: GPL-2.0

//! Prints the order in which states run when a CPU comes online and goes off, one of each section:
//! `echo 0 > /sys/devices/system/cpu/cpu1/online`, `echo 1 > ...`, then `dmesg`.

use kernel::{bindings::cpuhp_state_CPUHP_AP_ARM_XEN_STARTING, cpu::CpuId, prelude::*};
use riscv::cpuhp::{Registration as Held, *};

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
            fn up(cpu: &$section) -> <$section as Section>::Outcome {
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

struct RustCpuhpObserver(#[expect(dead_code)] (Held<First>, Held<Second>, Held<Third>));

impl kernel::Module for RustCpuhpObserver {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // The starting section has static places only; on RISC-V nobody else has this one.
        let free = Slot::new(cpuhp_state_CPUHP_AP_ARM_XEN_STARTING).ok_or(EINVAL)?;
        // SAFETY: Dropped with the module's data, before its text goes, as a failed `init` does.
        unsafe {
            Ok(RustCpuhpObserver((
                Held::new(Slot::PREPARE_DYNAMIC, Calls::HotplugOnly)?,
                Held::new(free, Calls::HotplugOnly)?,
                Held::new(Slot::ONLINE_DYNAMIC, Calls::HotplugOnly)?,
            )))
        }
    }
}
