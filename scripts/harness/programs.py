# SPDX-License-Identifier: GPL-2.0
"""Builds user-space programs for the guest, in C with the kernel's nolibc."""

import subprocess
from pathlib import Path

from harness import llvm, paths, progress, store, toolchain
from harness.kernel import Kernel
from harness.lock import locked
from harness.progress import StepFailed

FOLDER = paths.TOP / "rust/tests/user"


def headers(kernel: Kernel, tools: dict[str, str]) -> Path:
    """Install the kernel's user-space headers with "make headers".

    Not in the kernel's build folder, from which modules and other kernels are built.
    """
    top = paths.cache() / "headers"
    folder = top / kernel.name
    with locked(paths.cache() / "headers.lock", "the kernel's user-space headers"):
        if not store.complete(folder):
            for old in top.glob("*"):
                if not (paths.cache() / "kernels" / old.name).exists():
                    store.remove(old)
            partial = store.start(folder)
            progress.run("installing the kernel's user-space headers",
                         ["make", "-C", kernel.tree, f"O={partial}", "ARCH=riscv",
                          f"LLVM={tools['LLVM']}", "headers"],
                         paths.LOGS / "headers.log", env=toolchain.environment())
            store.finish(partial, folder)
    return folder / "usr/include"


def build(kernel: Kernel, tools: dict[str, str]) -> dict[str, Path]:
    """Build all programs in FOLDER, and return their paths in the guest and on the host."""
    include = headers(kernel, tools)
    out = paths.BUILD / "programs"
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for source in sorted(FOLDER.glob("*.c")):
        program = out / source.stem
        clang = llvm.program(tools, "clang")
        r = subprocess.run(
            [clang, "--target=riscv64-linux-gnu", "-march=rv64gc", "-mabi=lp64d", "-O2", "-Wall",
             "-Wextra", "-Werror", "-static", "-nostdlib", "-nostdinc", "-fuse-ld=lld",
             "-fno-stack-protector", "-include", kernel.tree / "tools/include/nolibc/nolibc.h",
             "-isystem", include, "-I", kernel.tree / "tools/include/nolibc",
             "-o", program, source],
            capture_output=True, text=True, check=False)
        if r.returncode:
            raise StepFailed(f"{source} does not compile:\n{r.stderr[-3000:]}")
        found[f"programs/{source.stem}"] = program
    return found
