# SPDX-License-Identifier: GPL-2.0
"""Checks that code that runs while all CPUs are stopped cannot be traced or probed.

The code is in .kprobes.text, and so must be everything that it calls: a call that leaves
the section may execute the text that is being patched.
"""

import re
from pathlib import Path

from harness import llvm, progress

SECTION = ".kprobes.text"


def _lines(tools: dict[str, str], *words: object) -> list[str]:
    return progress.output([llvm.program(tools, "llvm-objdump"), *words]).splitlines()


def inside(tools: dict[str, str], module: Path) -> set[str]:
    """The functions of a module that are in the section."""
    symbol = re.compile(rf"\sF {re.escape(SECTION)}\s+\w+\s+(\S+)$")
    return {m.group(1) for line in _lines(tools, "-t", module) if (m := symbol.search(line))}


def calls(tools: dict[str, str], module: Path) -> set[str]:
    """The names of the functions that a module's code in the section calls or jumps to."""
    call = re.compile(r"R_RISCV_(?:CALL_PLT|CALL|JAL)\s+([^\s+*]+)")
    found = set()
    here = False
    for line in _lines(tools, "-r", module):
        if line.startswith("RELOCATION RECORDS FOR"):
            here = f"[{SECTION}]" in line
        elif here and (m := call.search(line)):
            found.add(m.group(1))
    return found


def problems(tools: dict[str, str], modules: list[Path]) -> list[str]:
    """Describe calls that leave the section, or that the section is missing."""
    allowed = set().union(*(inside(tools, m) for m in modules))
    if not any(inside(tools, m) for m in modules):
        return [f"no module has a function in {SECTION}"]
    return [f"{m.name}: {SECTION} calls {name}"
            for m in modules for name in sorted(calls(tools, m) - allowed)
            if not name.startswith(".L")]
