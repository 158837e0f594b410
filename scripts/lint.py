#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run all checkers, or those that are named. Ends with "N passed, N failed"."""

import argparse

from harness import lint, progress, toolchain


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkers", nargs="*", choices=[[], *lint.CHECKERS], metavar="CHECKER",
                        help=", ".join(lint.CHECKERS))
    args = parser.parse_args()
    return lint.run(toolchain.load(), args.checkers).report()


progress.main(main)
