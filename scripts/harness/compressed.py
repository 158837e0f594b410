# SPDX-License-Identifier: GPL-2.0
"""Finds compressed instructions in code for harts that do not have them."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import llvm, programs
from harness.kernel import Kernel
from harness.results import Results

# What is to be disassembled: the kernel and its modules do not say which extensions they need.
EXTENSIONS = "+m,+a,+f,+d,+c"

SYMBOL = re.compile(r"^[0-9a-f]+ <(.+)>:$")
WORD = re.compile(r"^\s*[0-9a-f]+: [0-9a-f]{8}\s")
# Two bytes, except for zeroes, with which gaps are filled.
HALF = re.compile(r"^\s*([0-9a-f]+): (?!0000)[0-9a-f]{4}\s+(\S.*)$")


def found(lines: Iterable[str]) -> Iterator[str | None]:
    """For each instruction in the lines of objdump: what and where it is if it is compressed, else
    None."""
    function = "?"
    for line in lines:
        if m := SYMBOL.match(line):
            function = m.group(1)
        elif m := HALF.match(line):
            yield f"{m.group(2).strip()} in {function} at {m.group(1)}"
        elif WORD.match(line):
            yield None


def problems(tools: dict[str, str], file: Path) -> list[str]:
    """The first compressed instructions in a file's code, and their number."""
    first: list[str] = []
    count = instructions = 0
    with subprocess.Popen([llvm.program(tools, "llvm-objdump"), "-d", f"--mattr={EXTENSIONS}",
                           file], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for one in found(process.stdout):
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
