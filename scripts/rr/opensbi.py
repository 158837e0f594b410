# SPDX-License-Identifier: GPL-2.0
"""Builds OpenSBI for harts without compressed instructions, which Debian's is full of."""

from pathlib import Path

from rr import llvm, paths, progress, store, toolchain
from rr.lock import locked
from rr.progress import StepFailed

SUITES = ("trixie", "forky", "sid")
PACKAGE = "opensbi"
ISA = "rv64ima_zicsr_zifencei"

# Bytes of the source, its build, and apt's lists.
SIZE = 150_000_000


def make(tools: dict[str, str], folder: Path) -> list[object]:
    """The command that builds the firmware in folder."""
    programs = {"CC": "clang", "AR": "llvm-ar", "LD": "ld.lld", "OBJCOPY": "llvm-objcopy"}
    folder = folder.resolve()
    return ["make", "-C", folder, "O=build", "PLATFORM=generic", "LLVM=1", toolchain.jobs(),
            *(f"{k}={llvm.program(tools, v)}" for k, v in programs.items()),
            f"CPP={llvm.program(tools, 'clang')} -E",
            f"PLATFORM_RISCV_ISA={ISA}", "PLATFORM_RISCV_ABI=lp64",
            f"{folder}/build/platform/generic/firmware/fw_dynamic.bin"]


def fetch(folder: Path) -> None:
    for suite in SUITES:
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
    """The folder of firmware without compressed instructions: fw_dynamic.bin, fw_dynamic.elf."""
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
