# SPDX-License-Identifier: GPL-2.0
"""Runs a guest in which everything that patches text runs at the same time and at random."""

from harness import guest, matrix, modules, paths, programs, selftests, suite
from harness.guest import Boot, Limits
from harness.progress import Step
from harness.results import Results

SCRIPT = paths.SCRIPTS / "guest/stress.sh"


def operations(boot: Boot) -> int:
    return sum(line.startswith("op ") for line in guest.said(boot.lines))


def at_work(boot: Boot) -> Results:
    """Whether our module has patched for the kernel since it was last loaded.

    Any call counts for which C would stop all CPUs, or flush once per site: in a short run not
    every actor has run since.
    """
    results = Results()
    made = selftests.calls(boot, "after")
    results.add("Rust has patched text", bool(made.get("patch") or made.get("queue")),
                f"calls: {made}")
    return results


def last_operations(boot: Boot) -> str:
    """The last operations of the actors, to find the cause of a failure."""
    found = [line for line in guest.said(boot.lines) if line.startswith("op ")]
    return "".join(f"\n    {line}" for line in found[-12:])


def boot_row(row: matrix.Stress, tools: dict[str, str], seed: int, seconds: int,
             given: modules.Built | None = None) -> Results:
    """Boot a guest that runs the stress test for this many seconds, in an order given by seed."""
    results = Results()
    kernel, built = given or modules.for_row(row.flavour, row.hooked, tools)
    files = {**selftests.files(kernel), **programs.build(kernel, tools),
             f"modules/{matrix.SAMPLE}.ko": built[matrix.SAMPLE]}
    step = Step(f"stress, seed {seed}, {seconds} s, {row.title}")
    settings = {"SEED": seed, "DURATION": seconds, "HOOKED": "1" if kernel.hooked else "",
                "DEBUG": "1" if kernel.flavour == "debug" else ""}
    # Operations that have started are completed at the end.
    limits = Limits(silence=row.limits.silence, total=row.limits.total + 2 * seconds)
    boot = suite.boot(kernel, tools, built, row.name, row.machine, limits, step,
                      script=SCRIPT, parameters=row.delays(seed), settings=settings, files=files)
    results.extend(suite.guest_checks(boot))
    if kernel.hooked:
        results.extend(at_work(boot))
    results.extend(suite.ending(boot))
    step.done(f"{operations(boot)} operations, {results.short()}")
    if results.failures():
        hooks = "" if kernel.hooked else " HOOKS=0"
        print(f"    again: make stress SEED={seed} ONLY={row.name}{hooks} DURATION={seconds}"
              f"\n    the last operations:{last_operations(boot)}", flush=True)
    return results
