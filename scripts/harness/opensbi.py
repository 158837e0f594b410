# SPDX-License-Identifier: GPL-2.0
"""Builds OpenSBI for harts without compressed instructions, of which Debian's consists."""

from pathlib import Path

from harness import debian, llvm, paths, progress, store, toolchain
from harness.lock import locked
from harness.progress import StepFailed

PACKAGE = "opensbi"
ISA = "rv64ima_zicsr_zifencei"

# The size of its source and its build in bytes, including apt's lists.
SIZE = 200_000_000


def make(tools: dict[str, str], folder: Path) -> list[object]:
    """The command that builds the firmware in folder."""
    programs = {"CC": "clang", "AR": "llvm-ar", "LD": "ld.lld", "OBJCOPY": "llvm-objcopy"}
    # Its Makefile compiles outside of a relative O=.
    folder = folder.resolve()
    return ["make", "-C", folder, "O=build", "PLATFORM=generic", "LLVM=1", toolchain.jobs(),
            *(f"{k}={llvm.program(tools, v)}" for k, v in programs.items()),
            f"CPP={llvm.program(tools, 'clang')} -E",
            f"PLATFORM_RISCV_ISA={ISA}", "PLATFORM_RISCV_ABI=lp64",
            f"{folder}/build/platform/generic/firmware/fw_dynamic.bin"]


def fetch(folder: Path) -> None:
    """Fetch the source from the first of Debian's suites that has it."""
    # Says so if this machine has no apt.
    debian.architecture("the source of OpenSBI")
    for suite in debian.SUITES:
        try:
            progress.run(f"fetching the source of OpenSBI from {suite}",
                         [paths.SCRIPTS / "fetch-deb.sh", suite, "source", PACKAGE, folder],
                         paths.LOGS / f"fetch-opensbi-{suite}.log")
        except StepFailed as e:
            error = e
            continue
        return
    raise error


def without_c(tools: dict[str, str]) -> Path:
    """The folder with the firmware, fw_dynamic.bin and fw_dynamic.elf."""
    folder = paths.cache() / "opensbi-no-c"
    with locked(paths.cache() / "opensbi-no-c.lock", "building OpenSBI"):
        if not store.complete(folder):
            with store.room(folder.parent, "OpenSBI", SIZE):
                partial = store.start(folder)
                fetch(partial)
                progress.run("building OpenSBI without compressed instructions",
                             make(tools, partial), paths.LOGS / "opensbi.log",
                             env=toolchain.environment())
                store.finish(partial, folder)
    return folder / "build/platform/generic/firmware"
