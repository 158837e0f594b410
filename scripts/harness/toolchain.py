# SPDX-License-Identifier: GPL-2.0
"""The tools that bootstrap.sh finds."""

import os
import subprocess

from harness import paths
from harness.progress import StepFailed


def load(*more: str) -> dict[str, str]:
    """Find the tools, and those in more; install missing ones. Fast if none is missing."""
    # A separate file, since another run in this folder may use other tools.
    found = paths.TOOLCHAIN.with_name(f"toolchain.{os.getpid()}")
    rc = subprocess.call([paths.SCRIPTS / "bootstrap.sh", found, *more])
    if rc:
        raise StepFailed("The tools are not complete; see above.")
    lines = found.read_text().splitlines()
    found.replace(paths.TOOLCHAIN)
    return dict(line.split("=", 1) for line in lines if "=" in line)


def make_variables(tools: dict[str, str]) -> list[str]:
    """The variables on make's command line for a kernel or module build for RISC-V."""
    library = tools.get("RUST_LIB_SRC")
    return [
        *([f"RUST_LIB_SRC={library}"] if library else []),
        "ARCH=riscv",
        f"LLVM={tools['LLVM']}",
        f"RUSTC={tools['RUSTC']}",
        f"RUSTDOC={tools['RUSTDOC']}",
        f"HOSTRUSTC={tools['RUSTC']}",
        f"BINDGEN={tools['BINDGEN']}",
    ]


def identity(tools: dict[str, str]) -> str:
    """The tools that the output of a build depends on."""
    keys = ("LLVM", "CLANG_VERSION", "RUSTC", "RUSTC_VERSION", "BINDGEN_VERSION")
    return "\n".join(f"{k}={tools[k]}" for k in keys)


def jobs() -> str:
    return f"-j{os.environ.get('JOBS') or os.cpu_count() or 1}"


def environment() -> dict[str, str]:
    """The environment without variables that an outer make would pass to an inner one."""
    drop = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "KBUILD_OUTPUT", "O", "M", "MO",
            "KCONFIG_ALLCONFIG", "LLVM", "RUSTC", "BINDGEN", "CROSS_COMPILE", "ARCH")
    kept = {k: v for k, v in os.environ.items() if k not in drop}
    # Messages are in English, since tests and scripts parse them.
    return kept | {"LC_ALL": "C.UTF-8"}
