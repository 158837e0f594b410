#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare C and Rust, alternating in the same boot: medians and ratios.

Prints a line "bench: NAME key=value ... ratio=R" for each figure (ratio = C / Rust:
above 1 is better), and writes build/bench/results.json, results.md and results.svg. Then
counts the cost of operations for all harts, as "make ledger" does. The exit status is 0 only if
every figure could be measured and reaches its minimum.
"""

import argparse
import json
from typing import Any

import ledger
from harness import (
    figures,
    guest,
    kernel,
    kernlog,
    matrix,
    modules,
    paths,
    plot,
    programs,
    progress,
    suite,
    toolchain,
)
from harness.progress import Step, StepFailed, tail

OUT = paths.BUILD / "bench"


def run(bench: matrix.Bench, tools: dict[str, str]) -> tuple[list[figures.Figure], list[str]]:
    """Boot one guest, and return its figures and problems."""
    k = kernel.build("ordinary", bench.hooked, tools)
    built = modules.build(k, tools)
    step = Step(f"{bench.name}: {bench.machine}")
    boot = suite.boot(k, tools, built, f"bench-{bench.label}", bench.machine, bench.limits, step,
                      script=paths.SCRIPTS / f"guest/bench/{bench.name}.sh", load=bench.load,
                      parameters=bench.parameters,
                      settings={"PAIRS": bench.pairs, **bench.settings},
                      files=programs.build(k, tools))
    keys: dict[str, Any] = {"harts": bench.machine.smp, "ipi": bench.machine.ipi}
    if bench.machine.icount:
        keys["counted"] = "instructions"
    found = figures.parse(guest.said(boot.lines), keys)
    for figure in found:
        figure.minimum = matrix.minimum(figure.name, figure.keys)
    problems = [f"{r.name}: {r.detail}" for r in suite.guest_checks(boot).failures()]
    if complaints := kernlog.report(boot.lines, boot.log):
        problems.append(complaints)
    if not boot.ok:
        problems.append(f"{boot.ended}; the end of {boot.log}:\n{tail(boot.log)}")
    problems += [f"{problem}; see {boot.log}"
                 for problem in figures.missing(found, matrix.figures_of(bench))]
    step.done(f"{len(found)} figures" + (", PROBLEMS" if problems else ""))
    return found, problems


def show(figure: figures.Figure) -> bool:
    """Print a figure, and return whether it is below its minimum."""
    print(figure.line() + (f"  # {figure.problem}" if figure.problem else ""), flush=True)
    return bool(figure.problem)


def table(found: list[figures.Figure]) -> str:
    lines = ["| figure | where | C or other | Rust | ratio | at least |", "|---|---|---|---|---|---|"]
    for f in found:
        sides = [f"{side} {figures.number(f.json()['medians'][side])} {f.unit}"
                 if side in f.sides else "–" for side in (f.base, "rust")]
        ratio = "–" if f.ratio is None else f"{f.ratio:.3g}"
        least = "–" if f.minimum is None else f"{f.minimum:g}"
        where = " ".join(f"{k}={v}" for k, v in f.keys.items())
        lines.append(f"| {f.name} | {where} | {sides[0]} | {sides[1]} | {ratio} | {least} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    matrix.only_option(parser)
    args = parser.parse_args()
    tools = toolchain.load()
    chosen = [b for b in matrix.BENCH if matrix.matches(args.only, b.label)]
    if not chosen and not matrix.select(args.only, matrix.LEDGER):
        names = [b.label for b in matrix.BENCH] + [row.name for row in matrix.LEDGER]
        raise StepFailed(f"no benchmark is called {args.only}; there are {', '.join(names)}")
    found: list[figures.Figure] = []
    wrong = 0
    for bench in chosen:
        got, problems = run(bench, tools)
        found += got
        for problem in problems:
            print(f"  FAILED {bench.label}: {problem}", flush=True)
        wrong += len(problems)
        for figure in got:
            wrong += show(figure)
    for name in ("ftrace-enable", "ftrace-disable"):
        for figure in figures.flatness(found, name, matrix.FLATNESS):
            found.append(figure)
            wrong += show(figure)
    wrong += len(ledger.run_all(tools, args.only).failures())
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps([f.json() for f in found], indent=1) + "\n")
    (OUT / "results.md").write_text(table(found))
    if picture := plot.svg(found):
        (OUT / "results.svg").write_text(picture)
    print(f"{OUT / 'results.json'}: {len(found)} figures; "
          f"{sum(bool(f.problem) for f in found)} fall short, {wrong} problems in all")
    return 1 if wrong else 0


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
