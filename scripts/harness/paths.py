# SPDX-License-Identifier: GPL-2.0
"""The paths of our folders."""

import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SCRIPTS = TOP / "scripts"
PATCHES = TOP / "patches"
BUILD = TOP / "build"
LOGS = BUILD / "logs"
TOOLCHAIN = BUILD / "toolchain"


def cache() -> Path:
    """The cache of kernel sources, kernels and tools, which is independent of a checkout."""
    if os.environ.get("CACHE"):
        return Path(os.environ["CACHE"]).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base).absolute() / "rust-riscv"
