#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check barriers in compiled code: those in the documentation's table, and those of litmus tests.

Reads the table of barriers, functions and instructions in
Documentation/choosing-a-barrier.rst, and compares it with what is in the kernel's Rust
helpers and in our own modules ("..." stands for instructions that do not order anything). Then
checks that these and the kernel's own objects contain the accesses and barriers of the
litmus tests' threads (harness/threads.py, harness/compiled.py). Ends with
"N passed, N failed"; the exit status is 0 only if nothing failed.

usage: disassembly.py [KERNEL-BUILD-FOLDER MODULES-FOLDER]

Without arguments, the ordinary kernel of the cache and the modules for it.
"""

import re
import sys
from pathlib import Path

from harness import (
    compiled,
    hooked,
    kernel,
    llvm,
    modules,
    paths,
    progress,
    source,
    threads,
    toolchain,
)
from harness.results import Results
from harness.sources import LINUX, Sources
from harness.threads import Tie

PAGE = paths.TOP / "Documentation/choosing-a-barrier.rst"
ROW = re.compile(r"^``(?P<barrier>[^`]+)`` +``(?P<function>[\w:]+)`` +``(?P<code>[^`]+)``$",
                 re.MULTILINE)
FUNCTION = re.compile(r"^[0-9a-f]{8,} <(.+)>:$")
INSTRUCTION = re.compile(r"^ +[0-9a-f]+: +\t?([a-z][\w.]*)\s*(.*)$")
CALL = re.compile(r"R_RISCV_CALL_PLT\s+(\S+)")
# Accesses and barriers. Accesses to the stack do not count: no other thread sees them.
MEMORY = re.compile(r"^(l[bhwd]u?|s[bhwd]|(lr|sc)\.[wd].*|amo.*)$")
STACK = re.compile(r"\(sp\)|-0x[0-9a-f]+\(s0\)")
FENCE = re.compile(r"^s?fence")
SATP = "csrr satp"
IRQ_SAVE, IRQ_RESTORE = "call rust_riscv_irq_save", "call rust_riscv_irq_restore"


def objdump(tools: dict[str, str], path: Path) -> str:
    return progress.output([llvm.program(tools, "llvm-objdump"), "-drC", "--no-show-raw-insn",
                            path])


def functions(text: str) -> dict[str, list[str]]:
    """The accesses and barriers of each function, in order, and where it reads satp."""
    found: dict[str, list[str]] = {}
    code = None
    for line in text.splitlines():
        if m := FUNCTION.match(line):
            if m.group(1).startswith(".L"):
                continue
            code = found.setdefault(m.group(1), [])
        elif code is None:
            continue
        elif m := CALL.search(line):
            code.append(f"call {m.group(1)}")
        elif m := INSTRUCTION.match(line):
            name, operands = m.group(1), m.group(2).split("<")[0].strip()
            if FENCE.match(name):
                # The assembler's short form of a full fence.
                operands = operands or ("iorw, iorw" if name == "fence" else "")
                code.append(f"{name} {operands.replace(', ', ',')}".strip())
            elif name == "csrr" and operands.endswith(", satp"):
                code.append("csrr satp")
            elif MEMORY.match(name) and not STACK.search(operands):
                code.append(name)
    return found


class Objects:
    """The code of functions, by the path of the kernel's source file; "" is all modules."""

    def __init__(self, tools: dict[str, str], obj: Path, built: list[Path]):
        self.tools, self.obj, self.built = tools, obj, built
        self.read: dict[str, dict[str, list[str]]] = {}

    def code(self, source_file: str = "") -> dict[str, list[str]]:
        if source_file not in self.read:
            name = source_file.removeprefix(LINUX).removesuffix(".c")
            found: dict[str, list[str]] = {}
            for path in [self.obj / f"{name}.o"] if name else self.built:
                found.update(functions(objdump(self.tools, path)))
            self.read[source_file] = found
        return self.read[source_file]


def check(tools: dict[str, str], obj: Path, built: list[Path]) -> Results:
    objects = Objects(tools, obj, built)
    helpers = functions(objdump(tools, obj / "rust/helpers/helpers.o"))
    results = check_table(helpers | objects.code())
    results.extend(check_threads(objects))
    results.extend(check_satp(objects.code()))
    return results


def check_satp(code: dict[str, list[str]]) -> Results:
    """Check that no context switch can free the page tables that our crate has found in satp.

    Interrupts are off where it is read, until the function has walked them.
    """
    results = Results()
    reading = [name for name, tokens in code.items() if "riscv::" in name and SATP in tokens]
    results.add("page tables: satp is read", bool(reading), "by no function that could be checked")
    for name in reading:
        tokens = code[name]
        at = tokens.index(SATP)
        # The last restore counts: an early exit may have one, too.
        end = len(tokens) - tokens[::-1].index(IRQ_RESTORE) if IRQ_RESTORE in tokens else 0
        before = [t for t in tokens[:at] if t in (IRQ_SAVE, IRQ_RESTORE)]
        walked = [t for t in tokens[at:end] if compiled.LOAD.match(t)]
        after = [t for t in tokens[end:] if compiled.LOAD.match(t) or t == SATP]
        results.add(f"page tables: {name} walks them with interrupts off",
                    before[-1:] == [IRQ_SAVE] and bool(walked) and not after, "; ".join(tokens))
    return results


def check_threads(objects: Objects) -> Results:
    """Check the code of the functions that the threads of the litmus tests stand for."""
    results = Results()
    tree = hooked.Tree(source.get().tree)
    sources = Sources(tree)
    has_hooks = "riscv_patch_provider_register" in objects.code("linux/arch/riscv/kernel/patch.c")

    def built(tie: Tie) -> bool:
        changed = {LINUX + path for path in tree.patched}
        return has_hooks or not any(f.path in changed for f in tie.functions)

    for path in sorted((paths.TOP / "Documentation/litmus-tests").glob("*.litmus")):
        t = threads.read(path, sources)
        for tie in t.ties if t else ():
            if t and not tie.no_code and tie.symbol != "none" and built(tie):
                try:
                    compiled.check(tie, t.check(tie), objects.code)
                    wrong = ""
                except threads.Wrong as e:
                    wrong = str(e)
                results.add(f"{t.name}: P{tie.thread}: {tie}: compiled", not wrong, wrong)
    return results


def check_table(code: dict[str, list[str]]) -> Results:
    results = Results()
    rows = list(ROW.finditer(PAGE.read_text()))
    results.add("the table of barriers", len(rows) >= 20, f"{len(rows)} rows of {PAGE} can be read")
    for row in rows:
        function = row["function"]
        expected = [c.strip() for c in row["code"].split(";")]
        found = code.get(function)
        if expected[-1] == "...":
            expected.pop()
            same = found is not None and found[:len(expected)] == expected
        else:
            same = found == expected
        results.add(f"{row['barrier']}: {row['code']}", same,
                    f"{function} is not there" if found is None else f"is {'; '.join(found)}")
    return results


def check_ours() -> Results:
    """Check the ordinary kernel and the modules for it, which are built if they are not cached."""
    tools = toolchain.load()
    k = kernel.build("ordinary", kernel.hooks_wanted(), tools)
    return check(tools, k.obj, list(modules.build(k, tools).values()))


def main() -> int:
    if len(sys.argv) == 3:
        obj, folder = map(Path, sys.argv[1:])
        results = check(toolchain.load(), obj, sorted(folder.rglob("*.ko")))
    elif len(sys.argv) == 1:
        results = check_ours()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    for r in results.failures():
        print(f"  FAILED {r.name}: {r.detail}")
    return results.report()


if __name__ == "__main__":
    progress.main(main)
