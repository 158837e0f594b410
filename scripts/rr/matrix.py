# SPDX-License-Identifier: GPL-2.0
"""Which guests are booted, and how hard each is tested: all of it is here."""

from dataclasses import dataclass, field

from rr.guest import Limits, Machine

# In the order they are loaded.
MODULES = ("rust_riscv", "rust_riscv_patch")
SAMPLE = "rust_text_toggle"
KUNIT_PREFIX = "rust_riscv_kunit_"

# A module gets those of these parameters it has. The full numbers are for two
# harts, one for each CPU of a small host: with more, each flush waits for the
# host to schedule harts that do nothing but call what is patched.
FULL = {"tearing_live": 100_000, "tearing_rendezvous": 2_000, "hotplug_cycles": 10}
SHORT = {"tearing_live": 500, "tearing_rendezvous": 200, "hotplug_cycles": 3}
FEW = {"tearing_live": 200, "tearing_rendezvous": 50, "hotplug_cycles": 1,
       "hotplug_bound_ms": 15_000}
LONG = {"tearing_live": 200_000, "tearing_rendezvous": 50_000, "hotplug_cycles": 20}
LONG_DEBUG = {"tearing_live": 20_000, "tearing_rendezvous": 2_000, "hotplug_cycles": 5}
CYCLES = {"hotplug_cycles": 1_000, "hotplug_bound_ms": 15_000}

USUAL = Limits(silence=240, total=900)
SLOW = Limits(silence=600, total=1500)
HOURS = Limits(silence=3600, total=4 * 3600)


# Carried by guests of hotplug.sh, which loads them itself.
HOTPLUG = ("rust_riscv_sbi_ipi", "rust_riscv_cpuhp_meter", "rust_cpuhp_observer")

# No test is too long, and insmod may wait for hours.
PATIENT = "kunit.timeout=14400 sysctl.kernel.hung_task_timeout_secs=14400"


@dataclass
class Row:
    flavour: str
    smp: int
    aia: str
    parameters: dict = field(default_factory=dict)
    limits: Limits = field(default_factory=lambda: USUAL)
    hooked: bool = False
    # scripts/guest/SCRIPT.sh
    script: str = "test"

    @property
    def machine(self) -> Machine:
        append = PATIENT if self.limits is HOURS else ""
        return Machine(smp=self.smp, aia=self.aia, append=append)

    @property
    def name(self) -> str:
        hooked = "-hooked" if self.hooked else ""
        script = f"-{self.script}" if self.script != "test" else ""
        return f"{self.flavour}{hooked}{script}-smp{self.smp}-{self.aia}"


TEST = (
    Row("ordinary", 1, "none", SHORT),
    Row("ordinary", 2, "none", FULL),
    Row("ordinary", 2, "imsic", FULL),
    Row("ordinary", 4, "none", SHORT),
    Row("ordinary", 4, "imsic", SHORT),
    Row("ordinary", 8, "none", FEW),
    Row("debug", 2, "none", SHORT, SLOW),
    Row("debug", 4, "imsic", FEW, SLOW),
    Row("ordinary", 4, "none", SHORT, script="hotplug", hooked=True),
    Row("ordinary", 2, "imsic", script="hotplug"),
    Row("debug", 4, "none", FEW, SLOW, script="hotplug"),
)

TEST_FULL = tuple(
    Row(flavour, smp, aia, numbers, HOURS)
    for flavour, numbers in (("ordinary", LONG), ("debug", LONG_DEBUG))
    for smp in (1, 2, 4, 8)
    for aia in ("none", "imsic")
) + tuple(
    Row(flavour, smp, "none", CYCLES, HOURS, script="hotplug", hooked=True)
    for flavour in ("ordinary", "debug")
    for smp in (2, 4, 8)
)


def emulated(qemu_version: str) -> dict:
    """Parameters without which QEMU is not like a hart; see Documentation/text-patching.rst."""
    release = tuple(int(n) for n in qemu_version.split(".")[:2])
    return {"write_twice": 1, "atomic_fetch": int(release >= (10, 1))}


def select(text: str, rows: tuple) -> tuple:
    """The rows whose name has all the words of text in it."""
    return tuple(r for r in rows if all(w in r.name for w in text.split()))


@dataclass
class Bench:
    """A guest of "make bench": scripts/guest/bench/NAME.sh on a machine."""

    name: str
    machine: Machine
    load: tuple = MODULES
    parameters: dict = field(default_factory=dict)
    hooked: bool = True
    pairs: int = 5
    limits: Limits = field(default_factory=lambda: USUAL)

    @property
    def label(self) -> str:
        m = self.machine
        return f"{self.name}-smp{m.smp}-{m.ipi}" + ("-icount" if m.icount else "")


BENCH = (
    Bench("hotplug", Machine(smp=2, icount=True),
          load=("rust_riscv", "rust_riscv_cpuhp_meter", "rust_riscv_sbi_ipi"), pairs=9),
)

# What a figure has to reach: its name, keys it must have, the ratio.
MINIMA = (
    ("hotplug-cycle", {}, 0.98),
    ("first-ipi", {"against": "c"}, 0.98),
    ("first-ipi", {"against": "late"}, 10),
)


def minimum(name: str, keys: dict) -> float | None:
    for wanted, having, ratio in MINIMA:
        if name == wanted and having.items() <= keys.items():
            return ratio
    return None
