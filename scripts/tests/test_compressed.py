# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/compressed.py."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import test
from harness import compressed, llvm, opensbi, paths, programs
from harness.kernel import Kernel

# As llvm-objdump -d prints them.
CODE = """
fw_dynamic.elf:	file format elf64-littleriscv

Disassembly of section .text:

0000000000000000 <start>:
       0: 00000513     	li	a0, 0x0
       4: 0001         	nop
       6: 0000         	unimp
       8: 00008067     	ret

000000000000000c <end>:
       c: 9002         	ebreak
"""


# As llvm-objdump -t prints them.
SYMBOLS = """
fw_dynamic.elf:	file format elf64-littleriscv

SYMBOL TABLE:
0000000000000000 l       .text	0000000000000000 $x
0000000000000008 l       .text	0000000000000000 $x
0000000000000004 l       .text	0000000000000000 __pi_$d
0000000000000000 l       .data	0000000000000000 $d
000000000000000c g     F .text	0000000000000002 end
"""


class Found(unittest.TestCase):
    def test_in_their_functions(self) -> None:
        self.assertEqual(list(compressed.found(CODE.splitlines(), {})),
                         [None, "nop in start at 4", None, "ebreak in end at c"])

    def test_data_among_code(self) -> None:
        where = compressed.marks(SYMBOLS.splitlines())
        self.assertEqual(where, {".text": [(0, False), (4, True), (8, False)],
                                 ".data": [(0, True)]})
        self.assertEqual(list(compressed.found(CODE.splitlines(), where)),
                         [None, None, "ebreak in end at c"])

    def test_no_code_has_no_instructions(self) -> None:
        self.assertEqual(list(compressed.found(["", "Disassembly of section .text:"], {})), [])


def tools() -> dict[str, str] | None:
    """The tools, if they have been looked for here."""
    if not paths.TOOLCHAIN.exists():
        return None
    lines = paths.TOOLCHAIN.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


class Objects(unittest.TestCase):
    """What the assembler makes."""

    def problems(self, assembly: str) -> list[str]:
        with_tools = tools()
        if not with_tools:
            self.skipTest("make source has not been run")
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "made.o"
            subprocess.run([llvm.program(with_tools, "clang"), "--target=riscv64-linux-gnu",
                            "-march=rv64g", "-c", "-x", "assembler", "-",
                            "-o", made], input=assembly, text=True, check=True)
            return compressed.problems(with_tools, made)

    def test_one_among_words(self) -> None:
        text = "nop\n.option rvc\nc.li a0, 1\nc.nop\n.option norvc\nnop\n"
        self.assertEqual(self.problems(f"f:\n{text}"),
                         ["made.o: li\ta0, 0x1 in f at 4", "made.o: nop in f at 6",
                          "made.o: 2 in all"])

    def test_words_only(self) -> None:
        self.assertEqual(self.problems("f:\n nop\n ret\n"), [])

    def test_data_is_no_code(self) -> None:
        self.assertEqual(self.problems("f:\n ret\n.section .rodata\n.2byte 0x9002\n"), [])
        self.assertEqual(self.problems("f:\n ret\n.2byte 0x9002\n.2byte 0x9002\n"), [])

    def test_no_code(self) -> None:
        self.assertEqual(self.problems(".data\n.4byte 1\n"), ["made.o has no code that can be read"])


class Parts(unittest.TestCase):
    """All parts of a guest are looked at, with the look itself in a mock."""

    def results(self, *bad: str) -> dict[str, tuple[str, str]]:
        k = Kernel(Path("tree"), "no-c", True, "7.3.4", "", "k", "kin")

        def problems(_tools: dict[str, str], file: Path) -> list[str]:
            return [f"{file.name}: nop"] if file.name in bad else []

        with mock.patch.object(compressed, "problems", problems), \
                mock.patch.object(programs, "init", return_value=Path("init")), \
                mock.patch.object(programs, "build", return_value={"programs/a": Path("a")}):
            found = compressed.results(k, {}, {"m": Path("m.ko")}, Path("fw_dynamic.elf"))
        return {r.name: (r.status, r.detail) for r in found.all}

    def test_none(self) -> None:
        self.assertEqual({status for status, _ in self.results().values()}, {"pass"})
        self.assertEqual(len(self.results()), 4)

    def test_each(self) -> None:
        for file, part in (("fw_dynamic.elf", "OpenSBI"), ("vmlinux", "the kernel"),
                           ("m.ko", "our modules"), ("init", "programs"), ("a", "programs")):
            failed = {name: detail for name, (status, detail) in self.results(file).items()
                      if status == "fail"}
            self.assertEqual(failed, {f"no compressed instruction in {part}": f"{file}: nop"})


class Checked(unittest.TestCase):
    """Which kernels are looked at."""

    def looked_at(self, flavour: str) -> bool:
        k = Kernel(Path("tree"), flavour, True, "7.3.4", "", "k", "kin")
        with mock.patch.object(compressed, "results") as results, \
                mock.patch.object(opensbi, "without_c", return_value=Path("no-c")):
            results.return_value.all = []
            test.built_code(k, {}, {})
        return bool(results.called)

    def test_only_flavours_without_c_are_checked(self) -> None:
        self.assertTrue(self.looked_at("no-c"))
        self.assertFalse(self.looked_at("debug"))
