#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The test suite: host tests, checkers, litmus tests, guests with KUnit and their own checks.

Ends with "N passed, N failed"; the exit status is 0 only if nothing failed.
"""

import argparse
import os
import secrets
import sys
import time

import litmus
from rr import (
    bare,
    faults,
    host,
    kernel,
    lint,
    matrix,
    misuse,
    modules,
    progress,
    selftests,
    stopped,
    stress,
    suite,
    toolchain,
)
from rr.progress import Step, StepFailed
from rr.results import Results


def show(name: str, results: Results) -> None:
    for r in results.failures():
        detail = f": {r.detail}" if r.detail else ""
        print(f"  FAILED {name}: {r.name}{detail}", flush=True)


def run_row(row: matrix.Row, tools: dict, prepared: dict) -> Results:
    """One guest: build what it needs, boot it, read it."""
    results = Results()
    key = (row.flavour, row.hooked)
    try:
        if key not in prepared:
            k = kernel.build(row.flavour, row.hooked, tools)
            built = modules.build(k, tools)
            prepared[key] = (k, built)
            results.extend(built_code(row, tools, built))
        k, built = prepared[key]
    except StepFailed as e:
        results.add("build", False, str(e))
        return results
    missing = [m for m in matrix.MODULES if m not in built]
    if missing:
        results.add("build", False, f"no {', '.join(missing)} came of it")
        return results
    hotplug = row.script == "hotplug"
    kunit = ("rust_riscv_kunit_cpuhp",) if hotplug else suite.kunit_modules(built)
    step = Step(row.title)
    boot = suite.boot(k, tools, built, row.name, row.machine, row.limits, step, kunit=kunit,
                      litmus=bool(row.litmus), parameters={**row.parameters, **row.litmus},
                      **suite.kind(row.script, k))
    # Where IPIs are not SBI's, all there is to see is that the module says so.
    ran = kunit if not hotplug or row.aia == "none" else ()
    results.extend(suite.results(k, boot, ran, litmus=bool(row.litmus), pages=not hotplug))
    step.done(results.short())
    return results


def built_code(row: matrix.Row, tools: dict, built: dict) -> Results:
    """Checks of the built modules; KASAN's calls are not of our making."""
    results = Results()
    if row.flavour == "ordinary":
        results.extend(misuse.run(built))
        found = stopped.problems(tools, [built[m] for m in matrix.MODULES if m in built])
        results.add("stopped code calls nothing traced", not found, "; ".join(found))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole matrix, large numbers")
    parser.add_argument("--host", action="store_true", help="only the host tests")
    parser.add_argument("--only", default=os.environ.get("ONLY", ""),
                        help="only guests with these words in their names")
    args = parser.parse_args()
    start = time.monotonic()
    # A guest that is asked for needs no litmus tests; ONLY=litmus needs no guest.
    models = not args.host and all(w in "litmus" for w in args.only.split())
    tools = toolchain.load(*["cargo"] if models else [])

    step = Step("host tests")
    all_results = host.run(tools)
    step.done(all_results.short())
    show("host", all_results)
    if args.host:
        return all_results.report()

    if not args.host and all(w in "lint" for w in args.only.split()):
        results = lint.run(tools, [])
        show("lint", results)
        all_results.extend(results)

    if models:
        results = litmus.run_all(tools)
        show("litmus", results)
        all_results.extend(results)

    prepared = {}
    rows = matrix.select(args.only, matrix.TEST_FULL if args.full else matrix.TEST)
    for row in rows:
        results = run_row(row, tools, prepared)
        show(row.name, results)
        all_results.extend(results)
    for row in matrix.select(args.only, matrix.SELFTESTS_FULL if args.full else matrix.SELFTESTS):
        results = selftests.boot_row(row, tools)
        show(row.name, results)
        all_results.extend(results)
    for row in matrix.select(args.only, matrix.STRESS_FULL if args.full else matrix.STRESS):
        results = stress.boot_row(row, tools, secrets.randbelow(1_000_000),
                                  matrix.STRESS_SECONDS)
        show(row.name, results)
        all_results.extend(results)
    for row in matrix.select(args.only, matrix.FAULTS_FULL if args.full else matrix.FAULTS):
        results = faults.boot_row(row, tools)
        show(row.name, results)
        all_results.extend(results)
    for row in matrix.select(args.only, matrix.BARE_FULL if args.full else matrix.BARE):
        results = bare.boot_row(row)
        show(row.name, results)
        all_results.extend(results)
    if args.full and not args.only:
        import defects
        all_results.extend(defects.run_all(tools, ""))
    print(f"{progress.clock(time.monotonic() - start)} all of it", flush=True)
    return all_results.report()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    progress.main(main)
