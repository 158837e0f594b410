#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare C and Rust in one boot, in cycles of a simulated SiFive P550 (rvsim).

Prints a line "cycles: NAME harts=H c=... rust=... ratio=..." for each figure, without the
cycles in which all harts were idle. Writes build/cycles/results.json, results.md,
results.svg and profile.md, which lists the functions in which the time was spent. This
takes hours; a run that was interrupted continues with what has not been measured yet.
"""

import argparse
import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from harness import (
    cycles,
    guest,
    initramfs,
    kernel,
    kernlog,
    llvm,
    modules,
    paths,
    plot,
    programs,
    progress,
    rvsim,
    snapshot,
    store,
    suite,
    toolchain,
)
from harness.cycles import Region
from harness.lock import locked
from harness.progress import Step, StepFailed
from harness.snapshot import Snapshot

OUT = paths.BUILD / "cycles"
HARTS = (1, 4, 8)

# The functions of scripts/guest/bench/cycles.sh, and the figures that each of them measures.
MEASURE = {
    "ftrace": ("ftrace-enable", "ftrace-disable"),
    "key": ("static-key",),
    "kprobes": ("kprobes-arm", "kprobes-disarm"),
    "edit": ("rendezvous-1",),
    "faults": ("bad-access", "minor-fault"),
    "hotplug": ("hotplug-cycle", "first-ipi"),
    # Last, since the kernel frees programs for some time afterwards.
    "bpf": ("bpf-attach", "bpf-detach"),
}
# These need more than one hart.
MANY = {"hotplug"}
# The modules that are loaded first, in this order; and those that the script loads later, to
# measure Rust.
LOAD = ("rust_riscv", "rust_riscv_bench_patch", "rust_riscv_cpuhp_meter")
LATER = ("rust_riscv_patch", "rust_riscv_fault", "rust_riscv_sbi_ipi")
# No workarounds for QEMU: rvsim's memory is coherent, and it fetches 4 bytes at once.
PARAMETERS = {"write_twice": 0, "atomic_fetch": 1}

# Cycles between the samples of a profile. A prime number, so that it is no multiple of the
# period of a loop.
EVERY = 97
# As above, while all harts are idle.
IDLE_EVERY = 997
# Cycles between updates of the progress line, while nothing is measured.
SELDOM = 1_000_000
# A guest hangs if nothing that we wait for happens for this many cycles.
HUNG = 5_000_000_000

# The size of a snapshot in bytes: the memory that the guest has used.
SNAPSHOT = 200_000_000

# The arguments of timed_mark(), see timed_mark.h.
BEGIN, END = 0x72720001, 0x72720002


class Machine:
    """A guest with this many harts. It boots in QEMU; the measured operations run in rvsim."""

    def __init__(self, harts: int, measure: list[str], sides: list[str], sites: str,
                 tools: dict[str, str]):
        self.harts = harts
        self.sides = sides
        self.name = f"{harts} hart{'s' if harts > 1 else ''}"
        self.tools = tools
        self.kernel = kernel.build("ordinary", True, tools)
        self.built = modules.build(self.kernel, tools)
        self.rvsim = rvsim.load()
        self.config = rvsim.p550(self.rvsim, harts)
        self.programs = programs.build(self.kernel, tools)
        self.mark = self.address("timed_write", "timed_mark")
        self.folder = OUT / f"smp{harts}-{sites}"
        self.folder.mkdir(parents=True, exist_ok=True)
        archive, tree = self.folder / "initramfs", self.folder / "tree.dtb"
        every = [m for m in MEASURE if harts > 1 or m not in MANY]
        self.measured = [m for m in every if m in measure]
        settings = {"LOAD": " ".join(LOAD), "MEASURE": " ".join(every), "SITES": sites,
                    **suite.module_parameters(tools, guest.Machine(smp=harts), self.built,
                                              (*LOAD, *LATER), PARAMETERS)}
        initramfs.build(archive, paths.SCRIPTS / "guest/bench/cycles.sh",
                        [self.built[m] for m in (*LOAD, *LATER)], settings, self.programs,
                        compress=False)
        firmware = rvsim.firmware(tools)
        rvsim.device_tree(self.rvsim, self.config, self.kernel, firmware, archive.stat().st_size,
                          tree)
        self.boot = {"kernel": self.kernel.image, "firmware": firmware, "tree": tree,
                     "initramfs": archive}
        self.log = paths.LOGS / f"cycles-smp{harts}.log"
        self.symbols = cycles.Symbols()
        self.symbols.kernel((self.kernel.obj / "System.map").read_text())

    def address(self, program: str, symbol: str) -> int:
        file = self.programs[f"programs/{program}"]
        for line in progress.output([llvm.program(self.tools, "llvm-nm"), file]).splitlines():
            if line.split()[-1] == symbol:
                return int(line.split()[0], 16)
        raise StepFailed(f"{file} has no {symbol}")

    def key(self) -> str:
        """A hash of everything that the guest depends on."""
        return self.digest(Path(snapshot.__file__), Path(rvsim.__file__), *self.boot.values())

    def key_of_c(self) -> str:
        """A hash of what the results of C depend on, except for the addresses of Rust modules."""
        return self.digest(self.boot["kernel"], self.boot["firmware"],
                           paths.SCRIPTS / "guest/bench/cycles.sh", *self.programs.values(),
                           self.built["rust_riscv_bench_patch"])

    def digest(self, *files: Path) -> str:
        h = hashlib.sha256(rvsim.PINS.read_bytes())
        h.update(f"{EVERY} {IDLE_EVERY} {self.tools['QEMU_VERSION']}".encode())
        for path in files:
            h.update(path.read_bytes())
        return h.hexdigest()

    @staticmethod
    def parts_of(measured: list[str]) -> list[str]:
        return [f"{what}-{side}" for what in measured for side in ("c", "rust")]

    def parts(self) -> list[str]:
        return self.parts_of(self.measured)

    def to_measure(self) -> list[str]:
        return [part for part in self.parts()
                if part.rsplit("-", 1)[1] in self.sides and not self.result(part).exists()]

    def snapshot(self, part: str) -> Snapshot:
        return Snapshot(self.folder / part)

    def result(self, part: str) -> Path:
        return self.folder / f"{part}.json"

    def prepare(self) -> None:
        """Remove results and snapshots of another kernel, other modules or another script."""
        note = self.folder / "keys"
        keys = json.loads(note.read_text()) if note.exists() else {}
        # Results of C with other Rust modules are only used if the user asked for it.
        if keys.get("all") == self.key() and not (keys.get("kept_c") and "c" in self.sides):
            return
        note.unlink(missing_ok=True)
        keep_c = "c" not in self.sides and keys.get("c") == self.key_of_c()
        for path in self.folder.glob("*.json"):
            if not (keep_c and path.stem.endswith("-c")):
                path.unlink()
        for part in self.parts_of(list(MEASURE)):
            self.snapshot(part).remove()
        note.write_text(json.dumps({"all": self.key(), "c": self.key_of_c(), "kept_c": keep_c}))

    def take(self, wanted: list[str]) -> list[str]:
        """Boot in QEMU and take the wanted snapshots. Returns problems."""
        step = Step(f"{self.name}: booting in QEMU")
        pauses = {self.address(program, "pause_here"): self.address(program, "pause_end")
                  for program in ("pause", "timed_write")}
        said = snapshot.take(
            self.tools, self.harts, self.boot, self.log, step, pauses,
            self.symbols.range(rvsim.IDLE), {part: self.snapshot(part) for part in wanted})
        missing = [part for part in wanted if not self.snapshot(part).complete()]
        problems = complaints(said.splitlines(), self.log)
        if missing:
            problems.append(f"{' '.join(missing)}: the guest did not come there; the end of "
                            f"{self.log}:\n{progress.tail(self.log)}")
        step.done(f"{len(wanted) - len(missing)} snapshots")
        return problems

    def measure(self, part: str) -> list[str]:
        """Run a snapshot in rvsim and write its regions. Returns problems."""
        found = self.snapshot(part)
        # Also if the run that took it was interrupted.
        if problems := complaints(found.said.read_text(errors="replace").splitlines(), found.said):
            found.remove()
            return problems
        run = Run(self, found, part)
        try:
            run.run()
        finally:
            run.close()
        problems = run.problems + complaints(run.lines(), run.log)
        if not problems:
            partial = self.result(part).with_suffix(".partial")
            partial.write_text(json.dumps([r.json() for r in run.regions]))
            partial.rename(self.result(part))
            found.remove()
        return problems

    def regions(self) -> list[Region]:
        return [cycles.from_json(r) for part in self.parts() if self.result(part).exists()
                for r in json.loads(self.result(part).read_text())]


def complaints(lines: list[str], log: Path) -> list[str]:
    report = kernlog.report(lines, log)
    return [report] if report else []


class Run:
    """A run of a snapshot in rvsim, which measures its regions, until the guest says "measured"."""

    def __init__(self, machine: Machine, found: Snapshot, part: str):
        self.machine = machine
        self.rvsim = machine.rvsim
        self.harts = machine.harts
        self.mark = machine.mark
        self.part = part
        self.step = Step(f"{machine.name}: {part}")
        self.log = paths.LOGS / f"cycles-smp{machine.harts}-{part}.log"
        self.regions: list[Region] = []
        self.problems: list[str] = []
        self.seen = 0
        self.symbols = machine.symbols
        before = guest.said(found.said.read_text(errors="replace").replace("\r", "").splitlines())
        self.name_modules(before)
        announced = [r for r in map(cycles.region_of, before) if r]
        self.region = announced[-1] if announced else None
        self.session = self.rvsim.Session(
            machine.config, kernel=str(found.kernel), firmware=str(found.firmware),
            dtb=str(found.tree), console_log=str(self.log))
        rvsim.check(self.session.sim, found)

    def close(self) -> None:
        self.session.close()

    def lines(self) -> list[str]:
        text: str = self.session.console
        return [line.rstrip("\r") for line in text.split("\n")[:-1]]

    def name_modules(self, said: list[str]) -> None:
        """Add the symbols of modules, at the addresses that the guest has printed."""
        where: dict[str, dict[str, int]] = {}
        for line in said:
            if m := cycles.SECTION.match(line):
                module, section, at = m.groups()
                known = where.setdefault(module, {})
                if section in known:
                    known.clear()
                known[section] = int(at, 16)
        for module, sections in where.items():
            self.symbols.module(module, sections, progress.output(
                [llvm.program(self.machine.tools, "llvm-nm"), "-C", "--format=sysv",
                 self.machine.built[module]]))

    def run(self) -> None:
        r = self.rvsim
        stop = (r.Console(r"guest: (measured \S+|exit \d+)\r?\n") | r.Pc(self.mark)
                | r.Cycles(HUNG))
        while True:
            stopped = self.session.run(stop, every=SELDOM, on_every=self.progress)
            self.listen()
            if stopped.match:
                break
            if stopped.hart is None:
                raise self.lost("ended" if stopped.exited else "hangs")
            if self.argument(stopped.hart, 0) == BEGIN and self.region:
                self.measure(self.region, stopped.hart)
                self.regions.append(self.region)
                self.region = None
            self.leave(stopped.hart)
        if (said := stopped.match.group(1)) != f"measured {self.part}":
            self.problems.append(f"{self.part}: {said}; see {self.log}")
        if lacking := rvsim.missing(self.session.sim, self.harts):
            self.problems.append(f"{self.part}: harts {lacking} lack a register that they had in "
                                 "QEMU")
        self.step.done(f"cycle {self.session.cycle:,}")

    def listen(self) -> None:
        """Handle what the guest has printed since the last call."""
        lines = self.lines()
        new, self.seen = lines[self.seen:], len(lines)
        for said in guest.said(new):
            if announced := cycles.region_of(said):
                self.region = announced
            elif sample := cycles.sampled(said, self.mhz()):
                self.regions.append(sample)
            elif said.startswith("not ok"):
                self.problems.append(said)

    def lost(self, how: str) -> StepFailed:
        return StepFailed(f"{self.step.message}: it {how}; the end of {self.log}:\n"
                          f"{progress.tail(self.log)}")

    def progress(self, session: Any) -> None:
        self.step.update(f"{session.cycle / 1e6:.0f} M cycles")

    def mhz(self) -> int:
        return int(self.machine.config.cpu_clock_mhz)

    def all_harts(self) -> list[Any]:
        return [self.session.sim.harts[n] for n in range(self.harts)]

    def argument(self, hart: int, number: int) -> int:
        return int(self.session.sim.harts[hart].regs[10 + number])

    def leave(self, hart: int) -> None:
        """Continue until the PC of a hart that is stopped at the mark has changed."""
        while self.session.sim.harts[hart].pc == self.mark:
            self.session.sim.run_to(cycles=1, console_output=True)

    def measure(self, region: Region, hart: int) -> None:
        """Run from timed_mark(BEGIN) to timed_mark(END), and fill the region."""
        self.leave(hart)
        session = self.session
        pcs: Counter[int] = Counter()
        counted: Counter[int] = Counter()
        idle = 0
        idle_text = self.symbols.range(rvsim.IDLE)
        begin = session.cycle
        instructions = session.instructions
        sim = session.sim
        last, before = sim.harts[hart].instructions_retired, begin
        every, idles = EVERY, False
        while True:
            reason, which = sim.run_to(cycles=every, pc=self.mark)
            now, pc, retired = sim.cycle, sim.harts[hart].pc, sim.harts[hart].instructions_retired
            if idles:
                idle += now - before
            else:
                pcs[pc] += now - before
                counted[pc] += retired - last
            last, before = retired, now
            idles = pc in idle_text and all(h.pc in idle_text for h in self.all_harts())
            if reason == "exit" or now - begin > HUNG:
                raise self.lost("ended" if reason == "exit" else "hangs")
            if reason == "pc":
                if self.argument(which, 0) == END:
                    break
                self.leave(which)
            # It is likely to be idle for a while.
            every = IDLE_EVERY if idles else EVERY
            self.step.update(f"{region.name}: {(now - begin) / 1e6:.1f} M cycles, "
                             f"{idle / 1e6:.1f} M idle")
        region.cycles = session.cycle - begin
        region.idle = idle
        region.instructions = session.instructions - instructions
        spent: dict[str, tuple[int, int]] = {}
        for pc, n in pcs.items():
            name = self.symbols.name(pc)
            already = spent.get(name, (0, 0))
            spent[name] = (already[0] + n, already[1] + counted[pc])
        region.profile = spent
        # The argument is signed: an error is negative.
        if not 0 < self.argument(which, 1) < 1 << 63:
            self.problems.append(f"{self.part}: writing failed")
        # Make the session read the console.
        session.run(self.rvsim.Cycles(1))


def run(harts: int, measure: list[str], sides: list[str], sites: str,
        tools: dict[str, str]) -> tuple[list[Region], list[str]]:
    """Measure on a machine. Returns the regions and problems."""
    machine = Machine(harts, measure, sides, sites, tools)
    problems: list[str] = []
    with locked(machine.folder.with_suffix(".lock"), f"measuring on {machine.name}"):
        machine.prepare()
        left = machine.to_measure()
        boot = [part for part in left if not machine.snapshot(part).complete()]
        if before := [part for part in machine.parts() if machine.result(part).exists()]:
            print(f"{machine.name}: measured before: {' '.join(before)}", flush=True)
        with store.room(machine.folder, f"snapshots of {machine.name}", (len(boot) + 1) * SNAPSHOT):
            if boot:
                problems += machine.take(boot)
        for part in left:
            if machine.snapshot(part).complete():
                problems += machine.measure(part)
        regions = machine.regions()
    problems += cycles.missing(regions, [f for m in machine.measured for f in MEASURE[m]])
    return regions, problems


def picture(found: list[cycles.Figure]) -> str | None:
    """Plots of cycles over harts, for the figures that were measured on several machines."""
    panels: list[list[str]] = []
    for name in dict.fromkeys(f.name for f in found):
        data: plot.Lines = {}
        for f in (f for f in found if f.name == name):
            for side in f.sides:
                data.setdefault(side, []).append((float(f.harts), f.busy(side)))
        if data and all(len(points) > 1 for points in data.values()):
            panels.append(plot.panel(len(panels) * plot.WIDTH, name, "harts", False,
                                     {side: sorted(points) for side, points in data.items()},
                                     "cycles"))
    return plot.document(panels)


def write(found: list[cycles.Figure]) -> None:
    (OUT / "results.json").write_text(json.dumps([f.json() for f in found], indent=1) + "\n")
    (OUT / "results.md").write_text(cycles.table(found))
    (OUT / "profile.md").write_text("\n".join(
        cycles.profile(f, side) for f in found for side in f.sides
        if any(r.profile for r in f.sides[side])))
    if drawn := picture(found):
        (OUT / "results.svg").write_text(drawn)


def words(variable: str) -> list[str]:
    return os.environ.get(variable, "").split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harts", type=int, nargs="*", default=words("HARTS") or HARTS)
    parser.add_argument("--only", nargs="*", choices=list(MEASURE),
                        default=words("ONLY") or list(MEASURE), help="what to measure")
    parser.add_argument("--side", nargs="*", choices=["c", "rust"],
                        default=words("SIDE") or ["c", "rust"],
                        help="rust: measure only Rust, and compare with the last result of C")
    parser.add_argument("--sites", default=os.environ.get("SITES", "") or "all",
                        help="the number of functions to trace, or all")
    args = parser.parse_args()
    if unknown := set(args.only) - set(MEASURE):
        raise StepFailed(f"{' '.join(unknown)} is not measured; there are {' '.join(MEASURE)}")
    tools = toolchain.load()
    found: list[cycles.Figure] = []
    wrong = 0
    for harts in map(int, args.harts):
        regions, problems = run(harts, args.only, args.side, args.sites, tools)
        got = cycles.figures(regions, harts)
        for problem in problems:
            print(f"  FAILED {harts} harts: {problem}", flush=True)
        for figure in got:
            print(figure.line() + (f"  # {figure.problem}" if figure.problem else ""), flush=True)
            wrong += bool(figure.problem)
        wrong += len(problems) + (not got)
        found += got
        write(found)
    for line in cycles.flat(found):
        print(line)
    print(f"{OUT / 'results.json'}: {len(found)} figures; {wrong} problems and shortfalls")
    return 1 if wrong else 0


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
