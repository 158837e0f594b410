# SPDX-License-Identifier: GPL-2.0
"""The flavours of kernels that are built, and the machines that they are booted on."""

from dataclasses import dataclass

from harness import paths


@dataclass(frozen=True)
class Flavour:
    """A configuration of the kernel, and what its guests need."""

    # Files of scripts/config, each on top of those before it.
    configs: tuple[str, ...]
    # The size of its build in bytes, without its source, which is hard links.
    size: int = 1_500_000_000
    # MiB of memory of its guests, QEMU's name of their harts, and other options of QEMU.
    memory: int = 1024
    cpu: str = "rv64"
    options: tuple[str, ...] = ()
    # Variables for make, for the kernel.
    variables: tuple[str, ...] = ()
    # Whether it is also booted without our hooks. If so, the kernel without hooks is built first,
    # and the one with hooks from a copy of it.
    stock: bool = False

    @property
    def fragment(self) -> str:
        return "".join((paths.SCRIPTS / "config" / f"{c}.config").read_text()
                       for c in self.configs)

    @property
    def compressed(self) -> bool:
        """Whether its harts have compressed instructions."""
        return "no-c" not in self.configs


FLAVOURS = {
    "ordinary": Flavour(("ordinary",), stock=True),
    "debug": Flavour(("ordinary", "debug"), 3_000_000_000, memory=2048, stock=True),
    # Without lockdep: the suite rust_spinlock_irq_condvar of the kernel crate, which cannot be
    # configured away, asserts with it that interrupts are off, which they are not with PREEMPT_RT.
    "rt": Flavour(("ordinary", "rt")),
    # Without RISCV_ISA_C, arch/riscv/Makefile passes -Ctarget-feature=-c to rustc. With rustc 1.96
    # this does not disable Zca, so that all code in Rust consists of compressed instructions.
    # For modules, rust/external.mk does.
    "no-c": Flavour(("ordinary", "no-c"), cpu="rv64,c=false",
                    variables=("KRUSTFLAGS=-Ctarget-feature=-zca",)),
    # With Zkr, OpenSBI lets the kernel read the seed of KASLR from the CSR of that name. With -seed,
    # what QEMU puts into it does not change from boot to boot.
    "distribution": Flavour(("ordinary", "distribution"), cpu="rv64,zkr=true",
                            options=("-seed", "1")),
    "no-jump-label": Flavour(("ordinary", "no-jump-label")),
    "up": Flavour(("ordinary", "up")),
}
