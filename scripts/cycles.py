#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""C against Rust in one boot, in cycles of a modelled SiFive P550 (rvsim).

Prints "cycles: NAME harts=H c=... rust=... ratio=..." a figure, without the cycles in
which all harts were idle, and writes build/cycles/results.json, results.md, results.svg,
and profile.md, the functions that the time is spent in. The same on every run. It takes
long; what was interrupted goes on from the last of some checkpoints.
"""

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rr import (
    cycles,
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
    store,
    suite,
    toolchain,
)
from rr.cycles import Region
from rr.lock import locked
from rr.progress import Step, StepFailed

OUT = paths.BUILD / "cycles"
HARTS = (1, 4, 8)

# What scripts/guest/bench/cycles.sh measures: its functions, and the figures of each.
MEASURE = {
    "tracer": ("ftrace-enable", "ftrace-disable"),
    "key": ("static-key",),
    "probes": ("kprobes-arm", "kprobes-disarm"),
    "edit": ("rendezvous-1",),
    "faults": ("bad-access", "minor-fault"),
    "hotplug": ("hotplug-cycle", "first-ipi"),
    # Last: the kernel goes on freeing programs.
    "bpf": ("bpf-attach", "bpf-detach"),
}
# Where no other hart is, none comes online.
MANY = {"hotplug"}
# Loaded in this order; and what the script loads later, to measure Rust.
LOAD = ("rust_riscv", "rust_riscv_bench_patch", "rust_riscv_cpuhp_meter")
LATER = ("rust_riscv_patch", "rust_riscv_fault", "rust_riscv_sbi_ipi")
# The engine writes as on a hart: rvsim's memory is coherent, and fetches are of 4 bytes.
PARAMETERS = {"write_twice": 0, "atomic_fetch": 1}

# Cycles between samples of a profile. A prime: loops of patching have periods of their own.
EVERY = 97
# Between those of what is not measured, and of progress.
SELDOM = 1_000_000
# Between checkpoints of a machine that boots.
BOOT = 50_000_000
# What says that a guest hangs: this many cycles without anything that we wait for.
HUNG = 20_000_000_000

# Minutes that a machine takes on an idle host, until a run has measured it.
MINUTES = {1: 20, 4: 90, 8: 240}

# Arguments of timed_mark in timed_write.c.
BEGIN, END = 0x72720001, 0x72720002


def address(tools: dict[str, str], program: Path, symbol: str) -> int:
    for line in progress.output([llvm.program(tools, "llvm-nm"), program]).splitlines():
        if line.split()[-1] == symbol:
            return int(line.split()[0], 16)
    raise StepFailed(f"{program} has no {symbol}")


class Saved:
    """Checkpoints in the cache, and what was measured until then: the booted one and the last.

    A folder is for machines with so many harts; the key says which kernel and modules. The
    numbers count up: 0 has booted, those of machines that boot are below.
    """

    def __init__(self, folder: Path, key: str):
        self.folder = folder
        self.key = key

    def state(self, number: int) -> Path:
        return self.folder / f"{number}.ckpt"

    def write(self, session: Any, number: int, regions: list[Region], seconds: float) -> None:
        """Save the machine. With its note a checkpoint is complete; then the last one goes."""
        self.drop(number)
        session.save(str(self.state(number)))
        partial = self.folder / f"{number}.partial"
        partial.write_text(json.dumps({"key": self.key, "seconds": seconds,
                                       "regions": [r.json() for r in regions]}))
        partial.rename(self.folder / f"{number}.note")
        for other in self.numbers():
            if other not in (0, number):
                self.drop(other)

    def numbers(self) -> set[int]:
        return {int(path.name.split(".")[0]) for path in self.folder.iterdir()}

    def read(self) -> tuple[int, list[Region], float] | None:
        """The newest: its number, the regions until then, and the seconds that it took."""
        for number in sorted(self.numbers(), reverse=True):
            note = self.folder / f"{number}.note"
            data = json.loads(note.read_text()) if note.exists() else {}
            if data.get("key") == self.key:
                return number, [cycles.from_json(r) for r in data["regions"]], data["seconds"]
        return None

    def drop(self, number: int) -> None:
        # The note first: without it, what is left is no checkpoint.
        for path in sorted(self.folder.glob(f"{number}.*"), key=lambda p: p.suffix != ".note"):
            path.unlink()

    def finish(self) -> None:
        """Keep the boot only."""
        for number in self.numbers() - {0}:
            self.drop(number)


class Machine:
    """A guest on rvsim, from one checkpoint to the next."""

    def __init__(self, harts: int, measure: list[str], tools: dict[str, str]):
        self.harts = harts
        self.tools = tools
        self.k = kernel.build("ordinary", True, tools)
        self.built = modules.build(self.k, tools)
        self.rvsim = rvsim.load()
        self.config = rvsim.p550(self.rvsim, harts)
        files = programs.build(self.k, tools)
        self.mark = address(tools, files["programs/timed_write"], "timed_mark")
        self.folder = OUT / f"smp{harts}"
        self.folder.mkdir(parents=True, exist_ok=True)
        archive = self.folder / "initramfs"
        settings = {"LOAD": " ".join(LOAD), "MEASURE": " ".join(measure),
                    **suite.module_parameters(tools, self.built, (*LOAD, *LATER), PARAMETERS)}
        initramfs.build(archive, paths.SCRIPTS / "guest/bench/cycles.sh",
                        [self.built[m] for m in (*LOAD, *LATER)], settings, files, compress=False)
        self.files = rvsim.assemble(self.rvsim, self.config, self.k, tools, archive, self.folder)
        self.log = paths.LOGS / f"cycles-smp{harts}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.regions: list[Region] = []
        self.spent = 0.0
        self.began = time.monotonic()
        self.symbols = cycles.Symbols()
        self.symbols.kernel((self.k.obj / "System.map").read_text())
        self.sections: dict[str, dict[str, int]] = {}
        self.session: Any = None
        self.seen = 0
        self.number = -1_000_000
        self.problems: list[str] = []

    def key(self) -> str:
        """What a checkpoint depends on."""
        h = hashlib.sha256(rvsim.PINS.read_bytes() + Path(rvsim.__file__).read_bytes())
        for path in (self.files.kernel, self.files.firmware, self.files.tree):
            h.update(path.read_bytes())
        h.update(f"{EVERY}".encode())
        return h.hexdigest()

    def elapsed(self) -> float:
        """Seconds since this machine was started, by runs that were interrupted, too."""
        return self.spent + time.monotonic() - self.began

    def start(self, saved: Saved, step: Step) -> None:
        """Go on from the newest checkpoint; boot if there is none."""
        if found := saved.read():
            self.number, self.regions, self.spent = found
            self.resume(saved)
            print(f"{progress.clock(step.elapsed())} {step.message}: going on from cycle "
                  f"{self.session.cycle:,}, {len(self.regions)} regions measured", flush=True)
        else:
            self.session = self.rvsim.Session(
                rvsim.simple(self.rvsim, self.harts), kernel=str(self.files.kernel),
                firmware=str(self.files.firmware), dtb=str(self.files.tree),
                console_log=str(self.log))
        while self.number < 0:
            said = self.run(step, "booting", BOOT)
            if said.startswith("exit"):
                raise StepFailed(f"{step.message}: {said}, before anything was measured; the end "
                                 f"of {self.log}:\n{progress.tail(self.log)}")
            if said:
                self.number = -1
            self.checkpoint(saved)

    def resume(self, saved: Saved) -> None:
        if self.session:
            self.session.close()
        config = self.config if self.number >= 0 else rvsim.simple(self.rvsim, self.harts)
        self.session = self.rvsim.Session.resume(str(saved.state(self.number)), config,
                                                 console_log=str(self.log))
        # Where modules are.
        self.sections = {}
        self.seen = 0
        self.listen()

    def checkpoint(self, saved: Saved) -> None:
        """Save the machine and go on from there, as a run that was interrupted would."""
        self.number += 1
        saved.write(self.session, self.number, self.regions, self.elapsed())
        self.resume(saved)

    def lines(self) -> list[str]:
        text: str = self.session.console
        return [line.rstrip("\r") for line in text.split("\n")[:-1]]

    def listen(self) -> list[str]:
        """What the guest has said since the last time; where its modules are, is noted."""
        lines = self.lines()
        new = [line.split("rr: ", 1)[1] for line in lines[self.seen:] if "] rr: " in line]
        self.seen = len(lines)
        for said in new:
            if m := cycles.SECTION.match(said):
                module, section, at = m.groups()
                known = self.sections.setdefault(module, {})
                if section in known:
                    known.clear()
                known[section] = int(at, 16)
        return new

    def run(self, step: Step, doing: str, most: int = HUNG) -> str:
        """Run until the guest asks for a checkpoint, or ends: which, and its name or status.

        Nothing, if that takes more than so many cycles.
        """
        r = self.rvsim
        stop = r.Console(r"rr: (checkpoint \S+|exit \d+)\r?\n") | r.Pc(self.mark)
        region: Region | None = None
        start = self.session.cycle
        while True:
            stopped = self.session.run(stop | r.Cycles(most), every=SELDOM,
                                       on_every=lambda s, doing=doing: step.update(
                                           f"{doing}: {(s.cycle - start) / 1e6:.0f} M cycles"))
            for said in self.listen():
                if announced := cycles.region_of(said):
                    region = announced
                    doing = f"{region.side}: {region.name}"
                elif sample := cycles.sampled(said, self.mhz()):
                    self.regions.append(sample)
                elif said.startswith("not ok"):
                    self.problems.append(said)
            if stopped.match:
                return str(stopped.match.group(1))
            if stopped.hart is None:
                if most < HUNG and not stopped.exited:
                    return ""
                how = "it ended" if stopped.exited else "it hangs"
                raise StepFailed(f"{self.harts} harts: {how} before its script did; the end of "
                                 f"{self.log}:\n{progress.tail(self.log)}")
            if self.argument(stopped.hart) == BEGIN and region:
                self.measure(region, stopped.hart, step)
                self.regions.append(region)
                region = None
            self.leave(stopped.hart)

    def mhz(self) -> int:
        return int(self.config.cpu_clock_mhz)

    def argument(self, hart: int) -> int:
        return int(self.session.sim.harts[hart].regs[10])

    def leave(self, hart: int) -> None:
        """Go on where a hart has been stopped: until its PC is another."""
        while self.session.sim.harts[hart].pc == self.mark:
            self.session.sim.run_to(cycles=1, console_output=True)

    def measure(self, region: Region, hart: int, step: Step) -> None:
        """Run from timed_mark(BEGIN) to timed_mark(END), and fill the region."""
        self.leave(hart)
        session = self.session
        pcs: Counter[int] = Counter()
        counted: Counter[int] = Counter()
        idle = 0
        idle_text = self.idle_text()
        begin = session.cycle
        instructions = session.instructions
        last = session.sim.harts[hart].instructions_retired

        def sample(s: Any) -> None:
            nonlocal idle, last
            harts = s.sim.harts
            mine = harts[hart]
            pc, now = mine.pc, mine.instructions_retired
            pcs[pc] += EVERY
            counted[pc] += now - last
            last = now
            if pc in idle_text and all(harts[n].pc in idle_text for n in range(self.harts)):
                idle += EVERY
            step.update(f"{region.side}: {region.name}: {(s.cycle - begin) / 1e6:.1f} M cycles")

        while True:
            stopped = session.run(self.rvsim.Pc(self.mark) | self.rvsim.Cycles(HUNG), every=EVERY,
                                  on_every=sample)
            if stopped.hart is None:
                raise StepFailed(f"{region.name} {region.side} does not end; see {self.log}")
            if self.argument(stopped.hart) == END:
                break
            self.leave(stopped.hart)
        region.cycles = session.cycle - begin
        region.idle = idle
        region.instructions = session.instructions - instructions
        self.name_modules()
        spent: dict[str, tuple[int, int]] = {}
        for pc, n in pcs.items():
            name = self.symbols.name(pc)
            before = spent.get(name, (0, 0))
            spent[name] = (before[0] + n, before[1] + counted[pc])
        region.profile = spent

    def idle_text(self) -> range:
        """The addresses at which a hart waits for an interrupt."""
        begin = next(at for at, name in self.symbols.at.items() if name == rvsim.IDLE)
        return range(begin, min(at for at in self.symbols.at if at > begin))

    def name_modules(self) -> None:
        for module, sections in self.sections.items():
            r = subprocess.run([llvm.program(self.tools, "llvm-nm"), "-C", "--format=sysv",
                                self.built[module]], capture_output=True, text=True, check=True)
            self.symbols.module(module, sections, r.stdout)


def run(harts: int, measure: list[str], tools: dict[str, str]) -> tuple[list[Region], list[str]]:
    """Measure on a machine: regions, and what was wrong."""
    here = [m for m in MEASURE if m in measure and (harts > 1 or m not in MANY)]
    machine = Machine(harts, here, tools)
    name = f"{harts} hart{'s' if harts > 1 else ''}"
    folder = paths.cache() / "rvsim" / f"smp{harts}"
    folder.mkdir(parents=True, exist_ok=True)
    saved = Saved(folder, machine.key())
    step = Step(name)
    with locked(folder.with_suffix(".lock"), f"measuring on {name}"), \
            store.room(folder, f"checkpoints of {name}", 3 * rvsim.CHECKPOINT):
        machine.start(saved, step)
        doing = "going on"
        while not (said := machine.run(step, doing)).startswith("exit"):
            doing = said.split()[1]
            print(f"{progress.clock(step.elapsed())} {name}: {doing}: cycle "
                  f"{machine.session.cycle:,}, {len(machine.regions)} regions measured", flush=True)
            machine.checkpoint(saved)
        lines = machine.lines()
        problems = machine.problems
        if said != "exit 0":
            problems.append(f"its script ended: {said}; see {machine.log}")
        if complaints := kernlog.complaints(lines):
            problems.append(f"the kernel complains, in {machine.log}:\n"
                            f"{kernlog.excerpt(lines, complaints[0])}")
        machine.session.close()
        problems += cycles.missing(machine.regions, [f for m in here for f in MEASURE[m]])
        if not problems:
            saved.finish()
    seconds = machine.elapsed()
    (machine.folder / "seconds").write_text(f"{seconds:.0f}\n")
    step.done(f"{len(machine.regions)} regions" + (", PROBLEMS" if problems else ""))
    return machine.regions, problems


def minutes(harts: int) -> float:
    last = OUT / f"smp{harts}" / "seconds"
    return float(last.read_text()) / 60 if last.exists() else MINUTES.get(harts, 30 * harts)


def picture(found: list[cycles.Figure]) -> str | None:
    """A plot of cycles over harts of each figure that has been measured on several machines."""
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harts", type=int, nargs="*",
                        default=[int(n) for n in os.environ.get("SMP", "").split()] or HARTS)
    parser.add_argument("--measure", nargs="*", choices=sorted(MEASURE),
                        default=os.environ.get("ONLY", "").split() or list(MEASURE))
    args = parser.parse_args()
    if unknown := set(args.measure) - set(MEASURE):
        raise StepFailed(f"{' '.join(unknown)} is not measured; there are {' '.join(MEASURE)}")
    tools = toolchain.load()
    print("On an idle host this takes some " + ", ".join(
        f"{minutes(h):.0f} minutes for {h} hart{'s' if h > 1 else ''}" for h in args.harts) +
        "; interrupted, it goes on from the last checkpoint.", flush=True)
    found: list[cycles.Figure] = []
    wrong = 0
    for harts in args.harts:
        regions, problems = run(harts, args.measure, tools)
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
