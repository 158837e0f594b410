#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Fetch and unpack the kernel source, and print its path."""

from harness import progress, source


def main() -> int:
    found = source.get()
    print(f"kernel source: {found.version}, {found.origin}, in {found.tree}")
    return 0


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
