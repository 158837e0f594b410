# SPDX-License-Identifier: GPL-2.0
"""Fetches programs from Debian's archive into the cache, without installing them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness import paths, progress, store
from harness.lock import locked
from harness.progress import StepFailed

SUITES = ("trixie", "forky", "sid")

# The size of a package in bytes, including apt's lists.
SIZE = 150_000_000


def available() -> bool:
    """Whether this machine has apt and dpkg, which fetch and unpack packages."""
    return all(map(shutil.which, ("apt-get", "dpkg")))


def architecture(what: str, hint: str = "") -> str:
    """Debian's name of this machine's architecture.

    Raises StepFailed, which says that what cannot be fetched, if there is no apt here.
    """
    if not available():
        raise StepFailed(f"{what} is fetched with apt, which is not here. {hint}".rstrip())
    found = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                           check=False)
    if found.returncode:
        raise StepFailed(f"dpkg does not say what this machine is: {found.stderr.strip()}")
    return found.stdout.strip()


def fetch(name: str, what: str, packages: Sequence[str], suite: str, size: int,
          hint: str = "") -> Path:
    """The folder in the cache in which the packages, for this machine, are unpacked.

    size is the space that they need in bytes, with apt's lists.
    """
    folder = paths.cache() / name
    with locked(paths.cache() / f"{name}.lock", f"fetching {what}"):
        if not store.complete(folder):
            arch = architecture(what, hint)
            with store.room(folder.parent, what, size):
                partial = store.start(folder)
                for package in packages:
                    progress.run(f"fetching {package} from {suite}",
                                 [paths.SCRIPTS / "fetch-deb.sh", suite, arch, package, partial],
                                 paths.LOGS / f"fetch-{package}.log", hint)
                store.finish(partial, folder)
    return folder


def program(name: str, package: str, binary: str) -> Path:
    """Return the path of a static riscv64 program, usr/bin/BINARY or bin/BINARY of the package.

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
    """A bash for scripts that do not work in busybox's shell: in that of 1.38.0, "read" never
    returns after a trap has run."""
    return program("guest_bash", "bash-static", "bash-static")
