# SPDX-License-Identifier: GPL-2.0
"""Which guests are booted, and how hard each is tested: all of it is here."""

from dataclasses import dataclass, field

from rr.guest import Limits, Machine

# In the order they are loaded.
MODULES = ("rust_riscv", "rust_riscv_patch", "rust_riscv_fault")
SAMPLE = "rust_text_toggle"
KUNIT_PREFIX = "rust_riscv_kunit_"

# A module gets those of these parameters it has. The full numbers are for two
# harts, one for each CPU of a small host: with more, each flush waits for the
# host to schedule harts that do nothing but call what is patched.
FULL = {"tearing_live": 100_000, "tearing_rendezvous": 2_000}
SHORT = {"tearing_live": 500, "tearing_rendezvous": 200}
FEW = {"tearing_live": 200, "tearing_rendezvous": 50}
LONG = {"tearing_live": 200_000, "tearing_rendezvous": 50_000}
LONG_DEBUG = {"tearing_live": 20_000, "tearing_rendezvous": 2_000}

USUAL = Limits(silence=240, total=900)
SLOW = Limits(silence=600, total=1500)
HOURS = Limits(silence=3600, total=4 * 3600)


@dataclass
class Row:
    flavour: str
    smp: int
    aia: str
    parameters: dict = field(default_factory=dict)
    limits: Limits = field(default_factory=lambda: USUAL)
    hooked: bool = False

    @property
    def machine(self) -> Machine:
        return Machine(smp=self.smp, aia=self.aia)

    @property
    def name(self) -> str:
        hooked = "-hooked" if self.hooked else ""
        return f"{self.flavour}{hooked}-smp{self.smp}-{self.aia}"


class Faults(Row):
    """A guest that runs programs that fault, with C and with Rust."""

    @property
    def name(self) -> str:
        return f"faults-{super().name}"


TEST = (
    Row("ordinary", 1, "none", SHORT),
    Row("ordinary", 2, "none", FULL),
    Row("ordinary", 2, "imsic", FULL),
    Row("ordinary", 4, "none", SHORT),
    Row("ordinary", 4, "imsic", SHORT),
    Row("ordinary", 8, "none", FEW),
    Row("debug", 2, "none", SHORT, SLOW),
    Row("debug", 4, "imsic", FEW, SLOW),
)

TEST_FULL = tuple(
    Row(flavour, smp, aia, numbers, HOURS)
    for flavour, numbers in (("ordinary", LONG), ("debug", LONG_DEBUG))
    for smp in (1, 2, 4, 8)
    for aia in ("none", "imsic")
)

# How often the collectors fault, mappings change, and the module goes and comes.
FAULTS_SHORT = {"GC": 8_000, "RACE": 200, "RELOADS": 10}
FAULTS_FEW = {"GC": 2_000, "RACE": 50, "RELOADS": 3}
FAULTS_LONG = {"GC": 1_000_000, "RACE": 20_000, "RELOADS": 500}

FAULTS = (
    Faults("ordinary", 2, "none", FAULTS_SHORT, hooked=True),
    Faults("debug", 2, "imsic", FAULTS_FEW, SLOW, hooked=True),
    Faults("ordinary", 1, "none", FAULTS_FEW),
)

FAULTS_FULL = FAULTS + tuple(
    Faults(flavour, smp, "none", FAULTS_LONG, HOURS, hooked=True)
    for flavour, smp in (("ordinary", 1), ("ordinary", 4), ("ordinary", 8), ("debug", 4))
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


# Of rust_riscv_fault, which the scripts load and unload.
FAULT = ("rust_riscv", "rust_riscv_fault")

BENCH = (
    Bench("faults-counted", Machine(smp=1, icount=True), load=FAULT),
    Bench("faults", Machine(smp=2, icount=True), load=FAULT, pairs=7),
)

# What a figure has to reach: its name, keys it must have, the ratio.
MINIMA = (
    ("bad-access-counted", {}, 0.98),
    ("minor-fault-counted", {}, 0.98),
    ("zero-page-fault-counted", {}, 0.98),
    ("bad-access", {"against": "c"}, 0.98),
    ("bad-access", {"against": "mmap_lock", "writer": "yes"}, 1.2),
    ("minor-fault", {}, 0.98),
)


def minimum(name: str, keys: dict) -> float | None:
    for wanted, having, ratio in MINIMA:
        if name == wanted and having.items() <= keys.items():
            return ratio
    return None
