#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Build the modules against a kernel of the cache, and print their folder."""

import os

from harness import kernel, modules, progress, toolchain


def main() -> int:
    tools = toolchain.load()
    k = kernel.build(os.environ.get("FLAVOUR") or "ordinary", kernel.hooks_wanted(), tools)
    for path in modules.build(k, tools).values():
        print(path)
    return 0


progress.main(main)
