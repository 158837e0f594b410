# SPDX-License-Identifier: GPL-2.0
"""Runs a guest in QEMU or Spike: starts it, follows its console, and determines how it ended."""

import os
import re
import selectors
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import spike
from harness.flavours import FLAVOURS
from harness.kernel import Kernel
from harness.progress import Step, stop

EXIT = re.compile(r"guest: exit (\d+)$")
OFF = re.compile(r"\breboot: Power down$")
PROGRESS = re.compile(r"guest: progress (.*)$")
STAMP = re.compile(r"^\[ *\d+\.\d+\](?:\[[ CT]*\d+\])? ")


@dataclass
class Machine:
    smp: int = 4
    aia: str = "none"
    memory: str = ""
    append: str = ""
    # An instruction takes a nanosecond, so that times are numbers of instructions.
    icount: bool = False
    # The value of -plugin.
    plugin: str = ""
    # In Spike instead of QEMU.
    spike: bool = False

    @property
    def ipi(self) -> str:
        return "imsic" if self.aia == "imsic" else "sbi"

    def __str__(self) -> str:
        counted = ", instructions counted" if self.icount else ""
        where = ", Spike" if self.spike else ""
        return (f"{self.smp} hart{'s' if self.smp > 1 else ''}, {self.ipi.upper()} IPIs{counted}"
                f"{where}")


@dataclass
class Limits:
    """Seconds without output, and in total, after which a guest is considered hung.

    On a busy host they are multiplied by slowdown().
    """

    silence: float = 120
    total: float = 1200


@dataclass
class Boot:
    outcome: str = "died"  # exit (the guest powered off), died, silent, late
    status: int = -1  # the exit status of its script; -1 if it did not end
    elapsed: float = 0
    lines: list[str] = field(default_factory=list)
    log: Path = Path(os.devnull)

    @property
    def ended(self) -> str:
        if self.outcome == "exit":
            return f"its script ended with status {self.status}"
        when = ("before its script ended" if self.status < 0 else
                f"after its script ended with status {self.status}")
        return {
            "died": "the guest died",
            "silent": "the guest hung: no output any more",
            "late": "the guest did not finish in time",
        }[self.outcome] + f", {when}"

    @property
    def hung(self) -> bool:
        """Whether we killed the guest because it hung."""
        return self.outcome in ("silent", "late")

    @property
    def ok(self) -> bool:
        return self.outcome == "exit" and self.status == 0


def command(kernel: Kernel, tools: dict[str, str], initramfs: Path,
            machine: Machine) -> list[object]:
    """The command line of QEMU, or of Spike."""
    flavour = FLAVOURS[kernel.flavour]
    # The default limits of the kernel's lockup detectors are for real harts, while these share
    # few host CPUs. A CPU that is locked up is still detected.
    append = ["console=ttyS0", "panic=-1", "printk.devkmsg=on", "log_buf_len=8M",
              "watchdog_thresh=30", "softlockup_panic=1", "rcupdate.rcu_cpu_stall_timeout=60",
              "kunit.timeout=1200", machine.append]
    if machine.spike:
        return spike.command(kernel, tools, initramfs, machine.smp, flavour.memory,
                             [a for a in append if a])
    virt = "virt,aia=aplic-imsic" if machine.aia == "imsic" else "virt"
    return [tools["QEMU"], "-machine", virt, "-cpu", flavour.cpu, *flavour.options,
            "-smp", machine.smp, "-m", machine.memory or f"{flavour.memory}M",
            *(["-accel", "tcg,thread=single", "-icount", "shift=0"] if machine.icount else
              ["-accel", "tcg,thread=multi"]), "-bios", tools["OPENSBI"],
            "-kernel", kernel.image, "-initrd", initramfs,
            "-append", " ".join(a for a in append if a),
            *(["-plugin", machine.plugin] if machine.plugin else []),
            "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio"]


def slowdown(harts: int) -> float:
    """The factor by which a guest with this many harts is slower now than on an idle host."""
    return max(1.0, os.getloadavg()[0] / max(os.cpu_count() or 1, harts))


def boot(args: Sequence[object], log: Path, limits: Limits, step: Step, harts: int = 1,
         stays: bool = False) -> Boot:
    """Run a guest until it ends or hangs.

    With stays, the simulator does not exit when the guest powers itself off, as Spike with a
    firmware without symbols: then it is stopped here.
    """
    result = Boot(log=log)
    log.parent.mkdir(parents=True, exist_ok=True)
    start = last = time.monotonic()
    # In seconds of an idle host.
    silent = total = 0.0
    process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    assert process.stdout
    fd = process.stdout.fileno()
    os.set_blocking(fd, False)
    rest = b""
    outcome = "died"
    progress = ""
    try:
        with selectors.DefaultSelector() as selector, log.open("wb") as out:
            selector.register(fd, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                passed = (now - last) / slowdown(harts)
                last = now
                silent += passed
                total += passed
                if silent > limits.silence:
                    outcome = "silent"
                    break
                if total > limits.total:
                    outcome = "late"
                    break
                step.update(progress)
                if not selector.select(timeout=0.5):
                    continue
                data = os.read(fd, 1 << 16)
                if not data:
                    break
                silent = 0.0
                out.write(data)
                out.flush()
                *complete, rest = (rest + data).split(b"\n")
                result.lines += [line.decode(errors="replace").rstrip("\r") for line in complete]
                new = result.lines[len(result.lines) - len(complete):]
                for line in new:
                    if m := PROGRESS.search(line):
                        progress = m.group(1)
                if stays and any(OFF.search(line) for line in new):
                    break
    finally:
        stop(process)
        process.stdout.close()
    if rest:
        result.lines.append(rest.decode(errors="replace").rstrip("\r"))
    result.elapsed = time.monotonic() - start
    for at, line in reversed(list(enumerate(result.lines))):
        if m := EXIT.search(line):
            result.status = int(m.group(1))
            if outcome == "died" and any(OFF.search(after) for after in result.lines[at + 1:]):
                outcome = "exit"
            break
    result.outcome = outcome
    return result


def said(lines: list[str]) -> list[str]:
    """The lines that the guest's script marked with this prefix, without it."""
    return [m.group(1) for line in lines if (m := re.search(r"\] guest: (.*)$", line))]


def sent(lines: list[str], tag: str) -> list[str] | None:
    """The lines of a file that the guest printed; None if it is incomplete."""
    prefix = re.compile(rf"\] guest-{re.escape(tag)}: (.*)$")
    if f"end {tag}" not in said(lines):
        return None
    return [m.group(1) for line in lines if (m := prefix.search(line))]
