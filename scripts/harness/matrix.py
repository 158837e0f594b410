# SPDX-License-Identifier: GPL-2.0
"""The list of all guests that are booted, and the parameters of their tests."""

import os
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from harness.figures import Wanted
from harness.guest import Limits, Machine

# In the order in which they are loaded.
MODULES = ("rust_riscv", "rust_riscv_patch", "rust_riscv_fault")
SAMPLE = "rust_text_toggle"
KUNIT_PREFIX = "rust_riscv_kunit_"

# Each module is passed the parameters that it has. The full numbers are for two harts, one
# for each CPU of a small host: with more, each flush waits until the host schedules harts
# that only call the patched function.
FULL = {"tearing_live": 100_000, "tearing_rendezvous": 2_000, "count_rounds": 20,
        "hotplug_cycles": 10}
SHORT = {"tearing_live": 500, "tearing_rendezvous": 200, "count_rounds": 8, "hotplug_cycles": 3}
FEW = {"tearing_live": 200, "tearing_rendezvous": 50, "count_rounds": 4, "hotplug_cycles": 1,
       "hotplug_bound_ms": 15_000}
# For Spike, where a hart is slow, and the harts run in turns.
FEWEST = {"tearing_live": 100, "tearing_rendezvous": 10, "count_rounds": 1, "hotplug_cycles": 1,
          "hotplug_bound_ms": 15_000}
# Whatever QEMU is: only with harts that fetch an instruction at once can a pair be guarded without
# compressed instructions.
ATOMIC_FETCH = {"atomic_fetch": 1}
LONG = {"tearing_live": 200_000, "tearing_rendezvous": 50_000, "count_rounds": 200,
        "hotplug_cycles": 20}
LONG_DEBUG = {"tearing_live": 20_000, "tearing_rendezvous": 2_000, "count_rounds": 50,
              "hotplug_cycles": 5}
CYCLES = {"hotplug_cycles": 1_000, "hotplug_bound_ms": 15_000}

# Parameters of LITMUS_MODULE, which runs in guests that have these. With the barriers no
# forbidden outcome may be seen in this many rounds; "seconds" limits tests with steps.
LITMUS_MODULE = "rust_litmus"
LITMUS = {"rounds": 10_000_000, "steps": 300_000, "seconds": 10}
LITMUS_DEBUG = {"rounds": 1_000_000, "steps": 50_000, "seconds": 10}
LITMUS_LONG = {"rounds": 100_000_000, "steps": 10_000_000, "seconds": 600}

USUAL = Limits(silence=240, total=900)
# A hundred thousand commits without output take minutes on a busy host.
SLOW = Limits(silence=600, total=1500)
SELFTEST = Limits(silence=600, total=2400)
HOURS = Limits(silence=3600, total=4 * 3600)


# Modules in guests of hotplug.sh, which loads them itself.
HOTPLUG = ("rust_riscv_sbi_ipi", "rust_riscv_cpuhp_meter", "rust_cpuhp_observer")

# A KUnit timeout that is longer than any test.
PATIENT = "kunit.timeout=14400"


# Parameters of rust_riscv for delays at points between two steps whose order matters: see
# rust/riscv/adversary.rs.
ADVERSARY = {"adversary_us": 1_000}


@dataclass
class Row:
    """A guest of "make test"."""

    flavour: str
    smp: int
    aia: str
    parameters: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=lambda: USUAL)
    hooked: bool = False
    litmus: dict[str, int] = field(default_factory=dict)
    # scripts/guest/SCRIPT.sh
    script: str = "test"
    # Whether to add random delays at critical points.
    adversary: bool = False
    # The KUnit modules; all, if there are none.
    suites: tuple[str, ...] = ()

    def delays(self, seed: int) -> dict[str, int]:
        """The parameters for the delays, if this guest has them."""
        return {**ADVERSARY, "adversary_seed": seed} if self.adversary else {}

    @property
    def machine(self) -> Machine:
        append = PATIENT if self.limits is HOURS else ""
        return Machine(smp=self.smp, aia=self.aia, append=append)

    @property
    def name(self) -> str:
        hooked = "-hooked" if self.hooked else ""
        script = f"-{self.script}" if self.script != "test" else ""
        delays = "-adversary" if self.adversary else ""
        return f"{self.flavour}{hooked}{script}{delays}-smp{self.smp}-{self.aia}"

    @property
    def title(self) -> str:
        script = f", {self.script}" if self.script != "test" else ""
        delays = ", adversary" if self.adversary else ""
        hooked = " hooked" if self.hooked else ""
        return f"{self.flavour}{hooked} kernel, {self.machine}{script}{delays}"


class Spike(Row):
    """A guest of "make test" in Spike, which keeps decoded instructions until they are flushed."""

    @property
    def machine(self) -> Machine:
        return replace(super().machine, spike=True, append=f"kunit.filter_glob={SPIKE_SUITES}")

    @property
    def name(self) -> str:
        return f"spike-{super().name}"


class Selftests(Row):
    """A guest that runs the kernel's own tests with C and with Rust."""

    @property
    def name(self) -> str:
        return f"selftests-{super().name}"


class Stress(Row):
    """A guest that runs everything that patches text at the same time."""

    @property
    def name(self) -> str:
        return f"stress-{super().name}"


class Ledger(Row):
    """A guest in which QEMU counts what operations cost, with C and with Rust."""

    @property
    def name(self) -> str:
        return f"ledger-{super().name}"


class Faults(Row):
    """A guest that runs programs that fault with C and with Rust."""

    @property
    def name(self) -> str:
        return f"faults-{super().name}"


class Fetch(Row):
    """A guest that runs the litmus tests of instruction fetch."""

    @property
    def name(self) -> str:
        return f"fetch-{super().name}"

    @property
    def machine(self) -> Machine:
        return replace(super().machine, append="kunit.enable=0")

    @property
    def must_be_seen(self) -> set[str]:
        """The tests, with their flushes, whose outcome must be seen."""
        return set()

    @property
    def deviates(self) -> set[str]:
        """The tests, with their flushes, whose forbidden outcome this simulator has."""
        return QEMU_DEVIATES


class FetchSpike(Fetch):
    """The same in Spike, which shows what is allowed without a flush."""

    @property
    def name(self) -> str:
        return f"spike-{super().name}"

    @property
    def machine(self) -> Machine:
        return replace(super().machine, spike=True)

    @property
    def must_be_seen(self) -> set[str]:
        return SPIKE_SEEN

    @property
    def deviates(self) -> set[str]:
        return set()


TEST = (
    # The unmodified kernel. One of the two rows with the full numbers commits less.
    Row("ordinary", 2, "none", {**FULL, "tearing_live": 20_000}, SLOW, litmus=LITMUS),
    Row("ordinary", 4, "imsic", SHORT),
    Row("debug", 2, "none", SHORT, SLOW, litmus=LITMUS_DEBUG),
    # With our hooks.
    Row("ordinary", 1, "none", SHORT, hooked=True),
    Row("ordinary", 2, "imsic", FULL, SLOW, hooked=True),
    Row("ordinary", 4, "none", SHORT, hooked=True, litmus=LITMUS),
    Row("ordinary", 8, "none", FEW, hooked=True, litmus=LITMUS),
    Row("debug", 2, "none", FEW, SLOW, hooked=True),
    Row("debug", 4, "imsic", FEW, SLOW, hooked=True),
    Row("ordinary", 2, "none", FEW, SLOW, hooked=True, adversary=True),
    # CPU hotplug.
    Row("ordinary", 4, "none", SHORT, script="hotplug", hooked=True),
    Row("ordinary", 2, "imsic", script="hotplug"),
    Row("debug", 4, "none", FEW, SLOW, script="hotplug"),
)

TEST_FULL = tuple(
    Row(flavour, smp, aia, numbers, HOURS, hooked,
        litmus=litmus if smp > 1 and aia == "none" else {})
    for hooked in (False, True)
    for flavour, numbers, litmus in (("ordinary", LONG, LITMUS_LONG),
                                     ("debug", LONG_DEBUG, LITMUS))
    for smp in (1, 2, 4, 8)
    for aia in ("none", "imsic")
) + tuple(
    Row(flavour, smp, "none", CYCLES, HOURS, script="hotplug", hooked=True)
    for flavour in ("ordinary", "debug")
    for smp in (2, 4, 8)
) + (
    # Kernels that others have.
    Row("rt", 4, "none", LONG_DEBUG, HOURS, hooked=True),
    Row("rt", 2, "imsic", LONG_DEBUG, HOURS, hooked=True),
    # QEMU before 10.1 fetches an instruction in two halves, which one hart does not notice.
    Row("no-c", 1, "none", {**SHORT, **ATOMIC_FETCH}, HOURS, hooked=True),
    Row("no-c", 2, "none", SHORT, HOURS, hooked=True),
    Row("distribution", 4, "none", SHORT, HOURS, hooked=True, litmus=LITMUS),
    Row("no-jump-label", 2, "none", SHORT, HOURS, hooked=True),
    Row("up", 1, "none", SHORT, HOURS, hooked=True),
)

# In Spike: the suites that patch text, without those that mostly wait (adversary, guard,
# kprobes, rendezvous), since waiting is simulated as slowly as work.
SPIKE_KUNIT = tuple(KUNIT_PREFIX + name for name in ("engine", "counts"))
SPIKE_SUITES = "rust_riscv_[!agr][!p]*"

SPIKE = tuple(Spike("ordinary", smp, "none", FEWEST, SLOW, hooked=True, suites=SPIKE_KUNIT)
              for smp in (2, 4))

SELFTESTS = (Selftests("ordinary", 2, "none", limits=SELFTEST, hooked=True),)

# The tests of ftracetest: all; and for "make test", those that patch the most text.
FTRACETEST = ("test.d",)
FTRACETEST_SHORT = (
    "test.d/kprobe", "test.d/dynevent", "test.d/direct",
    *(f"test.d/ftrace/{name}.tc" for name in (
        "fgraph-filter", "func-filter-stacktrace", "func_hotplug", "func_mod_trace",
        "func_profiler", "func_traceonoff_triggers")),
)

SELFTESTS_FULL = SELFTESTS + tuple(
    Selftests(flavour, smp, aia, limits=HOURS, hooked=True)
    for flavour, smp, aia in (("ordinary", 1, "none"), ("ordinary", 4, "imsic"),
                              ("ordinary", 8, "none"), ("debug", 4, "imsic"))
)

STRESS = (
    Stress("ordinary", 4, "imsic", hooked=True),
    Stress("debug", 2, "none", limits=SLOW, hooked=True, adversary=True),
)
# The seconds that each of them runs in "make test".
STRESS_SECONDS = 60

STRESS_FULL = (
    *STRESS,
    Stress("ordinary", 2, "none", hooked=True),
    Stress("debug", 4, "imsic", limits=SLOW, hooked=True, adversary=True),
    Stress("ordinary", 8, "none", hooked=True, adversary=True),
    Stress("debug", 8, "imsic", limits=SLOW, hooked=True),
    Stress("rt", 4, "none", limits=SLOW, hooked=True, adversary=True),
)

# The number of rounds of each operation. The minimum counts, since noise only adds to it.
LEDGER_ROUNDS = 2

LEDGER = (
    Ledger("ordinary", 1, "none", limits=SLOW, hooked=True),
    Ledger("ordinary", 4, "none", limits=SLOW, hooked=True),
)

LEDGER_FULL = (
    *(Ledger("ordinary", smp, aia, limits=HOURS, hooked=True)
      for smp in (1, 2, 4, 8) for aia in ("none", "imsic")),
)


@dataclass(frozen=True)
class Bound:
    """The maximum cost of an operation: a number, plus a number for each other hart.

    The minimum is what other harts need, so it holds only if there are any: with one hart, Rust
    does not call flush_icache_all().
    """

    operation: str
    column: str
    number: int
    per_hart: int = 0
    minimum: int = 0
    side: str = field(default="rust", kw_only=True)

    def most(self, harts: int) -> int:
        return self.number + self.per_hart * (harts - 1)

    def least(self, harts: int) -> int:
        return self.minimum if harts > 1 else 0


# The current maxima. Documentation/ledger.rst lists our targets. No operation stops the machine.
# Of a tracer's flushes, two are for its sites, and one for each of the three tracepoints that it
# or the first trace event enables. With fewer flushes than the minima, harts execute old text: two
# for the sites of a tracer, one for each key that is changed alone, one for each 64 that are
# changed together, one for a module, and two more if it is traced, two for each BPF program, and
# for the provider one for the module's text and one for all text that C has written until then.
# For each kprobe, all harts must have left their traps.
LEDGER_BOUNDS = (
    *(Bound(operation, column, *bound)
      for operation in ("ftrace-enable", "ftrace-disable")
      for column, bound in {"flushes": (5, 0, 2), "calls": (1,), "stops": (0,),
                            "table-edits": (2400,), "local-fence.i": (8, 6),
                            "interrupted": (0, 7)}.items()),
    *(Bound(operation, column, *bound)
      for operation in ("kprobes-arm", "kprobes-disarm")
      for column, bound in {"flushes": (3,), "calls": (400, 0, 400), "stops": (0,),
                            "interrupted": (0, 403)}.items()),
    *(Bound(operation, column, *bound)
      for operation in ("key-enable", "key-disable")
      for column, bound in {"flushes": (1, 0, 1), "calls": (0,), "stops": (0,), "table-edits": (8,),
                            "interrupted": (0, 1)}.items()),
    *(Bound(operation, "flushes", number, minimum=number)
      for operation, number in {"keys-enable": 5, "keys-disable": 5, "module-load": 1,
                                "module-load-traced": 3, "provider-load": 2,
                                "bpf-attach-1": 2, "bpf-attach-100": 200,
                                "bpf-detach-1": 2, "bpf-detach-100": 200}.items()),
    # With C, hooks save flushes, too: all but one for each function of a module that is traced.
    *(Bound(operation, "flushes", number, minimum=number, side="c")
      for operation, number in {"keys-enable": 5, "keys-disable": 5, "module-load": 1,
                                "module-load-traced": 1002}.items()),
    *(Bound(operation, column, 0)
      for operation in ("keys-enable", "keys-disable", "module-load", "module-load-traced",
                        "bpf-attach-1", "bpf-attach-100", "bpf-detach-1", "bpf-detach-100")
      for column in ("calls", "stops")),
    *(Bound("module-unload", column, 0) for column in ("flushes", "calls", "stops")),
)


# The number of faults of the collectors, changes of mappings, and reloads of the module.
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
) + (
    Faults("rt", 4, "none", FAULTS_FEW, HOURS, hooked=True),
)


# The output of "make source" and "make run" on success, in this order.
MACHINE = {"machine": r"making a minimal \S+: done", "packages": r"installing \d+ packages: done"}
SOURCE = {"kernel source": r"^kernel source: \d+\.\d+\S*, .*, in /"}
RUN = {"patched": r"^ +[1-9]\d* times in \S+ s; 0 wrong answers",
       "kernel log": r"^Kernel log  clean"}
# bindgen is built from source where Debian's is too old.
BINDGEN = {"bindgen": r"building bindgen \S+: done"}


# Numbers of fetch_litmus. In Spike, only the rounds end a test: a second there is hours.
FETCH_NUMBERS = {"rounds": 100_000, "seconds": 2}
FETCH_FEW = {"rounds": 40, "seconds": 100_000}

# What Spike shows: instructions that a hart has decoded before they were changed.
SPIKE_SEEN = {"SM+none", "MP.RF+none", "MP.RF+writer", "MP.RF+syscall-local", "CoRF+none",
              "MP.FF+none", "SB.FF+none"}
# What QEMU may do, and hardware must not: a hart that translates old bytes while they are written
# may keep executing them after a flush. See "QEMU" in Documentation/text-patching.rst.
QEMU_DEVIATES = {"BP.done+all"}

FETCH_FULL: tuple[Fetch, ...] = (
    *(Fetch("ordinary", smp, "none", FETCH_NUMBERS, SLOW) for smp in (2, 4)),
    *(FetchSpike("ordinary", smp, "none", FETCH_FEW, SLOW) for smp in (2, 4)),
)


@dataclass
class Bare:
    """A make command on a new machine that has only git and make, as root or as a sudo user."""

    suite: str
    user: bool
    goal: str
    expect: dict[str, str]
    # Seconds until it hangs.
    limit: int

    @property
    def name(self) -> str:
        user = "-user" if self.user else ""
        goal = f"-{self.goal}" if self.goal != "source" else ""
        return f"bare.{self.suite}{user}{goal}"

    @property
    def title(self) -> str:
        return f"bare {self.suite}, {'a user with sudo' if self.user else 'root'}: make {self.goal}"

    @property
    def options(self) -> tuple[str, ...]:
        """The options of bare.sh for a user other than the current one."""
        if not self.user:
            return ()
        return ("--user", "--lang", "de_DE.UTF-8", "--folder", "my project")

    @property
    def expected(self) -> dict[str, str]:
        owner = {"owner": r"^bare: all in the user's home is the user's own"} if self.user else {}
        return {**MACHINE, **self.expect, **owner}


BARE = (
    Bare("bookworm", True, "source", {**BINDGEN, **SOURCE}, 3600),
    Bare("trixie", False, "source", SOURCE, 3600),
)

BARE_FULL = (
    Bare("bookworm", True, "run", {**BINDGEN, **RUN}, 4 * 3600),
    Bare("trixie", False, "run", RUN, 4 * 3600),
)


def emulated(qemu_version: str) -> dict[str, int]:
    """Parameters that work around QEMU's deviations; see Documentation/text-patching.rst."""
    release = tuple(int(n) for n in qemu_version.split(".")[:2])
    # QEMU may execute stale translations: seen with 10.0.2 and with 11.1.3.
    found = {"write_twice": 1}
    # Before 10.1 QEMU fetches halfwords, although its ISA string has Ziccif.
    if release < (10, 1):
        found["atomic_fetch"] = 0
    return found


@dataclass
class InTree:
    """A kernel tree with our sources in it, in which kunit.py runs the suites."""

    name: str = "in-tree"


IN_TREE = (InTree(),)


class Named(Protocol):
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Named)


def only_option(parser: ArgumentParser) -> None:
    """Add the option --only, whose default is the variable ONLY. Its value is for select()."""
    parser.add_argument("--only", default=os.environ.get("ONLY", ""),
                        help="only guests with these words in their names")


def matches(text: str, name: str) -> bool:
    """Whether a name contains all the words of text."""
    return all(w in name for w in text.split())


def select(text: str, rows: tuple[R, ...]) -> tuple[R, ...]:
    """The rows whose names match text."""
    return tuple(r for r in rows if matches(text, r.name))


BARRIERS = ("rust_riscv", "rust_riscv_bench_barrier")
# The figures of rust_riscv_bench_barrier, and the default of its parameter "pairs".
BARRIER_FIGURES = ("nothing", "compiler", "store", "store-release", "smp-store-mb", "load",
                   "load-acquire", "fetch-add", "fetch-add-full", "smp-mb", "smp-rmb", "smp-wmb",
                   "mb", "rmb", "wmb", "dma-rmb", "dma-wmb")
BARRIER_PAIRS = 5


@dataclass
class Bench:
    """A guest of "make bench", which runs scripts/guest/bench/NAME.sh."""

    name: str
    machine: Machine
    load: tuple[str, ...] = MODULES
    parameters: dict[str, Any] = field(default_factory=dict)
    # The environment variables of its script.
    settings: dict[str, Any] = field(default_factory=dict)
    # More modules in /modules, which are not loaded at the start.
    modules: tuple[str, ...] = ()
    hooked: bool = True
    pairs: int = 5
    limits: Limits = field(default_factory=lambda: USUAL)

    @property
    def label(self) -> str:
        m = self.machine
        return f"{self.name}-smp{m.smp}-{m.ipi}" + ("-icount" if m.icount else "")


def patch_benches() -> Iterator[Bench]:
    """Benchmarks of text patching: all with 4 harts, some also with 1 and 8."""
    # Several times, since the first time after insmod includes QEMU's translation of the code.
    few, many = "all all all", "10 100 1000 all all all"
    # Rust without its workarounds for QEMU, since C has none.
    hart = {"write_twice": 0, "atomic_fetch": 1}
    for smp in (1, 4, 8):
        for aia in ("none", "imsic"):
            settings = {"SITES": many if smp == 4 else few, "PROBES": "1",
                        "STOPS": "1" if smp == 4 else ""}
            yield Bench("patch", Machine(smp=smp, aia=aia), (*MODULES, "rust_riscv_bench_patch"), hart,
                        settings=settings, limits=Limits(silence=400, total=3600))
    yield Bench("patch-insns", Machine(smp=1, icount=True))


# For measurements of rust_riscv_fault, which the scripts load and unload.
FAULT = ("rust_riscv", "rust_riscv_fault")

BENCH = (
    *patch_benches(),
    Bench("barrier", Machine(smp=2), BARRIERS, {"pairs": 9}),
    # With -icount QEMU runs all harts in one thread, so the rendezvous cannot be measured.
    Bench("barrier", Machine(smp=1, icount=True), BARRIERS, {"loops": 20_000, "rounds": 0}),
    Bench("faults-counted", Machine(smp=1, icount=True), load=FAULT),
    Bench("faults", Machine(smp=2, icount=True), load=FAULT, pairs=7),
    Bench("hotplug", Machine(smp=2, icount=True),
          load=("rust_riscv", "rust_riscv_cpuhp_meter", "rust_riscv_sbi_ipi"), pairs=9),
)

def figures_of(bench: Bench) -> list[Wanted]:
    """The figures that a benchmark must produce, as its script samples them."""
    def wanted(*names: str, times: int = 1, **keys: str) -> list[Wanted]:
        return [Wanted(name, keys, bench.pairs * times) for name in names]

    found = []
    if bench.name == "patch":
        # A figure that is listed n times needs n times as many samples.
        for sites, times in Counter(bench.settings["SITES"].split()).items():
            keys = {"all": "yes"} if sites == "all" else {"sites": sites}
            found += wanted("ftrace-enable", "ftrace-disable", times=times, **keys)
        found += wanted("ftrace-enable-waiting", "ftrace-disable-waiting")
        if bench.settings["PROBES"]:
            found += wanted("kprobes-arm", "kprobes-disarm", "static-key", "single-edit",
                            "rendezvous-1", "bpf-attach", "bpf-detach")
        if bench.settings["STOPS"]:
            found += wanted("stop-window")
    elif bench.name == "patch-insns":
        found += wanted("ftrace-enable-insns", "ftrace-disable-insns")
    elif bench.name == "barrier":
        found += [Wanted(f"barrier-{name}", {}, bench.parameters.get("pairs", BARRIER_PAIRS))
                  for name in (*BARRIER_FIGURES,
                               *(("rendezvous",) if bench.parameters.get("rounds") != 0 else ()))]
    elif bench.name == "faults-counted":
        found += wanted("bad-access-counted", "zero-page-fault-counted")
        for kind in ("anonymous", "shared-file"):
            found += wanted("minor-fault-counted", kind=kind)
    elif bench.name == "faults":
        for against in ("c", "mmap_lock"):
            for threads in ("1", "4", "8"):
                for writer in ("no", "yes"):
                    found += wanted("bad-access", against=against, threads=threads, writer=writer)
        found += wanted("minor-fault")
    elif bench.name == "hotplug":
        found += wanted("hotplug-cycle")
        found += wanted("first-ipi", against="c")
        found += wanted("first-ipi", "first-ipi-idle", against="late")
    else:
        raise ValueError(f"the figures of {bench.name} are not listed here")
    return found


# The minimum ratio of a figure: its name, the keys that it must have, the ratio.
MINIMA: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("ftrace-enable", {"harts": 1, "all": "yes"}, 4),
    ("ftrace-disable", {"harts": 1, "all": "yes"}, 4),
    ("ftrace-enable", {"harts": 4, "all": "yes"}, 15),
    ("ftrace-disable", {"harts": 4, "all": "yes"}, 15),
    ("ftrace-enable", {"harts": 8, "all": "yes"}, 30),
    ("ftrace-disable", {"harts": 8, "all": "yes"}, 30),
    ("kprobes-arm", {"harts": 4}, 20),
    ("kprobes-disarm", {"harts": 4}, 20),
    ("single-edit", {"harts": 4}, 20),
    ("stop-window", {"harts": 4}, 100),
    ("static-key", {"harts": 4}, 2),
    ("rendezvous-1", {"harts": 4}, 0.98),
    ("bad-access-counted", {}, 0.98),
    ("minor-fault-counted", {}, 0.98),
    ("zero-page-fault-counted", {}, 0.98),
    ("bad-access", {"against": "c"}, 0.98),
    ("bad-access", {"against": "mmap_lock", "writer": "yes"}, 1.2),
    ("minor-fault", {}, 0.98),
    ("hotplug-cycle", {}, 0.98),
    ("first-ipi", {"against": "c"}, 0.98),
    ("first-ipi", {"against": "late"}, 10),
)

# How much longer Rust may take on 8 harts than on 1 to trace all functions.
FLATNESS = 2.5


def minimum(name: str, keys: dict[str, Any]) -> float | None:
    for wanted, having, ratio in MINIMA:
        if name == wanted and having.items() <= keys.items():
            return ratio
    return None
