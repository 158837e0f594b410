# SPDX-License-Identifier: GPL-2.0
"""Finds compressed instructions in code for harts that do not have them."""

import bisect
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import llvm, programs, progress
from harness.kernel import Kernel
from harness.results import Results

# What is to be disassembled: the kernel and its modules do not say which extensions they need.
EXTENSIONS = "+m,+a,+f,+d,+c"

SYMBOL = re.compile(r"^[0-9a-f]+ <(.+)>:$")
WORD = re.compile(r"^\s*[0-9a-f]+: [0-9a-f]{8}\s")
# Two bytes, except for zeroes, with which gaps are filled.
HALF = re.compile(r"^\s*([0-9a-f]+): (?!0000)[0-9a-f]{4}\s+(\S.*)$")


SECTION = re.compile(r"^Disassembly of section (.+):$")
# A mapping symbol in a symbol table: data or code begins here. The kernel adds a prefix to those of
# its code that runs before relocation.
MARK = re.compile(r"^([0-9a-f]+) .{7} (\S+)\t[0-9a-f]+ (?:__pi_)?\$([dx])")

# The addresses at which data or code begins in each section, in ascending order, and which it is.
Marks = dict[str, list[tuple[int, bool]]]


def marks(lines: Iterable[str]) -> Marks:
    """Where there is data in sections of code, from the symbol table that objdump prints."""
    found: Marks = {}
    for line in lines:
        if m := MARK.match(line):
            found.setdefault(m.group(2), []).append((int(m.group(1), 16), m.group(3) == "d"))
    for section in found.values():
        section.sort(key=lambda mark: mark[0])
    return found


def is_data(section: list[tuple[int, bool]], address: int) -> bool:
    before = bisect.bisect_right(section, address, key=lambda mark: mark[0])
    return before > 0 and section[before - 1][1]


def found(lines: Iterable[str], where: Marks) -> Iterator[str | None]:
    """For each instruction in the lines of objdump: what and where it is if it is compressed, else
    None. objdump also disassembles data."""
    function = "?"
    section: list[tuple[int, bool]] = []
    for line in lines:
        if m := SYMBOL.match(line):
            function = m.group(1)
        elif m := SECTION.match(line):
            section = where.get(m.group(1), [])
        elif m := HALF.match(line):
            if not is_data(section, int(m.group(1), 16)):
                yield f"{m.group(2).strip()} in {function} at {m.group(1)}"
        elif WORD.match(line):
            yield None


def problems(tools: dict[str, str], file: Path) -> list[str]:
    """The first compressed instructions in a file's code, and their number."""
    first: list[str] = []
    count = instructions = 0
    objdump = llvm.program(tools, "llvm-objdump")
    where = marks(progress.output([objdump, "-t", file]).splitlines())
    with subprocess.Popen([objdump, "-d", f"--mattr={EXTENSIONS}", file],
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for one in found(process.stdout, where):
            instructions += 1
            if one:
                count += 1
                if count <= 3:
                    first.append(f"{file.name}: {one}")
    if process.returncode or not instructions:
        return [f"{file.name} has no code that can be read"]
    return [*first, f"{file.name}: {count} in all"] if count else []


def results(kernel: Kernel, tools: dict[str, str], built: dict[str, Path],
            firmware: Path) -> Results:
    """Check all code that runs in a guest: firmware, kernel, modules and programs."""
    results = Results()
    parts = {"OpenSBI": [firmware], "the kernel": [kernel.obj / "vmlinux"],
             "our modules": list(built.values()),
             "programs": [programs.init(kernel, tools),
                          *programs.build(kernel, tools).values()]}
    for name, files in parts.items():
        wrong = [problem for file in files for problem in problems(tools, file)]
        results.add(f"no compressed instruction in {name}", not wrong, "; ".join(wrong))
    return results
