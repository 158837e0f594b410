# SPDX-License-Identifier: GPL-2.0
"""Fetches a static C library for riscv64, for tests of the kernel that need one."""

import subprocess
from pathlib import Path

from harness import debian, llvm, paths, programs, progress
from harness.kernel import Kernel
from harness.progress import StepFailed

SUITE = "trixie"
PACKAGES = ("libc6-dev-riscv64-cross", "libc6-riscv64-cross", "linux-libc-dev-riscv64-cross",
            "libgcc-14-dev-riscv64-cross")

# The size of all packages in bytes, including apt's lists.
SIZE = 300_000_000

MM = ("mm/vm_util.c", "mm/hugepage_settings.c")
HWPROBE = ("riscv/hwprobe/sys_hwprobe.S",)

# The tests in tools/testing/selftests that are about protection and faults, and those for riscv
# that run without vectors. (uffd-unit-tests takes minutes in QEMU; userfaultfd is tested by
# rust/tests/user/faults.c.) Each with the sources that it is linked with.
SELFTESTS = {
    "mm/droppable.c": MM,
    "mm/guard-regions.c": MM,
    "mm/madv_populate.c": MM,
    "mm/map_fixed_noreplace.c": MM,
    "mm/map_populate.c": MM,
    "mm/mdwe_test.c": MM,
    "mm/merge.c": MM,
    "mm/mremap_dontunmap.c": MM,
    "mm/mseal_test.c": MM,
    "mm/on-fault-limit.c": MM,
    "riscv/abi/pointer_masking.c": (),
    "riscv/hwprobe/cbo.c": HWPROBE,
    "riscv/hwprobe/hwprobe.c": HWPROBE,
    "riscv/hwprobe/which-cpus.c": HWPROBE,
    "riscv/mm/mmap_bottomup.c": (),
    "riscv/mm/mmap_default.c": (),
}


def root() -> Path:
    """The folder of the library and its headers."""
    return debian.fetch("libc", "a C library for riscv64", PACKAGES, SUITE, SIZE)


def compiler(tools: dict[str, str], *headers: Path) -> list[str | Path]:
    """The command that compiles and links a static program, with headers before the library's."""
    libc = root()
    cross = libc / "usr/riscv64-linux-gnu"
    gcc = next((libc / "usr/lib/gcc-cross/riscv64-linux-gnu").iterdir())
    clang = llvm.program(tools, "clang")
    builtin = progress.output([clang, "-print-resource-dir"]).strip()
    folders: tuple[str | Path, ...] = (f"{builtin}/include", *headers, cross / "include")
    return [clang, "--target=riscv64-linux-gnu", "-march=rv64gc", "-mabi=lp64d", "-O2", "-static",
            "-fuse-ld=lld", "-nostdinc",
            *(word for folder in folders for word in ("-isystem", folder)),
            f"-B{cross}/lib", f"-B{gcc}", f"-L{cross}/lib", f"-L{gcc}"]


def selftests(kernel: Kernel, tools: dict[str, str]) -> dict[str, Path]:
    """Build SELFTESTS, and return their paths in the guest and on the host."""
    compile_with = compiler(tools, programs.headers(kernel, tools))
    top = kernel.tree / "tools/testing/selftests"
    out = paths.BUILD / "selftests"
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for test, more in SELFTESTS.items():
        source = top / test
        program = out / source.stem
        r = subprocess.run(
            [*compile_with, "-w", "-D_GNU_SOURCE=", "-I", source.parent, "-I", top, "-I", top / "mm",
             "-I", kernel.tree / "tools/include", "-I", kernel.tree / "tools/include/uapi",
             # The tests use it without including it. Not for HWPROBE, which is assembly.
             *(() if more == HWPROBE else ("-include", "stdint.h")),
             "-o", program, source, *(top / m for m in more), "-lpthread"],
            capture_output=True, text=True, check=False)
        if r.returncode:
            raise StepFailed(f"{source} does not compile:\n{r.stderr[-3000:]}")
        found[f"selftests/{source.stem}"] = program
    return found
