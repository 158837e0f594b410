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
FULL = {"tearing_live": 100_000, "tearing_rendezvous": 2_000}
SHORT = {"tearing_live": 500, "tearing_rendezvous": 200}
FEW = {"tearing_live": 200, "tearing_rendezvous": 50}
LONG = {"tearing_live": 200_000, "tearing_rendezvous": 50_000}
LONG_DEBUG = {"tearing_live": 20_000, "tearing_rendezvous": 2_000}

# Of LITMUS_MODULE, which runs where this is given. With its barriers nothing may
# be seen in this many rounds; "seconds" is how long what meets in steps may take.
LITMUS_MODULE = "rust_litmus"
LITMUS = {"rounds": 10_000_000, "steps": 300_000, "seconds": 10}
LITMUS_DEBUG = {"rounds": 1_000_000, "steps": 50_000, "seconds": 10}
LITMUS_LONG = {"rounds": 100_000_000, "steps": 10_000_000, "seconds": 600}

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
    litmus: dict = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        return Machine(smp=self.smp, aia=self.aia)

    @property
    def name(self) -> str:
        hooked = "-hooked" if self.hooked else ""
        return f"{self.flavour}{hooked}-smp{self.smp}-{self.aia}"


TEST = (
    Row("ordinary", 1, "none", SHORT),
    Row("ordinary", 2, "none", FULL, litmus=LITMUS),
    Row("ordinary", 2, "imsic", FULL),
    Row("ordinary", 4, "none", SHORT, litmus=LITMUS),
    Row("ordinary", 4, "imsic", SHORT),
    Row("ordinary", 8, "none", FEW, litmus=LITMUS),
    Row("debug", 2, "none", SHORT, SLOW, litmus=LITMUS_DEBUG),
    Row("debug", 4, "imsic", FEW, SLOW),
)

TEST_FULL = tuple(
    Row(flavour, smp, aia, numbers, HOURS, litmus=litmus if smp > 1 and aia == "none" else {})
    for flavour, numbers, litmus in (("ordinary", LONG, LITMUS_LONG),
                                     ("debug", LONG_DEBUG, LITMUS))
    for smp in (1, 2, 4, 8)
    for aia in ("none", "imsic")
)


def emulated(qemu_version: str) -> dict:
    """Parameters without which QEMU is not like a hart; see Documentation/text-patching.rst."""
    release = tuple(int(n) for n in qemu_version.split(".")[:2])
    return {"write_twice": 1, "atomic_fetch": int(release >= (10, 1))}


def select(text: str, rows: tuple) -> tuple:
    """The rows whose name has all the words of text in it."""
    return tuple(r for r in rows if all(w in r.name for w in text.split()))


BARRIERS = ("rust_riscv", "rust_riscv_bench_barrier")


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
    Bench("barrier", Machine(smp=2), BARRIERS, {"pairs": 9}),
    # Two harts that take turns do not meet.
    Bench("barrier", Machine(smp=1, icount=True), BARRIERS, {"loops": 20_000, "rounds": 0}),
)

# What a figure has to reach: its name, keys it must have, the ratio.
MINIMA = ()


def minimum(name: str, keys: dict) -> float | None:
    for wanted, having, ratio in MINIMA:
        if name == wanted and having.items() <= keys.items():
            return ratio
    return None
