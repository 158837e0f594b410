# SPDX-License-Identifier: GPL-2.0
"""A machine of SiFive P550 harts in rvsim, which models each cycle of theirs.

The kernel is the one that QEMU boots. rvsim loads a kernel's file as it is, so that ours
has the initramfs behind it, and the device tree that rvsim would give it, with the kernel's
command line, in between: nothing is linked for it.
"""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rr import fdt, paths, progress, store
from rr.kernel import Kernel
from rr.lock import locked
from rr.progress import StepFailed

PINS = paths.SCRIPTS / "cycles-requirements.txt"

# Bytes of the environment that installs it, and of a checkpoint.
SIZE = 100_000_000
CHECKPOINT = 300_000_000

# Where rvsim and fw_jump.bin have these.
RAM = 0x8000_0000
KERNEL = RAM + 0x20_0000
TREE = RAM + 0x220_0000
# Behind the device tree, which OpenSBI makes longer.
INITRAMFS = TREE + 0x10_0000

# ttyS0 prints nothing in rvsim: its transmitter is never empty. Grace periods are as in "make
# bench", where the script expedites them.
COMMAND_LINE = ("earlycon=sbi keep_bootcon loglevel=5 printk.devkmsg=on riscv_isa_fallback "
                "kunit.enable=0 rcupdate.rcu_expedited=1 panic=-1")

# In the kernel: a hart that waits for an interrupt has its PC here.
IDLE = "cpu_do_idle"


def fetch() -> Path:
    """The folder to import rvsim from."""
    folder = paths.cache() / "rvsim" / "packages"
    with locked(paths.cache() / "rvsim.lock", "fetching rvsim"):
        if store.complete(folder) and (folder / PINS.name).read_text() == PINS.read_text():
            return folder
        log = paths.LOGS / "fetch-rvsim.log"
        with store.room(folder.parent, "rvsim", SIZE):
            partial = store.start(folder)
            venv = partial / "venv"
            progress.run("making a virtual environment for rvsim",
                         [sys.executable, "-m", "venv", venv], log,
                         "It takes Python's modules venv and ensurepip (python3-venv).")
            progress.run("fetching rvsim from PyPI",
                         [venv / "bin/pip", "install", "--disable-pip-version-check", "--no-deps",
                          "--only-binary", ":all:", "--require-hashes", "--target", partial,
                          "-r", PINS], log,
                         "There are wheels for Linux on x86_64 only, for Python 3.10 and later.")
            store.remove(venv)
            (partial / PINS.name).write_text(PINS.read_text())
            store.finish(partial, folder)
    return folder


def load() -> Any:
    """The package rvsim."""
    folder = str(fetch())
    if folder not in sys.path:
        sys.path.append(folder)
    # The work of its command line, which needs more packages, is not imported by this.
    return importlib.import_module("rvsim")


def firmware(tools: dict[str, str]) -> Path:
    """OpenSBI's fw_jump.bin: rvsim hands a fw_dynamic.bin no information."""
    path = Path(tools["OPENSBI"]).with_name("fw_jump.bin")
    if not path.exists():
        raise StepFailed(f"make cycles boots with OpenSBI's fw_jump.bin, which is not beside "
                         f"{tools['OPENSBI']}.")
    return path


def p550(rvsim: Any, harts: int) -> Any:
    """The machine that is measured. Its clock keeps time with its cycles."""
    return rvsim.presets.linux(harts, memory="dram", interconnect="crossbar",
                               core=rvsim.presets.p550(), real_time=True)


def simple(rvsim: Any, harts: int) -> Any:
    """The same system for its guest, of harts that take less time to simulate, to boot with."""
    core = rvsim.Config(width=4, backend=rvsim.Backend.InOrder(),
                        branch_predictor=rvsim.BranchPredictor.GShare(), cpu_clock_mhz=1400,
                        misaligned_access_trap=True)
    return rvsim.presets.linux(harts, memory="dram", interconnect="crossbar", core=core,
                               real_time=True)


def device_tree(rvsim: Any, config: Any, boot: Path) -> bytes:
    """What rvsim would give a kernel of this machine."""
    simulator = rvsim.Simulator(config, kernel=str(boot), firmware=str(boot))
    size = int.from_bytes(simulator.read_phys_bytes(TREE + 4, 4), "big")
    tree = simulator.read_phys_bytes(TREE, size)
    assert isinstance(tree, bytes)
    return tree


@dataclass
class Files:
    """What a machine boots."""

    kernel: Path
    firmware: Path
    tree: Path


def assemble(rvsim: Any, config: Any, kernel: Kernel, tools: dict[str, str],
             initramfs: Path, folder: Path) -> Files:
    """Write the files that a machine boots into folder."""
    image, data = kernel.image.read_bytes(), initramfs.read_bytes()
    memory = int.from_bytes(image[16:24], "little")
    if KERNEL + memory > TREE:
        raise StepFailed(f"{kernel.image} takes {memory} bytes, and reaches where OpenSBI puts "
                         "the device tree.")
    files = Files(folder / "kernel", firmware(tools), folder / "tree.dtb")
    tree = fdt.with_properties(device_tree(rvsim, config, files.firmware), "chosen", {
        "bootargs": COMMAND_LINE.encode() + b"\0",
        "linux,initrd-start": INITRAMFS.to_bytes(8, "big"),
        "linux,initrd-end": (INITRAMFS + len(data)).to_bytes(8, "big"),
    })
    files.tree.write_bytes(tree)
    with files.kernel.open("wb") as out:
        for at, part in ((KERNEL, image), (TREE, tree), (INITRAMFS, data)):
            out.seek(at - KERNEL)
            out.write(part)
    return files
