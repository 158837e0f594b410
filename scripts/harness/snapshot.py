# SPDX-License-Identifier: GPL-2.0
"""Takes snapshots of a guest in QEMU, from which rvsim continues.

rvsim would take hours to boot a guest and to load modules. So the guest boots in QEMU,
with rvsim's device tree, and waits in the program "pause". Its memory and registers are
then written to files that rvsim boots. The file that rvsim loads as firmware begins with
a jump to code that sets the registers of each hart.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import llvm, progress
from harness.gdb import Gdb
from harness.progress import Step, StepFailed

RAM = 0x8000_0000
SIZE = 256 << 20
KERNEL = RAM + 0x20_0000
TREE = RAM + 0x220_0000
# After the device tree, which OpenSBI extends.
INITRAMFS = TREE + 0x10_0000
# The code that sets the registers. It is outside the memory in the device tree.
STUB = RAM + SIZE - (1 << 20)
STATES = STUB + 0x1000
# The size of a hart's state in bytes.
STATE = 0x400

MTIME = 0x200_BFF8

# Machine-mode and supervisor-mode CSRs, in the order in which they are set.
CSRS = {
    "mcounteren": 0x306, "menvcfg": 0x30A, "medeleg": 0x302, "mideleg": 0x303, "mscratch": 0x340,
    "scounteren": 0x106, "senvcfg": 0x10A, "stvec": 0x105, "sscratch": 0x140, "sepc": 0x141,
    "scause": 0x142, "stval": 0x143, "satp": 0x180, "stimecmp": 0x14D, "fcsr": 0x003,
    **{f"pmpaddr{n}": 0x3B0 + n for n in range(16)}, "pmpcfg0": 0x3A0, "pmpcfg2": 0x3A2,
    "mip": 0x344, "mie": 0x304,
}
X = ("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", *(f"a{n}" for n in range(8)),
     *(f"s{n}" for n in range(2, 12)), *(f"t{n}" for n in range(3, 7)))
F = (*(f"ft{n}" for n in range(8)), "fs0", "fs1", *(f"fa{n}" for n in range(8)),
     *(f"fs{n}" for n in range(2, 12)), *(f"ft{n}" for n in range(8, 12)))

# Offsets in a hart's state.
AT_X, AT_F, AT_CSR = 0, 0x100, 0x200
AT_MTVEC, AT_MSTATUS, AT_PC, AT_TIME, AT_MISSING = range(0x3D0, 0x3F8, 8)

MPP = 3 << 11
MIE, MPIE = 1 << 3, 1 << 7


def stub() -> str:
    """Assembly that sets the registers of the hart that runs it."""
    lines = [
        "csrr t0, mhartid", f"li t1, {STATE}", "mul t0, t0, t1", f"li s0, {STATES:#x}",
        "add s0, s0, t0", "la t0, missing", "csrw mtvec, t0", "li t0, 0x6000", "csrs mstatus, t0",
        *(f"fld f{n}, {AT_F + 8 * n}(s0)" for n in range(32)),
        # All harts share the time, so only hart 0 sets it.
        "csrr t0, mhartid", "bnez t0, 1f", f"ld t0, {AT_TIME}(s0)", f"li t1, {MTIME:#x}",
        "sd t0, 0(t1)", "1:",
    ]
    for n, number in enumerate(CSRS.values()):
        lines += [f"ld t0, {AT_CSR + 8 * n}(s0)", f"csrw {number:#x}, t0"]
    lines += [
        f"ld t0, {AT_PC}(s0)", "csrw mepc, t0", f"ld t0, {AT_MSTATUS}(s0)", "csrw mstatus, t0",
        f"ld t0, {AT_MTVEC}(s0)", "csrw mtvec, t0", "sfence.vma", "fence.i",
        *(f"ld x{n}, {AT_X + 8 * n}(s0)" for n in range(1, 32) if n != 8),
        f"ld s0, {AT_X + 8 * 8}(s0)", "mret",
        # A register that the machine does not have is recorded and skipped.
        ".balign 4", "missing:", "csrr t0, mcause", f"sd t0, {AT_MISSING}(s0)", "csrr t0, mepc",
        "addi t0, t0, 4", "csrw mepc, t0", "mret",
    ]
    return "\n".join((".option norvc", ".globl _start", "_start:", *lines)) + "\n"


def assemble(tools: dict[str, str], folder: Path) -> bytes:
    source, elf, binary = (folder / f"resume.{end}" for end in ("S", "elf", "bin"))
    source.write_text(stub())
    progress.output([llvm.program(tools, "clang"), "--target=riscv64-linux-gnu", "-march=rv64gc",
                     "-nostdlib", "-static", "-fuse-ld=lld", f"-Wl,-Ttext={STUB:#x}", "-o", elf,
                     source])
    progress.output([llvm.program(tools, "llvm-objcopy"), "-O", "binary", "-j", ".text", elf,
                     binary])
    code = binary.read_bytes()
    if len(code) > STATES - STUB:
        raise StepFailed("the code that sets registers is too long")
    return code


# A jump to STUB, at the start of the firmware.
ENTRY = b"".join(word.to_bytes(4, "little") for word in (
    (STUB - RAM) & 0xFFFFF000 | 5 << 7 | 0x17,  # auipc t0, STUB - RAM
    5 << 15 | 0x67,  # jr t0
))


@dataclass
class Hart:
    """Registers, by name."""

    registers: dict[str, int]

    @property
    def pc(self) -> int:
        return self.registers["pc"]

    @property
    def privilege(self) -> int:
        return self.registers["priv"]

    def state(self) -> bytes:
        out = bytearray(STATE)

        def put(at: int, value: int) -> None:
            out[at:at + 8] = (value & (1 << 64) - 1).to_bytes(8, "little")

        r = self.registers
        for base, names in ((AT_X, X), (AT_F, F), (AT_CSR, CSRS)):
            for n, name in enumerate(names):
                put(base + 8 * n, r[name])
        # As on return from a trap to machine mode.
        status = r["mstatus"] & ~(MPP | MPIE) | self.privilege << 11
        put(AT_MSTATUS, status | (MPIE if status & MIE else 0))
        put(AT_MTVEC, r["mtvec"])
        put(AT_PC, r["pc"])
        put(AT_TIME, r["time"])
        return bytes(out)


def read_hart(gdb: Gdb, hart: int, time: int) -> Hart:
    """Read a hart's registers. QEMU does not expose stimecmp, so the timer expires at once."""
    gdb.select(hart)
    found = {"time": time, "stimecmp": time}
    for name in (*X, *F, *CSRS, "pc", "priv", "mstatus", "mtvec"):
        if name in found:
            continue
        value = gdb.get(name)
        if value is None:
            raise StepFailed(f"QEMU does not tell {name} of a hart")
        found[name] = value
    return Hart(found)


@dataclass
class Snapshot:
    """The files that rvsim boots, and the guest's console output so far."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "kernel"

    @property
    def firmware(self) -> Path:
        return self.folder / "firmware"

    @property
    def tree(self) -> Path:
        return self.folder / "tree.dtb"

    @property
    def said(self) -> Path:
        return self.folder / "console"

    def complete(self) -> bool:
        # Written last.
        return self.said.exists()

    def remove(self) -> None:
        self.said.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def blocks(path: Path, begin: int, size: int = 1 << 20) -> Iterator[tuple[int, bytes]]:
    """The blocks of a file from begin on that are not all zero."""
    with path.open("rb") as file:
        file.seek(begin)
        at = 0
        while data := file.read(size):
            if data.strip(b"\0"):
                yield at, data
            at += len(data)


def write(snapshot: Snapshot, memory: Path, code: bytes, harts: list[Hart], said: str) -> None:
    snapshot.remove()
    snapshot.folder.mkdir(parents=True)
    with memory.open("rb") as file:
        firmware = bytearray(file.read(KERNEL - RAM))
        file.seek(TREE - RAM + 4)
        size = int.from_bytes(file.read(4), "big")
        file.seek(TREE - RAM)
        # rvsim loads it at its current address.
        snapshot.tree.write_bytes(file.read(size))
    firmware[:len(ENTRY)] = ENTRY
    snapshot.firmware.write_bytes(firmware)
    with snapshot.kernel.open("wb") as out:
        for at, data in blocks(memory, KERNEL - RAM):
            out.seek(at)
            out.write(data)
        for where, what in ((STUB, code),
                            *((STATES + n * STATE, h.state()) for n, h in enumerate(harts))):
            out.seek(where - KERNEL)
            out.write(what)
        out.truncate(RAM + SIZE - KERNEL)
    snapshot.said.write_text(said)


CHECKPOINT = re.compile(r"guest: checkpoint (\S+)\r?$")


class Taker:
    """Stops a guest in QEMU at its checkpoints."""

    def __init__(self, gdb: Gdb, pauses: dict[int, int], idle: range):
        self.gdb = gdb
        self.pauses = pauses
        self.idle = idle

    def stopped(self) -> list[Hart] | None:
        """Stop the machine and return its harts, if one pauses and the others are idle."""
        self.gdb.stop()
        pausing = []
        for n in range(len(self.gdb.harts)):
            self.gdb.select(n)
            pc = self.gdb.get("pc")
            if pc in self.pauses:
                pausing.append((n, self.pauses[pc]))
            elif pc not in self.idle:
                self.gdb.go_on()
                return None
        if len(pausing) != 1:
            self.gdb.go_on()
            return None
        hart, end = pausing[0]
        self.gdb.select(hart)
        self.gdb.set("pc", end)
        time = self.gdb.physical(MTIME)
        return [read_hart(self.gdb, n, time) for n in range(len(self.gdb.harts))]


def command(tools: dict[str, str], harts: int, boot: dict[str, Path], memory: Path, log: Path,
            gdb: Path) -> list[object]:
    """QEMU's command line. With one hart, time is the number of instructions, so that boots are
    identical."""
    # With more, that time jumps while a hart is being started, which is then late ("CPU1 failed
    # to report alive state"), and the guest does not stand still at its checkpoints.
    accel = (["tcg,thread=single", "-icount", "shift=0,sleep=off"] if harts == 1 else
             ["tcg,thread=multi"])
    return [tools["QEMU"], "-machine", "virt,memory-backend=ram", "-smp", harts, "-m", SIZE >> 20,
            "-object", f"memory-backend-file,id=ram,size={SIZE},mem-path={memory},share=on",
            "-cpu", "rv64,h=off,v=off", "-accel", *accel, "-bios", boot["firmware"],
            "-dtb", boot["tree"],
            "-device", f"loader,file={boot['kernel']},addr={KERNEL:#x},force-raw=on",
            "-device", f"loader,file={boot['initramfs']},addr={INITRAMFS:#x},force-raw=on",
            "-display", "none", "-no-reboot", "-nodefaults", "-serial", f"file:{log}",
            "-gdb", f"unix:{gdb},server=on,wait=off"]


@contextmanager
def running(args: list[object], error: Path) -> Iterator[subprocess.Popen[bytes]]:
    with error.open("wb") as out:
        process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        progress.stop(process)


def take(tools: dict[str, str], harts: int, boot: dict[str, Path], log: Path, step: Step,
         pauses: dict[int, int], idle: range, wanted: dict[str, Snapshot],
         silence: float = 1800) -> str:
    """Run a guest in QEMU until the wanted checkpoints are written. Returns its output.

    pauses maps the addresses at which a hart pauses to those at which it continues; idle
    are the addresses of the idle loop. A guest that is silent for this many seconds hangs.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="rust-riscv-", dir=boot["tree"].parent) as name, \
            tempfile.TemporaryDirectory(prefix="rust-riscv-") as short:
        memory = Path(name) / "memory"
        # The length of a socket's path is limited.
        sock = Path(short) / "gdb"
        code = assemble(tools, Path(name))
        error = log.with_suffix(".qemu")
        with running(command(tools, harts, boot, memory, log, sock), error) as process:
            while not sock.exists():
                if process.poll() is not None:
                    raise StepFailed(f"QEMU ended:\n{progress.tail(error)}")
                time.sleep(0.1)
            taker = Taker(Gdb(sock), pauses, idle)
            taker.gdb.go_on()
            text, seen, pending = "", 0, ""
            last = time.monotonic()
            while process.poll() is None and not all(s.complete() for s in wanted.values()):
                time.sleep(0.2)
                text = log.read_text(errors="replace") if log.exists() else ""
                step.update(text.rsplit("guest: ", 1)[-1].split("\n")[0].strip()
                            if "guest: " in text else "booting in QEMU")
                lines = text.split("\n")[:-1]
                for line in lines[seen:]:
                    last = time.monotonic()
                    if m := CHECKPOINT.search(line):
                        pending = m.group(1)
                seen = len(lines)
                if time.monotonic() - last > silence:
                    raise StepFailed(f"the guest in QEMU hangs; the end of {log}:\n"
                                     f"{progress.tail(log)}")
                if pending and (found := taker.stopped()):
                    if pending in wanted:
                        write(wanted[pending], memory, code, found, text)
                    pending = ""
                    taker.gdb.go_on()
            taker.gdb.close()
    return log.read_text(errors="replace")
