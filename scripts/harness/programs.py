# SPDX-License-Identifier: GPL-2.0
"""Builds user-space programs for the guest, in C with the kernel's nolibc."""

import subprocess
from pathlib import Path

from harness import llvm, paths, progress, store, toolchain
from harness.flavours import FLAVOURS
from harness.kernel import Kernel
from harness.lock import locked
from harness.progress import StepFailed

FOLDER = paths.TOP / "rust/tests/user"
INIT = paths.SCRIPTS / "guest/init.c"


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


def compile_one(kernel: Kernel, tools: dict[str, str], source: Path) -> Path:
    """Build a program for the harts that the kernel is for, and return its path."""
    compressed = FLAVOURS[kernel.flavour].compressed
    out = paths.BUILD / ("programs" if compressed else "programs-no-c")
    out.mkdir(parents=True, exist_ok=True)
    program = out / source.stem
    r = subprocess.run(
        [llvm.program(tools, "clang"), "--target=riscv64-linux-gnu",
         f"-march=rv64g{'c' if compressed else ''}", "-mabi=lp64d", "-O2", "-Wall",
         "-Wextra", "-Werror", "-static", "-nostdlib", "-nostdinc", "-fuse-ld=lld",
         "-fno-stack-protector", "-include", kernel.tree / "tools/include/nolibc/nolibc.h",
         "-isystem", headers(kernel, tools), "-I", kernel.tree / "tools/include/nolibc",
         "-o", program, source],
        capture_output=True, text=True, check=False)
    if r.returncode:
        raise StepFailed(f"{source} does not compile:\n{r.stderr[-3000:]}")
    return program


def build(kernel: Kernel, tools: dict[str, str]) -> dict[str, Path]:
    """Build all programs in FOLDER, and return their paths in the guest and on the host."""
    return {f"programs/{source.stem}": compile_one(kernel, tools, source)
            for source in sorted(FOLDER.glob("*.c"))}


def init(kernel: Kernel, tools: dict[str, str]) -> Path:
    """Build the first process of a guest that has no shell."""
    return compile_one(kernel, tools, INIT)
