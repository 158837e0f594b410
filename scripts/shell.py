#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run an interactive guest with the modules loaded."""

import os

from harness import guest, initramfs, kernel, matrix, modules, paths, progress, suite, toolchain
from harness.guest import Machine


def main() -> int:
    tools = toolchain.load()
    k = kernel.build(os.environ.get("FLAVOUR") or "ordinary", kernel.hooks_wanted(), tools)
    suite.needs_shell(k)
    built = modules.build(k, tools)
    load = [m for m in (*matrix.MODULES, matrix.SAMPLE) if m in built]
    machine = Machine(smp=int(os.environ.get("SMP") or 4), aia=os.environ.get("AIA") or "none",
                      append=os.environ.get("APPEND", ""))
    image = paths.BUILD / "initramfs/shell.cpio.gz"
    image.parent.mkdir(parents=True, exist_ok=True)
    # All modules are in /modules; the KUnit ones are for the user to load.
    initramfs.build(image, paths.SCRIPTS / "guest/shell.sh", list(built.values()),
                    {"LOAD": " ".join(load),
                     **suite.module_parameters(tools, machine, built, tuple(load), {})})
    args = [str(a) for a in guest.command(k, tools, image, machine)]
    args[args.index("stdio")] = "mon:stdio"
    print(f"{machine}; ctrl-a x ends QEMU", flush=True)
    os.execv(args[0], args)


progress.main(main)
