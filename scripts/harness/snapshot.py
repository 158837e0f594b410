# SPDX-License-Identifier: GPL-2.0
"""Takes a machine over from QEMU to rvsim.

rvsim takes hours for what is not measured: to boot, and to load modules. So the guest
boots in QEMU, on a machine of rvsim's device tree, and stops itself in the program
"pause". Its memory and registers are then written to files that rvsim boots. What is
firmware to rvsim begins with a jump to code that sets the registers of each hart.
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
# Behind the device tree, which OpenSBI makes longer.
INITRAMFS = TREE + 0x10_0000
# What sets the registers; the device tree has no memory here.
STUB = RAM + SIZE - (1 << 20)
STATES = STUB + 0x1000
# Bytes of a hart's state.
STATE = 0x400

MTIME = 0x200_BFF8

# Registers for machine mode and supervisor mode, in the order in which they are set.
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

# Where a state has what.
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
        # The time is one for all harts.
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
        # A register that the machine does not have: noted, and left out.
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


# At the start of what is firmware: a jump to STUB.
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
        # As it would be when a trap to machine mode returns.
        status = r["mstatus"] & ~(MPP | MPIE) | self.privilege << 11
        put(AT_MSTATUS, status | (MPIE if status & MIE else 0))
        put(AT_MTVEC, r["mtvec"])
        put(AT_PC, r["pc"])
        put(AT_TIME, r["time"])
        return bytes(out)


def read_hart(gdb: Gdb, hart: int, time: int) -> Hart:
    """A hart's registers, but stimecmp, which QEMU does not tell: its timer is due at once."""
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
    """The files that rvsim boots, and what the guest had said."""

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
    """What is not zero in a file behind begin."""
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
        # rvsim writes it where it is.
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
    """A guest in QEMU that is stopped at its checkpoints."""

    def __init__(self, gdb: Gdb, pauses: dict[int, int], idle: range):
        self.gdb = gdb
        self.pauses = pauses
        self.idle = idle

    def stopped(self) -> list[Hart] | None:
        """Stop the machine: its harts, if one pauses and the others are idle."""
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
    """QEMU's command line. With one hart its time is instructions, to boot the same each time."""
    # That time jumps when all harts are idle, so that one that is being started is late
    # ("CPU1 failed to report alive state"), and several never stop at a checkpoint.
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
    """Run a guest in QEMU until its checkpoints that are wanted are written: what it said.

    pauses are where a hart pauses, and where it goes on then; idle is where one is idle.
    The guest hangs if it is silent for so many seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="rust-riscv-", dir=boot["tree"].parent) as name, \
            tempfile.TemporaryDirectory(prefix="rust-riscv-") as short:
        memory = Path(name) / "memory"
        # The path of a socket must be short.
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
