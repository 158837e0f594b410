# SPDX-License-Identifier: GPL-2.0
"""Finds compressed instructions in what is for harts without them."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from rr import llvm, programs
from rr.flavours import FLAVOURS
from rr.kernel import Kernel
from rr.results import Results

# Whatever the file says of itself, which for the kernel and its modules is nothing.
EXTENSIONS = "+m,+a,+f,+d,+c"

SYMBOL = re.compile(r"^[0-9a-f]+ <(.+)>:$")
WORD = re.compile(r"^\s*[0-9a-f]+: [0-9a-f]{8}\s")
# Two bytes; zeroes are what a linker fills gaps with.
HALF = re.compile(r"^\s*([0-9a-f]+): (?!0000)[0-9a-f]{4}\s+(\S.*)$")


def found(lines: Iterable[str]) -> Iterator[str | None]:
    """For each instruction in objdump's lines: None, or what it is and where if it is compressed."""
    function = "?"
    for line in lines:
        if m := SYMBOL.match(line):
            function = m.group(1)
        elif m := HALF.match(line):
            yield f"{m.group(2).strip()} in {function} at {m.group(1)}"
        elif WORD.match(line):
            yield None


def problems(tools: dict[str, str], file: Path) -> list[str]:
    """The compressed instructions in a file's code: the first few, and how many there are."""
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
    """Whether all that runs in a guest is free of them: firmware, kernel, modules, programs."""
    results = Results()
    if FLAVOURS[kernel.flavour].compressed:
        return results
    parts = {"OpenSBI": [firmware], "the kernel": [kernel.obj / "vmlinux"],
             "our modules": list(built.values()),
             "programs": [programs.init(kernel, tools),
                          *programs.build(kernel, tools).values()]}
    for name, files in parts.items():
        wrong = [problem for file in files for problem in problems(tools, file)]
        results.add(f"no compressed instruction in {name}", not wrong, "; ".join(wrong))
    return results
