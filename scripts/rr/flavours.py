# SPDX-License-Identifier: GPL-2.0
"""The kernels that are built: their configurations, and the machines they are for."""

from dataclasses import dataclass

from rr import paths


@dataclass(frozen=True)
class Flavour:
    # Of scripts/config, each on top of those before it.
    configs: tuple[str, ...]
    # Bytes that its build takes, its source not counted, which is links.
    size: int = 1_500_000_000
    # QEMU's name of the harts, and its other options.
    cpu: str = "rv64"
    options: tuple[str, ...] = ()
    memory: str = "1G"
    # Whether it is booted without our hooks, too: it is built before that with hooks then, which
    # is made of a copy of it.
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
    "debug": Flavour(("ordinary", "debug"), 3_000_000_000, memory="2G", stock=True),
    # Without lockdep, by which the kernel crate's suite rust_spinlock_irq_condvar asserts that
    # interrupts are off: they are not there, and it cannot be configured away.
    "rt": Flavour(("ordinary", "rt")),
    "no-c": Flavour(("ordinary", "no-c"), cpu="rv64,c=false"),
    # The seed of KASLR is from Zkr here; with -seed it is the same each time, and not 0.
    "distribution": Flavour(("ordinary", "distribution"), cpu="rv64,zkr=true",
                            options=("-seed", "1")),
    "no-jump-label": Flavour(("ordinary", "no-jump-label")),
    "up": Flavour(("ordinary", "up")),
}
