# SPDX-License-Identifier: GPL-2.0
"""A machine with SiFive P550 harts in rvsim, which simulates each of their cycles."""

import importlib
import sys
from pathlib import Path
from typing import Any

from harness import paths, progress, store
from harness.kernel import Kernel
from harness.lock import locked
from harness.progress import StepFailed
from harness.snapshot import (
    AT_MISSING,
    INITRAMFS,
    KERNEL,
    RAM,
    STATE,
    STATES,
    STUB,
    TREE,
    Snapshot,
)

PINS = paths.SCRIPTS / "cycles-requirements.txt"

# The size in bytes of the environment that installs it.
INSTALLED = 100_000_000

# Without a UART driver: ttyS0 prints nothing in rvsim, since its transmitter is never empty.
# Grace periods are expedited, as by the scripts of "make bench".
COMMAND_LINE = ("earlycon=sbi keep_bootcon 8250.nr_uarts=0 loglevel=5 printk.devkmsg=on "
                "riscv_isa_fallback kunit.enable=0 rcupdate.rcu_expedited=1 panic=-1")

# The function of the kernel in which an idle hart waits for an interrupt.
IDLE = "cpu_do_idle"


def fetch() -> Path:
    """The folder from which to import rvsim. Fetches it if it is not in the cache."""
    folder = paths.cache() / "rvsim" / "packages"
    with locked(paths.cache() / "rvsim.lock", "fetching rvsim"):
        if store.complete(folder) and (folder / PINS.name).read_text() == PINS.read_text():
            return folder
        log = paths.LOGS / "fetch-rvsim.log"
        with store.room(folder.parent, "rvsim", INSTALLED):
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
    """Import the package rvsim."""
    folder = str(fetch())
    if folder not in sys.path:
        sys.path.append(folder)
    # This does not import its command line, which needs more packages.
    return importlib.import_module("rvsim")


def firmware(tools: dict[str, str]) -> Path:
    """OpenSBI's fw_jump.bin, since rvsim passes no information to a fw_dynamic.bin."""
    path = Path(tools["OPENSBI"]).with_name("fw_jump.bin")
    if not path.exists():
        raise StepFailed(f"make cycles boots with OpenSBI's fw_jump.bin, which is not beside "
                         f"{tools['OPENSBI']}.")
    return path


def p550(rvsim: Any, harts: int) -> Any:
    """The machine that is measured. Its clock advances with its cycles."""
    return rvsim.presets.linux(harts, memory="dram", interconnect="crossbar",
                               core=rvsim.presets.p550(), real_time=True)


def device_tree(rvsim: Any, config: Any, kernel: Kernel, firmware: Path, initramfs: int,
                tree: Path) -> None:
    """Write rvsim's device tree for this machine, with a command line and an initramfs added."""
    simulator = rvsim.Simulator(config, kernel=str(firmware), firmware=str(firmware))
    size = int.from_bytes(simulator.read_phys_bytes(TREE + 4, 4), "big")
    tree.write_bytes(simulator.read_phys_bytes(TREE, size))
    dtc = kernel.obj / "scripts/dtc/dtc"
    source = tree.with_suffix(".dts")
    source.write_text(progress.output([dtc, "-I", "dtb", "-O", "dts", tree]) + f"""
&{{/chosen}} {{
	bootargs = "{COMMAND_LINE}";
	linux,initrd-start = /bits/ 64 <{INITRAMFS:#x}>;
	linux,initrd-end = /bits/ 64 <{INITRAMFS + initramfs:#x}>;
}};

&{{/memory@{RAM:x}}} {{
	reg = /bits/ 64 <{RAM:#x} {STUB - RAM:#x}>;
}};
""")
    progress.output([dtc, "-I", "dts", "-O", "dtb", "-o", tree, source])


def check(simulator: Any, found: Snapshot) -> None:
    """Check that rvsim has loaded exactly the contents of a snapshot."""
    firmware, kernel = found.firmware.read_bytes(), found.kernel.read_bytes()
    for begin, data in ((RAM, firmware), (KERNEL, kernel)):
        for at in range(0, len(data), 1 << 20):
            part = data[at:at + (1 << 20)]
            if simulator.read_phys_bytes(begin + at, len(part)) != part:
                raise StepFailed(f"rvsim has loaded something else at {begin + at:#x} than the "
                                 f"machine had in QEMU ({found.folder})")


def missing(simulator: Any, harts: int) -> list[int]:
    """The harts that lack a register that they had in QEMU."""
    return [n for n in range(harts)
            if any(simulator.read_phys_bytes(STATES + n * STATE + AT_MISSING, 8))]
