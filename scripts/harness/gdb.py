# SPDX-License-Identifier: GPL-2.0
"""A client of QEMU's GDB stub: stops a machine, reads and writes registers of its harts.

The protocol is described in GDB's manual, appendix "Remote Serial Protocol".
"""

import re
import socket
from pathlib import Path

from harness.progress import StepFailed


def packet(payload: str) -> bytes:
    data = payload.encode()
    return b"$" + data + b"#%02x" % (sum(data) & 0xFF)


def registers(documents: list[str]) -> dict[str, tuple[int, int]]:
    """The number and the size of each register in the target's descriptions."""
    found = {}
    following = 0
    for attributes in re.findall(r"<reg\s([^>]*)>", "".join(documents)):
        reg = dict(re.findall(r'(\w+)="([^"]*)"', attributes))
        following = int(reg.get("regnum", following))
        found[reg["name"]] = following, int(reg["bitsize"]) // 8
        following += 1
    return found


class Gdb:
    """A connection. Making it stops the machine."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(600)
        self.socket.connect(str(path))
        self.data = b""
        self.ask("qSupported:multiprocess+;swbreak+;xmlRegisters=riscv")
        target = self.document("target.xml")
        self.numbers = registers(
            [target, *(self.document(name) for name in re.findall(r'href="([^"]+)"', target))])
        self.harts = self.threads()

    def read(self) -> str:
        """The payload of the next packet."""
        while not (m := re.match(rb"[+-]*\$([^#]*)#..", self.data, re.DOTALL)):
            more = self.socket.recv(1 << 16)
            if not more:
                raise StepFailed("QEMU ended while its harts were read")
            self.data += more
        self.data = self.data[m.end():]
        self.socket.send(b"+")
        return re.sub(rb"}(.)", lambda e: bytes([e.group(1)[0] ^ 0x20]), m.group(1),
                      flags=re.DOTALL).decode("latin-1")

    def ask(self, payload: str) -> str:
        self.socket.send(packet(payload))
        return self.read()

    def document(self, name: str) -> str:
        text = ""
        while True:
            part = self.ask(f"qXfer:features:read:{name}:{len(text):x},ffb")
            text += part[1:]
            if not part.startswith("m"):
                return text

    def threads(self) -> list[str]:
        found: list[str] = []
        part = self.ask("qfThreadInfo")
        while part.startswith("m"):
            found += part[1:].split(",")
            part = self.ask("qsThreadInfo")
        return found

    def go_on(self) -> None:
        self.socket.send(packet("vCont;c"))

    def stop(self) -> None:
        self.socket.send(b"\x03")
        while not self.read().startswith(("T", "S")):
            pass

    def select(self, hart: int) -> None:
        self.ask(f"Hg{self.harts[hart]}")

    def get(self, name: str) -> int | None:
        """A register of the selected hart; None if it has no register of this name."""
        if name not in self.numbers:
            return None
        answer = self.ask(f"p{self.numbers[name][0]:x}")
        if not re.fullmatch("([0-9a-f]{2})+", answer):
            return None
        return int.from_bytes(bytes.fromhex(answer), "little")

    def physical(self, address: int) -> int:
        """Read eight bytes of physical memory."""
        self.ask("Qqemu.PhyMemMode:1")
        answer = self.ask(f"m{address:x},8")
        self.ask("Qqemu.PhyMemMode:0")
        if len(answer) != 16:
            raise StepFailed(f"QEMU does not read {address:#x}: {answer}")
        return int.from_bytes(bytes.fromhex(answer), "little")

    def set(self, name: str, value: int) -> None:
        number, size = self.numbers[name]
        if self.ask(f"P{number:x}={value.to_bytes(size, 'little').hex()}") != "OK":
            raise StepFailed(f"QEMU does not set {name}")

    def close(self) -> None:
        self.socket.close()
