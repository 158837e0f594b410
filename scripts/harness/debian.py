# SPDX-License-Identifier: GPL-2.0
"""Fetches static riscv64 programs for guests from Debian's archive."""

import os
from pathlib import Path

from harness import paths, progress, store
from harness.lock import locked
from harness.progress import StepFailed

SUITES = ("trixie", "forky", "sid")

# The size of a package in bytes, including apt's lists.
SIZE = 150_000_000


def program(name: str, package: str, binary: str) -> Path:
    """Return the path of a program that the package contains as usr/bin/BINARY or bin/BINARY.

    The environment variable with its name can name another program to use instead.
    """
    setting = name.upper()
    if os.environ.get(setting):
        return Path(os.environ[setting])
    folder = paths.cache() / name
    with locked(paths.cache() / f"{name}.lock", f"fetching {name}"):
        for suite in () if store.complete(folder) else SUITES:
            try:
                with store.room(folder.parent, name, SIZE):
                    partial = store.start(folder)
                    progress.run(f"fetching {name} for riscv64 from {suite}",
                                 [paths.SCRIPTS / "fetch-deb.sh", suite, "riscv64",
                                  package, partial],
                                 paths.LOGS / f"fetch-{name}-{suite}.log")
                    store.finish(partial, folder)
            except StepFailed as e:
                error = e
                continue
            break
        else:
            if not store.complete(folder):
                raise StepFailed(f"{error}\nNo {name} could be had. Set {setting}= to a static "
                                 "riscv64 one.")
    for path in (f"usr/bin/{binary}", f"bin/{binary}"):
        if (folder / path).exists():
            return folder / path
    raise StepFailed(f"{folder} has no {binary} in it; remove it and run this again")


def busybox() -> Path:
    return program("busybox", "busybox-static", "busybox")


def guest_bash() -> Path:
    """For scripts that busybox's shell does not run: in that of 1.38.0, "read" never
    returns once a trap has run."""
    return program("guest_bash", "bash-static", "bash-static")
