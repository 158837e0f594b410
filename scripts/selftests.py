#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the kernel's own tests of users of text patching, with C and with Rust in one boot.

Runs all of them; "make test" runs only a part of ftracetest. Ends with "N passed, N failed":
a test passes if it ended the same way with both.
"""

import argparse
import functools
import os

from harness import kernel, matrix, progress, selftests, suite, toolchain
from harness.results import Results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    matrix.only_option(parser)
    parser.add_argument("--tests", default=os.environ.get("TESTS", ""),
                        help="a part of ftracetest, such as test.d/kprobe, instead of all")
    args = parser.parse_args()
    tools = toolchain.load()
    rows: tuple[matrix.Selftests, ...] = matrix.SELFTESTS
    if args.only:
        rows = matrix.select(args.only, matrix.SELFTESTS_FULL)
    tests = tuple(args.tests.split()) or matrix.FTRACETEST
    results = Results()
    for row in rows:
        row.hooked = kernel.hooks_wanted()
        results.extend(suite.guarded(
            row.name, functools.partial(selftests.boot_row, row, tools, tests)))
    return results.report()


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
