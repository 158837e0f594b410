#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run everything that patches text, at the same time and in random order.

Function tracers, kprobes, static keys, BPF, modules, loading and unloading of our module,
CPU hotplug, and page faults: scripts/guest/stress.sh. A seed, which is printed, determines
what each of them does, and in which order. The guests share the time.
Ends with "N passed, N failed".
"""

import argparse
import functools
import os
import secrets

from harness import kernel, matrix, progress, stress, suite, toolchain
from harness.flavours import FLAVOURS
from harness.results import Results


def chosen(only: str) -> tuple[matrix.Stress, ...]:
    """The guests that are booted: those with these words in their names, or all guests with the
    kernels of "make test"."""
    rows = matrix.select(only, matrix.STRESS_FULL)
    return rows if only else tuple(r for r in rows if FLAVOURS[r.flavour].stock)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    matrix.only_option(parser)
    parser.add_argument("--duration", type=int, help="total seconds",
                        default=int(os.environ.get("DURATION") or 600))
    parser.add_argument("--seed", type=int, help="seed of a run to repeat",
                        default=int(os.environ.get("SEED") or secrets.randbelow(1_000_000)))
    args = parser.parse_args()
    tools = toolchain.load()
    results = Results()
    rows = chosen(args.only)
    for row in rows:
        row.hooked = kernel.hooks_wanted()
        results.extend(suite.guarded(row.name, functools.partial(
            stress.boot_row, row, tools, args.seed, max(args.duration // len(rows), 10))))
    return results.report()


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
