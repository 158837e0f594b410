# SPDX-License-Identifier: GPL-2.0
"""Counts what operations that patch text cost on all harts, with C and with Rust in one boot.

A guest runs scripts/guest/ledger.sh, and QEMU's plugin (scripts/qemu/ledger.c) counts
instructions and calls on all harts while an operation runs. So the guest is not modified, and
the results do not depend on time.
"""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import guest, llvm, matrix, modules, paths, programs, suite
from harness.guest import Boot
from harness.kernel import Kernel
from harness.progress import Step, StepFailed
from harness.results import Results, skipped

SCRIPT = paths.SCRIPTS / "guest/ledger.sh"
PLUGIN = paths.SCRIPTS / "qemu/ledger.c"
OUT = paths.BUILD / "ledger"

# Functions of the kernel whose calls the plugin counts.
FLUSH = "flush_icache_all"
FLUSH_BY_IPI = "ipi_remote_fence_i"
FLUSH_BY_SBI = "sbi_remote_fence_i"
TLB_BY_IPI = "__ipi_flush_tlb_range_asid"
TLB_BY_SBI = "sbi_remote_sfence_vma_asid"
CALL = "smp_call_function_many_cond"
STOP = "stop_cpus"
# Fills the memory of BPF programs that are freed, with one flush each. Counted separately, since
# the kernel frees them at any time.
FILL = "patch_text_set_nosync"
FUNCTIONS = (FLUSH, FLUSH_BY_IPI, FLUSH_BY_SBI, TLB_BY_IPI, TLB_BY_SBI, CALL, STOP, FILL)

# The newest release of QEMU with which the plugin was tried.
TESTED = (10, 0)

# The number of each event that the plugin counts, by its name in the plugin.
Counts = dict[str, int]


def interface(qemu_version: str) -> int:
    """The version of the plugin interface that this QEMU accepts."""
    release = tuple(int(n) for n in qemu_version.split(".")[:2])
    if release < (9, 0):
        return 1
    return 2 if release < (10, 1) else 5


def build_plugin(tools: dict[str, str]) -> Path:
    OUT.mkdir(parents=True, exist_ok=True)
    plugin = OUT / "plugin.so"
    r = subprocess.run(
        [llvm.program(tools, "clang"), "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
         f"-DAPI={interface(tools['QEMU_VERSION'])}", "-o", plugin, PLUGIN],
        capture_output=True, text=True, check=False)
    if r.returncode:
        raise StepFailed(f"{PLUGIN} does not compile:\n{r.stderr[-3000:]}")
    return plugin


def has_plugins(tools: dict[str, str]) -> bool:
    """Whether QEMU was built with support for plugins, as in distributions."""
    r = subprocess.run([tools["QEMU"], "-plugin", "help"], capture_output=True, text=True,
                       check=False)
    return r.returncode == 0


def unable(tools: dict[str, str], any_qemu: bool) -> str:
    """The reason why nothing can be counted here; empty if it can."""
    if not has_plugins(tools):
        return f"{tools['QEMU']} has no plugins"
    release = tuple(int(n) for n in tools["QEMU_VERSION"].split(".")[:2])
    if release > TESTED and not any_qemu:
        return f"the plugin was not tried with QEMU {tools['QEMU_VERSION']}: see \"make ledger\""
    return ""


def addresses(system_map: str) -> dict[str, str]:
    """The addresses of FUNCTIONS, as hexadecimal numbers."""
    found = {name: address for address, _, name in
             (line.split() for line in system_map.splitlines()) if name in FUNCTIONS}
    missing = [name for name in FUNCTIONS if name not in found]
    if missing:
        raise StepFailed(f"This kernel has no {', '.join(missing)}, whose calls are counted.")
    return found


def option(plugin: Path, out: Path, kernel: Kernel) -> str:
    """The value of QEMU's option -plugin."""
    where = addresses((kernel.obj / "System.map").read_text())
    return ",".join([f"file={plugin}", f"out={out}",
                     *(f"function={name}:0x{where[name]}" for name in FUNCTIONS)])


def columns(counts: Counts, side: str, harts: int, ipi: str) -> Counts:
    """The costs of an operation, computed from the plugin's counts."""
    # If the kernel sends the IPIs itself, it calls functions on other harts for flushes, too.
    flush_calls = counts[FLUSH] if ipi == "imsic" and harts > 1 else 0
    # Each flush of kernel addresses runs on all harts.
    tlb_calls = -(-counts[TLB_BY_IPI] // harts)
    tlb = counts[TLB_BY_SBI] + tlb_calls
    # With one hart there are no other harts to call.
    calls = counts[CALL] - flush_calls - tlb_calls if harts > 1 else 0
    # Each flush includes the caller's hart, which is not interrupted.
    flushed = (counts["firmware-fence.i"] - counts[FLUSH_BY_SBI] +
               counts[FLUSH_BY_IPI] - flush_calls)
    # With one hart, Rust fills without a call of FLUSH.
    fill_flushes = counts[FILL] if side == "c" or harts > 1 else 0
    return {
        "flushes": counts[FLUSH] - fill_flushes,
        "fills": counts[FILL],
        "calls": calls,
        "tlb-flushes": tlb,
        "stops": counts[STOP],
        "local-fence.i": counts["kernel-fence.i"],
        "local-sfence.vma": counts["kernel-sfence.vma"],
        "table-edits": counts["table-stores"],
        "interrupted": flushed + (calls + tlb + counts[STOP]) * (harts - 1),
    }


@dataclass
class Operation:
    """The costs of an operation by side: the minimum of its rounds, since noise only adds."""

    name: str
    harts: int
    ipi: str
    sides: dict[str, list[Counts]] = field(default_factory=dict)

    def least(self, side: str) -> Counts:
        rounds = self.sides.get(side, [])
        return {column: min(counts[column] for counts in rounds) for column in rounds[0]} \
            if rounds else {}

    def greatest(self, side: str, column: str) -> int:
        return max(counts[column] for counts in self.sides[side])

    def lines(self) -> list[str]:
        """A line for each column that is not 0 on both sides."""
        c, rust = self.least("c"), self.least("rust")
        return [f"ledger: {self.name}.{column} harts={self.harts} ipi={self.ipi} "
                f"c={c.get(column, '–')} rust={rust.get(column, '–')}"
                for column in (c or rust) if c.get(column) or rust.get(column)]


def pairs(said: list[str], written: list[str]) -> list[tuple[str, str, Counts]]:
    """The side and name of each operation, in the order of the guest, and its counts."""
    names = [m.groups() for line in said if (m := re.match(r"ledger (c|rust) (\S+)$", line))]
    if len(names) != len(written):
        raise StepFailed(f"the guest did {len(names)} operations, and {len(written)} were counted")
    return [(side, name, {key: int(value) for key, value in
                          (word.split("=") for word in line.split())})
            for (side, name), line in zip(names, written)]


def operations(said: list[str], written: list[str], harts: int, ipi: str) -> list[Operation]:
    found: dict[str, Operation] = {}
    for side, name, counts in pairs(said, written):
        operation = found.setdefault(name, Operation(name, harts, ipi))
        operation.sides.setdefault(side, []).append(columns(counts, side, harts, ipi))
    return list(found.values())


# What the plugin must count for operations of known cost: a function from the number of harts to
# columns.
KNOWN: dict[str, Callable[[int], Counts]] = {
    "known-nothing": lambda harts: {},
    "known-flush": lambda harts: {
        "flushes": 1, "local-fence.i": 1, "interrupted": harts - 1},
    "known-call": lambda harts: {
        "calls": int(harts > 1), "local-fence.i": harts, "interrupted": harts - 1},
    "known-stop": lambda harts: {"stops": 1, "interrupted": harts - 1},
    "known-translations": lambda harts: {"tlb-flushes": 1, "interrupted": harts - 1},
    "known-edit": lambda harts: {"table-edits": 1},
}


def known(operation: Operation) -> tuple[bool, str]:
    """Whether the cost of an operation of known cost was counted correctly, on both sides."""
    wanted = KNOWN[operation.name](operation.harts)
    if operation.ipi == "imsic" and operation.harts > 1 and operation.name == "known-flush":
        # Then each hart executes fence.i in the kernel, the caller twice.
        wanted["local-fence.i"] += operation.harts
    for side in ("c", "rust"):
        counts = operation.least(side)
        if not counts:
            return False, f"not counted with {side}"
        for column, number in counts.items():
            if number != wanted.get(column, 0):
                return False, f"{column}: {number} with {side}, not {wanted.get(column, 0)}"
    return True, ""


def bounds(found: list[Operation], functions: int) -> Results:
    """Results for the known costs, the maxima and minima, and the minimum for C."""
    results = Results()
    by_name = {operation.name: operation for operation in found}
    for name in KNOWN:
        ok, detail = known(by_name[name]) if name in by_name else (False, "not counted")
        results.add(f"ledger.{name}", ok, detail)
    for bound in matrix.LEDGER_BOUNDS:
        operation = by_name.get(bound.operation)
        counts = operation.least(bound.side) if operation else {}
        test = f"ledger.{bound.operation}.{bound.column}{'.c' if bound.side == 'c' else ''}"
        if not operation or not counts:
            results.add(test, False, f"not counted with {bound.side}")
            continue
        least, most = bound.least(operation.harts), bound.most(operation.harts)
        wanted = f"must be {most}" if least == most > 0 else f"may be {least} to {most}"
        # A fill that begins within an operation may flush after it, so that a round has a flush too
        # few. What does not flush at all lacks it in each round.
        found_least, found_most = counts[bound.column], operation.greatest(bound.side, bound.column)
        results.add(test, found_least <= most and found_most >= least,
                    f"{found_least} to {found_most}, and {wanted}")
    # If C did not flush for each function, the plugin would miss flushes.
    tracer = by_name.get("ftrace-enable")
    flushes = tracer.least("c").get("flushes", 0) if tracer else 0
    results.add("ledger.C flushes for each function", flushes >= functions > 0,
                f"{flushes} flushes for {functions} functions")
    return results


@dataclass
class Ledger:
    """The results of a guest, and its operations."""

    results: Results
    operations: list[Operation] = field(default_factory=list)


def functions_of(said: list[str]) -> int:
    """The number of functions that the tracer traces, as the guest's script says."""
    return next((int(m.group(1)) for line in said if (m := re.match(r"functions (\d+)$", line))), 0)


def read(boot: Boot, written: list[str], row: matrix.Ledger) -> Ledger:
    """All results of a guest."""
    found = Ledger(suite.guest_checks(boot))
    said = guest.said(boot.lines)
    try:
        found.operations = operations(said, written, row.smp, row.machine.ipi)
    except StepFailed as e:
        found.results.add("ledger", False, str(e))
    else:
        found.results.extend(bounds(found.operations, functions_of(said)))
    found.results.extend(suite.ending(boot))
    return found


def run_row(row: matrix.Ledger, tools: dict[str, str], given: modules.Built | None = None,
            any_qemu: bool = True) -> Ledger:
    """Boot a guest, and count; not if QEMU is newer than TESTED, unless any_qemu is set."""
    found = Ledger(Results())
    if reason := unable(tools, any_qemu):
        return Ledger(skipped(f"ledger, {row.title}", "ledger", reason))
    try:
        plugin = build_plugin(tools)
        kernel, built = given or modules.for_row(row.flavour, row.hooked, tools)
        files = programs.build(kernel, tools)
        out = OUT / f"{row.name}.txt"
        machine = replace(row.machine, plugin=option(plugin, out, kernel),
                          append="kunit.enable=0")
    except StepFailed as e:
        found.results.add("build", False, str(e))
        return found
    files |= {f"modules/{name}.ko": built[name]
              for name in ("rust_riscv_patch", "rust_riscv_ledger_functions")}
    # Without workarounds for QEMU: see patch_benches().
    parameters = {"write_twice": 0, "atomic_fetch": 1}
    settings = {"ROUNDS": matrix.LEDGER_ROUNDS,
                **suite.module_parameters(tools, machine, built, ("rust_riscv_patch",), parameters)}
    out.unlink(missing_ok=True)
    step = Step(f"ledger, {row.title}")
    boot = suite.boot(kernel, tools, built, row.name, machine, row.limits, step, script=SCRIPT,
                      load=("rust_riscv", "rust_riscv_ledger"), parameters=parameters,
                      settings=settings, files=files)
    written = out.read_text().splitlines() if out.exists() else []
    found = read(boot, written, row)
    step.done(found.results.short())
    return found


def table(found: list[Operation]) -> str:
    """A table in Markdown, with a row for each column that is not 0 on both sides."""
    lines = ["| operation | cost | harts | IPIs | C | Rust |", "|---|---|---|---|---|---|"]
    for operation in found:
        c, rust = operation.least("c"), operation.least("rust")
        lines += [f"| {operation.name} | {column} | {operation.harts} | {operation.ipi} | "
                  f"{c.get(column, '–')} | {rust.get(column, '–')} |"
                  for column in (c or rust) if c.get(column) or rust.get(column)]
    return "\n".join(lines) + "\n"
