#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the test suite: host tests, checkers, litmus tests, and guests with KUnit and other checks.

Ends with "N passed, N failed"; the exit status is 0 only if nothing failed.
"""

import argparse
import functools
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic

import litmus
from harness import (
    bare,
    compile_fail,
    compressed,
    faults,
    fetch_litmus,
    host,
    in_tree,
    kernel,
    ledger,
    lint,
    matrix,
    modules,
    opensbi,
    progress,
    selftests,
    spike,
    stopped,
    stress,
    suite,
    toolchain,
)
from harness.flavours import FLAVOURS
from harness.matrix import R
from harness.progress import Step, StepFailed
from harness.results import Results, skipped

# By flavour and hooks.
Prepared = dict[tuple[str, bool], modules.Built]


def run_row(row: matrix.Row, tools: dict[str, str], prepared: Prepared) -> Results:
    """Build what a guest needs, boot it, and collect its results."""
    results = Results()
    key = (row.flavour, row.hooked)
    if key not in prepared:
        prepared[key] = modules.for_row(row.flavour, row.hooked, tools)
        results.extend(built_code(*prepared[key], tools))
    k, built = prepared[key]
    missing = [m for m in matrix.MODULES if m not in built]
    if missing:
        results.add("build", False, f"no {', '.join(missing)} came of it")
        return results
    hotplug = row.script == "hotplug"
    kunit = ("rust_riscv_kunit_cpuhp",) if hotplug else row.suites or suite.kunit_modules(built)
    seed = int(os.environ.get("SEED") or secrets.randbelow(1_000_000))
    step = Step(f"{row.title}, seed {seed}" if row.adversary else row.title)
    boot = suite.boot(k, tools, built, row.name, row.machine, row.limits, step, kunit=kunit,
                      litmus=bool(row.litmus),
                      parameters={**row.parameters, **row.litmus, **row.delays(seed)},
                      **suite.kind(row.script, k))
    # If the IPIs are not those of SBI, only the module's error message can be checked.
    ran = kunit if not hotplug or row.aia == "none" else ()
    results.extend(suite.results(k, boot, ran, litmus=bool(row.litmus),
                                 pages=not hotplug and suite.checks_pages(row.machine)))
    step.done(results.short())
    return results


def run_spike(row: matrix.Row, tools: dict[str, str], prepared: Prepared) -> Results:
    """Run a guest in Spike, if Spike is available."""
    if reason := spike.unable(tools):
        return skipped(row.title, row.name, reason)
    return run_row(row, tools, prepared)


def built_code(k: kernel.Kernel, built: dict[str, Path], tools: dict[str, str]) -> Results:
    """Check the built modules. Calls that KASAN adds do not count."""
    results = Results()
    if not FLAVOURS[k.flavour].compressed:
        firmware = opensbi.without_c(tools) / "fw_dynamic.elf"
        results.extend(compressed.results(k, tools, built, firmware))
    if k.flavour == "ordinary":
        results.extend(compile_fail.on_kernel(built))
        found = stopped.problems(tools, [built[m] for m in matrix.MODULES if m in built])
        results.add("stopped code calls nothing traced", not found, "; ".join(found))
    return results


@dataclass
class Run:
    """The state that all parts of the suite share."""

    tools: dict[str, str]
    full: bool
    prepared: Prepared = field(default_factory=dict)


@dataclass
class Part(Generic[R]):
    """The guests of "make test" and of "make test-full", and what boots one of them."""

    usual: tuple[R, ...]
    full: tuple[R, ...]
    boot: Callable[[R, Run], Results]

    def rows(self, full: bool) -> tuple[R, ...]:
        return self.full if full else self.usual


PARTS: tuple[Part[Any], ...] = (
    Part(matrix.TEST, matrix.TEST_FULL, lambda row, run: run_row(row, run.tools, run.prepared)),
    Part(matrix.SPIKE, matrix.SPIKE, lambda row, run: run_spike(row, run.tools, run.prepared)),
    Part(matrix.SELFTESTS, matrix.SELFTESTS_FULL, lambda row, run: selftests.boot_row(
        row, run.tools, matrix.FTRACETEST if run.full else matrix.FTRACETEST_SHORT)),
    Part(matrix.STRESS, matrix.STRESS_FULL, lambda row, run: stress.boot_row(
        row, run.tools, secrets.randbelow(1_000_000), matrix.STRESS_SECONDS)),
    Part(matrix.LEDGER, matrix.LEDGER_FULL, lambda row, run: ledger.run_row(
        row, run.tools, any_qemu=run.full).results),
    Part(matrix.FAULTS, matrix.FAULTS_FULL, lambda row, run: faults.boot_row(row, run.tools)),
    Part((), matrix.FETCH_FULL, lambda row, run: fetch_litmus.boot_row(row, run.tools)),
    Part(matrix.BARE, matrix.BARE_FULL, lambda row, run: bare.boot_row(row)),
    Part((), matrix.IN_TREE, lambda row, run: in_tree.boot_row(run.tools)),
)


def check_names(only: str, full: bool) -> None:
    """Fail if ONLY selects no part of the suite, instead of passing without having run a test."""
    names = ["lint", "litmus", *(row.name for part in PARTS for row in part.rows(full))]
    if not any(matrix.matches(only, name) for name in names):
        raise StepFailed(f"no part of the suite is called {only}; there are "
                         f"{', '.join(dict.fromkeys(names))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="run all guests, with more repetitions")
    parser.add_argument("--host", action="store_true", help="only the host tests")
    matrix.only_option(parser)
    args = parser.parse_args()
    if not args.host:
        check_names(args.only, args.full)
    start = time.monotonic()
    # With ONLY, litmus tests run only if they are named.
    models = not args.host and matrix.matches(args.only, "litmus")
    rows = (*matrix.SPIKE, *(matrix.FETCH_FULL if args.full else ()))
    spikes = not args.host and not spike.unable() and any(
        row.machine.spike for row in matrix.select(args.only, rows))
    tools = toolchain.load(*["cargo"] if models else [], *["spike"] if spikes else [])

    step = Step("host tests")
    all_results = suite.guarded("host", lambda: host.run(tools))
    step.done(all_results.short())
    if args.host:
        return all_results.report()

    if matrix.matches(args.only, "lint"):
        all_results.extend(suite.guarded("lint", lambda: lint.run(tools, [])))

    if models:
        all_results.extend(suite.guarded("litmus", lambda: litmus.run_all(tools)))

    run = Run(tools, args.full)
    for part in PARTS:
        for row in matrix.select(args.only, part.rows(args.full)):
            all_results.extend(suite.guarded(row.name, functools.partial(part.boot, row, run)))
    if args.full and not args.only:
        import defects
        all_results.extend(suite.guarded("defects", lambda: defects.run_all(tools, "")))
    print(f"{progress.clock(time.monotonic() - start)} all of it", flush=True)
    return all_results.report()


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
