# SPDX-License-Identifier: GPL-2.0
"""The tools bootstrap.sh found."""

import os
import subprocess

from rr import paths
from rr.progress import StepFailed


def load(*more: str) -> dict:
    """Find the tools, and those in more, installing what is missing; fast when all is there."""
    rc = subprocess.call([paths.SCRIPTS / "bootstrap.sh", paths.TOOLCHAIN, *more])
    if rc:
        raise StepFailed("The tools are not complete; see above.")
    lines = paths.TOOLCHAIN.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def make_variables(tools: dict) -> list:
    """What a kernel or module build for RISC-V is given on make's command line."""
    return [
        "ARCH=riscv",
        f"LLVM={tools['LLVM']}",
        f"RUSTC={tools['RUSTC']}",
        f"RUSTDOC={tools['RUSTDOC']}",
        f"HOSTRUSTC={tools['RUSTC']}",
        f"BINDGEN={tools['BINDGEN']}",
    ]


def identity(tools: dict) -> str:
    """What shapes the output of a build."""
    keys = ("LLVM", "CLANG_VERSION", "RUSTC", "RUSTC_VERSION", "BINDGEN_VERSION")
    return "\n".join(f"{k}={tools[k]}" for k in keys)


def jobs() -> str:
    return f"-j{os.environ.get('JOBS') or os.cpu_count() or 1}"


def environment() -> dict:
    """The environment without what an outer make would tell an inner one."""
    drop = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "KBUILD_OUTPUT", "O", "M", "MO",
            "KCONFIG_ALLCONFIG", "LLVM", "RUSTC", "BINDGEN", "CROSS_COMPILE", "ARCH")
    return {k: v for k, v in os.environ.items() if k not in drop}
