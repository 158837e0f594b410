#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Insert each known defect, one at a time, and check that its test fails.

A defect is a patch rust/tests/defects/SUITE/NAME.patch that begins with

    # suite: a KUnit suite, or "host", or "guest" for a check of the guest script, or
    #        "selftests", "stress" or "ledger" for the guests of that name, or "litmus" for
    #        litmus tests on the guest's harts; or, without a guest, "models" for
    #        litmus tests and loom, "compiled" for barriers in objects, "compile_fail"
    #        for misuse that must not compile, with a kernel ("host" without one), or
    #        "bare" for a row of bare machines (row=NAME), or "fetch" for a guest that
    #        runs the litmus tests of instruction fetch
    # expect: the test that must fail (or "guest" / "kernel log", for a defect
    #         that takes the guest down or makes its kernel complain)
    # boot: flavour=ordinary smp=4 aia=none hooked=1 tearing_live=1000

"boot" may be left out. "hooked=1" boots the kernel with our hook series, "spike=1"
boots it in Spike, and "script=hotplug" is for a check of that guest's. Other words
are parameters of the KUnit modules; "tests" are those of ftracetest that are to run
(tests=test.d/kprobe), "seed" and "seconds" are for stress.

For a defect in patches/, a kernel is built (some minutes), unless its suite is "models".
"""

import argparse
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import disassembly
from harness import (
    bare,
    compile_fail,
    fetch_litmus,
    host,
    kernel,
    ledger,
    matrix,
    modules,
    paths,
    progress,
    selftests,
    spike,
    stress,
    suite,
    toolchain,
)
from harness.guest import Boot, Machine
from harness.lock import locked
from harness.progress import Step, StepFailed
from harness.results import Results, skipped

FOLDER = paths.TOP / "rust/tests/defects"
WORK = paths.BUILD / "defects"

# The names of the failed tests, and the path of the log.
Failed = tuple[list[str], Path | None]


@dataclass
class Defect:
    patch: Path
    suite: str
    expect: str
    flavour: str = "ordinary"
    hooked: bool = False
    # Whether it is in the kernel, so in patches/.
    in_kernel: bool = False
    machine: Machine = field(default_factory=Machine)
    script: str = "test"
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return SUITE/NAME, the patch's path in FOLDER, or its file name if it is elsewhere."""
        return name_of(self.patch)

    @property
    def slug(self) -> str:
        """The name, for use as a part of a file name."""
        return self.name.replace("/", "-")


def name_of(patch: Path) -> str:
    path = patch.relative_to(FOLDER) if patch.is_relative_to(FOLDER) else Path(patch.name)
    return path.with_suffix("").as_posix()


def patches(only: str = "") -> list[Path]:
    """The patches whose names contain this string, a part of NAME or SUITE/NAME."""
    return [p for p in sorted(FOLDER.rglob("*.patch")) if only in name_of(p)]


def read(patch: Path) -> Defect:
    headers = dict(re.findall(r"^# (suite|expect|boot): *(.*?) *$", patch.read_text(), re.MULTILINE))
    if "suite" not in headers or "expect" not in headers:
        raise StepFailed(f"{patch}: its header names no suite or no expected failure")
    words = dict(w.split("=", 1) for w in headers.get("boot", "").split())
    defect = Defect(patch, headers["suite"], headers["expect"])
    defect.in_kernel = "\n+++ b/patches/" in patch.read_text()
    defect.flavour = words.pop("flavour", "ordinary")
    defect.script = words.pop("script", "test")
    defect.hooked = words.pop("hooked", "0") == "1"
    if defect.in_kernel and not defect.hooked and defect.suite != "models":
        raise StepFailed(f"{patch}: it is in a hook, and its boot line has no hooked=1")
    defect.machine = Machine(smp=int(words.pop("smp", 4)), aia=words.pop("aia", "none"),
                             spike=words.pop("spike", "0") == "1")
    numbers = matrix.FEWEST if defect.machine.spike else matrix.SHORT
    if defect.suite == "fetch":
        numbers = matrix.FETCH_FEW if defect.machine.spike else matrix.FETCH_NUMBERS
    else:
        numbers = {**numbers, **matrix.LITMUS}
    defect.parameters = {**numbers, **words}
    return defect


def copy(defect: Defect, tree: Path) -> None:
    """Create a copy of our tree with the defect in it.

    The objects of the previous defect are kept. Only files whose content differs are
    copied, with new modification times, so make builds only what the previous defect
    and this one change.
    """
    tree.mkdir(parents=True, exist_ok=True)
    progress.output(["rsync", "-rlp", "--checksum", "--delete", "--exclude=/.git",
                     "--exclude=/build", f"{paths.TOP}/", f"{tree}/"])
    with defect.patch.open() as text:
        r = subprocess.run(["patch", "-p1", "-f", "--no-backup-if-mismatch", "-d", tree],
                           stdin=text, capture_output=True, text=True, check=False)
    if r.returncode:
        raise StepFailed(f"the patch does not apply:\n{r.stdout}{r.stderr}")


def with_suite(built: dict[str, Path], name: str) -> tuple[str, ...]:
    """The KUnit modules that contain the suite, or all if it is found in none."""
    kunit = suite.kunit_modules(built)
    found = tuple(m for m in kunit if name.encode() + b"\0" in built[m].read_bytes())
    return found or kunit


def row_failed(defect: Defect, tools: dict[str, str], built: modules.Built) -> Failed:
    """The failures in a guest that runs none of our suites."""
    machine, words = defect.machine, defect.parameters
    row: matrix.Row
    if defect.suite == "selftests":
        row = tests = matrix.Selftests(defect.flavour, machine.smp, machine.aia,
                                       limits=matrix.SLOW, hooked=defect.hooked)
        results = selftests.boot_row(tests, tools, (words.get("tests", "test.d/00basic"),), built)
    elif defect.suite == "ledger":
        row = counted = matrix.Ledger(defect.flavour, machine.smp, machine.aia,
                                      limits=matrix.SLOW, hooked=defect.hooked)
        results = ledger.run_row(counted, tools, built).results
    else:
        row = load = matrix.Stress(defect.flavour, machine.smp, machine.aia, limits=matrix.SLOW,
                                   hooked=defect.hooked)
        results = stress.boot_row(load, tools, int(words.get("seed", 1)),
                                  int(words.get("seconds", 60)), built)
    return [r.name for r in results.failures()], paths.LOGS / f"guest-{row.name}.log"


def bare_row(defect: Defect) -> matrix.Bare:
    rows = [r for r in matrix.BARE if r.name == f"bare.{defect.parameters.get('row')}"]
    if not rows:
        raise StepFailed(f"{defect.patch}: its boot line names no row of matrix.BARE")
    return rows[0]


def fetch_row(defect: Defect) -> matrix.Fetch:
    row = matrix.FetchSpike if defect.machine.spike else matrix.Fetch
    return row(defect.flavour, defect.machine.smp, defect.machine.aia, defect.parameters,
               matrix.SLOW, defect.hooked)


def beginnings(names: list[str]) -> list[str]:
    """The parts of each text that end at a colon: a name and its details may contain colons."""
    return [": ".join(words[:n]) for words in (name.split(": ") for name in names)
            for n in range(1, len(words) + 1)]


def failed(defect: Defect, tools: dict[str, str], step: Step) -> Failed:
    """The names of the tests that fail with the defect, and the path of the log."""
    tree = WORK / "tree"
    copy(defect, tree)
    if defect.suite == "host":
        results = host.run(tools, tree, WORK)
        return [r.name for r in results.failures()], None
    if defect.suite == "models":
        r = subprocess.run([sys.executable, tree / "scripts/litmus.py", "--models"],
                           capture_output=True, text=True, check=False)
        return beginnings(re.findall(r"^  FAILED (.+)", r.stdout, re.MULTILINE)), None
    if defect.suite == "bare":
        row = bare_row(defect)
        results = bare.boot_row(row, tree)
        return [r.name for r in results.failures()], paths.LOGS / f"{row.name}-defect.log"
    if defect.suite == "fetch":
        guest = f"defect-{defect.slug}"
        results = fetch_litmus.boot_row(fetch_row(defect), tools, tree, guest)
        return [r.name for r in results.failures()], paths.LOGS / f"guest-{guest}.log"
    if not defect.in_kernel:
        return failed_in(kernel.build(defect.flavour, defect.hooked, tools), defect, tools, tree,
                         step)
    # The folder had the patches of another defect.
    kernel.hooks_digest.cache_clear()
    if kernel.series_digest(tree / "patches") == kernel.series_digest(paths.PATCHES):
        raise StepFailed(f"{defect.patch}: it does not change the kernel")
    k = kernel.build(defect.flavour, defect.hooked, tools, tree / "patches")
    try:
        return failed_in(k, defect, tools, tree, step)
    finally:
        kernel.remove(k)


def failed_in(k: kernel.Kernel, defect: Defect, tools: dict[str, str], tree: Path,
              step: Step) -> Failed:
    """The same, for a defect that needs a kernel."""
    built = modules.build(k, tools, tree, WORK / k.name.rsplit("-", 1)[0],
                          paths.LOGS / f"modules-defect-{defect.slug}.log")
    if defect.suite == "compiled":
        results = disassembly.check(tools, k.obj, list(built.values()))
        return beginnings([r.name for r in results.failures()]), None
    if defect.suite == "compile_fail":
        return [r.name for r in compile_fail.on_kernel(built, tree).failures()], None
    machine = defect.machine
    if defect.suite in ("selftests", "stress", "ledger"):
        return row_failed(defect, tools, (k, built))
    # The guest's own checks run after all suites.
    kunit = suite.kunit_modules(built)
    litmus = defect.suite == "litmus"
    if litmus:
        kunit = ()
    elif defect.suite != "guest":
        kunit = with_suite(built, defect.suite)
        test = defect.expect.split(".")[-1]
        # Run only the test that must fail, unless the guest is expected to die.
        glob = f"{defect.suite}.*" if test in ("guest", "kernel log") else f"{defect.suite}.{test}"
        machine.append = f"kunit.filter_glob={glob}"
    elif defect.script != "test":
        # Run only the script's own checks.
        kunit, machine.append = ("rust_riscv_kunit_cpuhp",), "kunit.filter_glob=none.none"
    boot = suite.boot(k, tools, built, f"defect-{defect.slug}", machine, matrix.SLOW, step,
                      kunit=kunit, litmus=litmus, parameters=defect.parameters,
                      **suite.kind(defect.script, k))
    pages = defect.script == "test" and suite.checks_pages(machine)
    names = [r.name for r in suite.results(k, boot, kunit, litmus, pages).failures()]
    return names + died_in(defect, boot), boot.log


def died_in(defect: Defect, boot: Boot) -> list[str]:
    """The expected failure, if the guest died in its suite: no other test ran in it."""
    begun = any(line.endswith(f"# Subtest: {defect.suite}") for line in boot.lines)
    return [defect.expect] if boot.outcome == "died" and begun else []


def seen(defect: Defect, failures: list[str]) -> bool:
    wanted = f".{defect.expect}."
    return any(wanted in f".{name}." for name in failures)


def run_one(defect: Defect, tools: dict[str, str]) -> Results:
    results = Results()
    reason = bare.unable() if defect.suite == "bare" else ""
    if reason or (defect.machine.spike and (reason := spike.unable(tools))):
        return skipped(f"defect {defect.name}", f"defect.{defect.name}", reason)
    step = Step(f"defect {defect.name}")
    try:
        failures, log = failed(defect, tools, step)
    except StepFailed as e:
        failures, log = [], None
        detail = str(e)
    else:
        detail = (f"{defect.expect} did not fail; what failed: {', '.join(failures) or 'nothing'}"
                  f"{f'; the log is {log}' if log else ''}")
    ok = seen(defect, failures)
    results.add(f"defect.{defect.name}", ok, detail)
    step.done(f"{defect.expect} fails, as it must" if ok else "NOT SEEN")
    if not ok:
        print(f"  FAILED defect {defect.name}: {detail}", flush=True)
    return results


def run_all(tools: dict[str, str], only: str) -> Results:
    results = Results()
    found = patches(only)
    if not found:
        results.add("defects", False, f"there is no {only or 'patch'} in {FOLDER}")
    with locked(paths.BUILD / "defects.lock", "defects"):
        for patch in found:
            results.extend(run_one(read(patch), tools))
        shutil.rmtree(WORK, ignore_errors=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="?", default="", help="only defects with this in their names")
    args = parser.parse_args()
    spikes = not spike.unable() and any(read(p).machine.spike for p in patches(args.only))
    return run_all(toolchain.load(*["spike"] if spikes else []), args.only).report()


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
