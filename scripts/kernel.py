#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Build a kernel into the cache and print its build folder (KDIR).

Progress goes to stderr, so that the path can be captured.
"""

import argparse
import contextlib
import sys

from harness import kernel, progress, toolchain
from harness.flavours import FLAVOURS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.add_argument("--flavour", choices=sorted(FLAVOURS), default="ordinary")
    parser.add_argument("--hooks", action="store_true", default=kernel.hooks_wanted())
    args = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):
        k = kernel.build(args.flavour, args.hooks, toolchain.load())
    print(k.obj)
    return 0


progress.main(main)
