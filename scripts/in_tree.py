#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put our sources and the hook series into a kernel tree, KERNEL, and say how to go on."""

import os

from harness import in_tree, progress, toolchain


def main() -> int:
    kernel = os.environ.get("KERNEL", "")
    planned = in_tree.plan(kernel)
    # Only then, since it may install some. That may take minutes, in which the tree may change.
    tools = toolchain.load()
    print(f"{planned.tree}: {in_tree.put(kernel)}")
    print(in_tree.advice(planned, tools))
    return 0


if __name__ == "__main__":
    progress.main(main)
