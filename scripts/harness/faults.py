# SPDX-License-Identifier: GPL-2.0
"""Runs programs that cause page faults, and compares what they observe with C and with Rust."""

import re
from pathlib import Path

from harness import guest, libc, matrix, modules, paths, programs, suite
from harness.guest import Boot
from harness.progress import Step
from harness.results import Results

SCRIPT = paths.SCRIPTS / "guest/faults.sh"
PROGRAMS = ("table", "causes", "gc-1", "gc-8", "race")

# Only the KTAP of the kernel's own programs is compared: the rest contains addresses and times.
KTAP = re.compile(r"^ *(ok|not ok) (\d+)( .*)?$|^(?:# )?Totals:")


def statuses(boot: Boot, side: str) -> dict[str, int]:
    """The exit status of each program, by name."""
    found = {}
    for line in guest.said(boot.lines):
        if m := re.match(rf"result {side} (\S+): (\d+)$", line):
            found[m.group(1)] = int(m.group(2))
    return found


def compare(boot: Boot, name: str) -> tuple[bool, str]:
    """Return whether a program printed the same on both sides, and the first difference."""
    c, rust = (guest.sent(boot.lines, f"{side}-{name}") for side in ("c", "rust"))
    if not c or not rust:
        return False, "one of them said nothing"
    if name.startswith("selftest-"):
        c, rust = ([line for line in lines if KTAP.match(line)] for lines in (c, rust))
        if not c:
            return False, "it ran no test with C"
    for n, (a, b) in enumerate(zip(c, rust)):
        if a != b:
            return False, f"line {n + 1} with C: {a!r}; with Rust: {b!r}"
    return len(c) == len(rust), f"{len(c)} lines with C, {len(rust)} with Rust"


def results(boot: Boot, selftests: tuple[str, ...], hooked: bool) -> Results:
    found = Results()
    c, rust = statuses(boot, "c"), statuses(boot, "rust")
    for name in PROGRAMS:
        for side, status in (("C", c), *((("Rust", rust),) if hooked else ())):
            last = (guest.sent(boot.lines, f"{side.lower()}-{name}") or ["nothing"])[-1]
            found.add(f"faults {name} with {side}", status.get(name) == 0,
                      f"status {status.get(name)}; it said last: {last}")
    if hooked:
        found.add("faults gc, alternating", statuses(boot, "alternating").get("gc") == 0)
        for name in (*PROGRAMS, *(f"selftest-{test}" for test in selftests)):
            same, detail = compare(boot, name)
            if c.get(name) is None or c.get(name) != rust.get(name):
                same, detail = False, f"status {c.get(name)} with C, {rust.get(name)} with Rust"
            found.add(f"same as C: {name}", same, detail)
    return found


def boot_row(row: matrix.Faults, tools: dict[str, str]) -> Results:
    """Boot a guest that runs all programs twice, with C and with Rust."""
    found = Results()
    kernel, built = modules.for_row(row.flavour, row.hooked, tools)
    files = programs.build(kernel, tools)
    selftests = libc.selftests(kernel, tools) if row.hooked else {}
    tests = tuple(Path(name).name for name in selftests)
    step = Step(f"programs that fault, {row.flavour}{' hooked' if row.hooked else ''} kernel, "
                f"{row.machine}")
    settings = {"HOOKED": int(row.hooked), "SELFTESTS": " ".join(tests), **row.parameters}
    boot = suite.boot(kernel, tools, built, row.name, row.machine, row.limits, step,
                      script=SCRIPT, load=("rust_riscv", "rust_riscv_fault"), settings=settings,
                      files={**files, **selftests})
    found.extend(results(boot, tests, row.hooked))
    found.extend(suite.guest_checks(boot))
    found.extend(suite.ending(boot))
    step.done(found.short())
    return found
