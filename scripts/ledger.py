#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count what operations that patch text cost on all harts, with C and with Rust.

Prints "ledger: OPERATION.COST harts=H ipi=sbi c=N rust=N" for each cost of an operation, and
writes build/ledger/ledger.md. Checks operations of known cost, and the limits for Rust. Ends
with "N passed, N failed".
"""

import argparse

from harness import ledger, matrix, progress, toolchain
from harness.progress import StepFailed
from harness.results import Results


def run_all(tools: dict[str, str], only: str) -> Results:
    results = Results()
    operations: list[ledger.Operation] = []
    for row in matrix.select(only, matrix.LEDGER):
        found = ledger.run_row(row, tools)
        for r in found.results.failures():
            print(f"  FAILED {row.name}: {r.name}: {r.detail}", flush=True)
        for operation in found.operations:
            print("\n".join(operation.lines()), flush=True)
        results.extend(found.results)
        operations += found.operations
    ledger.OUT.mkdir(parents=True, exist_ok=True)
    (ledger.OUT / "ledger.md").write_text(ledger.table(operations))
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    matrix.only_option(parser)
    args = parser.parse_args()
    if not matrix.select(args.only, matrix.LEDGER):
        raise StepFailed(f"no guest has {args.only} in its name; there are "
                         f"{', '.join(row.name for row in matrix.LEDGER)}")
    return run_all(toolchain.load(), args.only).report()


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
