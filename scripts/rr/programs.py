# SPDX-License-Identifier: GPL-2.0
"""User-space programs for the guest: C on the kernel tree's own nolibc."""

import subprocess
from pathlib import Path

from rr import paths
from rr.kernel import Kernel
from rr.progress import StepFailed

FOLDER = paths.TOP / "rust/tests/user"


def headers(kernel: Kernel, tools: dict) -> Path:
    """The kernel's user-space headers, as "make headers" makes them."""
    out = kernel.obj / "usr/include"
    if not (out / "linux/unistd.h").exists():
        subprocess.run(["make", "-C", kernel.tree, "O=obj", "ARCH=riscv", f"LLVM={tools['LLVM']}",
                        "headers"], check=True, stdout=subprocess.DEVNULL)
    return out


def build(kernel: Kernel, tools: dict) -> dict:
    """Build all of FOLDER; their places in the guest, and here."""
    include = headers(kernel, tools)
    out = paths.BUILD / "programs"
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for source in sorted(FOLDER.glob("*.c")):
        program = out / source.stem
        clang = "clang" + (tools["LLVM"] if tools["LLVM"] != "1" else "")
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
