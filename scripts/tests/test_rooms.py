# SPDX-License-Identifier: GPL-2.0
"""Tests that each group of rust/ uses only the groups that it may use."""

import re
import unittest
from collections.abc import Iterator
from pathlib import Path

from harness import paths

RUST = paths.TOP / "rust"

# Plain logic: without the kernel crate, and of ours only plain logic.
PLAIN = ("insn.rs", "insn/emulate.rs", "text/edit.rs", "text/plan.rs", "mm/pgtable.rs",
         "fault/access.rs", "fault/stage.rs", "stop_machine/protocol.rs", "sbi/error.rs",
         "sbi/hart_mask.rs")
# What a group of rust/riscv/ must not use. It may use what text builds on, but not the reverse.
FORBIDDEN = {
    "insn": ("text", "mm", "stop_machine", "cpuhp", "irq", "fault"),
    "mm": ("text", "stop_machine", "cpuhp", "irq", "fault"),
    "barrier": ("text", "mm", "stop_machine", "cpuhp", "irq", "fault"),
    "irq": ("text", "stop_machine", "fault"),
    "cpuhp": ("text", "stop_machine", "irq", "fault"),
    "text": ("cpuhp", "irq", "sbi", "fault"),
    "fault": ("text", "stop_machine", "cpuhp", "irq", "sbi"),
}
COMMENT = re.compile(r"//[^\n]*")
USE = re.compile(r"\buse\s+crate::([^;]*);")


def code(source: Path) -> str:
    return COMMENT.sub("", source.read_text())


def used(text: str) -> Iterator[str]:
    """The modules of its own crate that a file uses, as paths."""
    for tree in USE.findall(text):
        depth, path = 0, [""]
        for token in re.findall(r"\w+|[{},]", tree):
            if token == "{":
                path.append("")
                depth += 1
            elif token == "}":
                path.pop()
                depth -= 1
            elif token == ",":
                path[-1] = ""
            else:
                path[-1] += f"::{token}" if path[-1] else token
                yield "::".join(p for p in path if p)
    yield from re.findall(r"\bcrate::(\w+(?:::\w+)*)", text)


def group(source: Path) -> str:
    return source.relative_to(RUST / "riscv").parts[0].removesuffix(".rs")


class Rooms(unittest.TestCase):
    def test_used(self) -> None:
        text = "use crate::{\n    a::b,\n    c::{\n        d,\n        E,\n    },\n    f,\n};\n"
        found = set(used(text))
        self.assertTrue({"a::b", "c::d", "c::E", "f"} <= found, found)
        self.assertIn("x::y", set(used("crate::x::y()")))

    def test_plain_logic(self) -> None:
        modules = {p.removesuffix(".rs").replace("/", "::") for p in PLAIN}
        for name in PLAIN:
            text = code(RUST / "riscv" / name)
            with self.subTest(name):
                self.assertNotRegex(text, r"\bkernel::|\bbindings\b|\basm!")
                for path in used(text):
                    self.assertTrue(any(f"{path}::".startswith(f"{m}::") or m.startswith(path)
                                        for m in modules), f"{name} uses {path}")

    def test_groups(self) -> None:
        for source in sorted((RUST / "riscv").rglob("*.rs")):
            text, here = code(source), group(source)
            with self.subTest(str(source.relative_to(RUST))):
                self.assertNotRegex(text, r"\briscv_(patch|fault|sbi_ipi)\b")
                for path in used(text):
                    self.assertNotIn(path.split("::")[0], FORBIDDEN.get(here, ()),
                                     f"{here} uses {path}")

    def test_nothing_uses_tests(self) -> None:
        for folder in ("riscv", "patch", "fault", "sbi_ipi", "helpers"):
            for source in sorted(p for p in (RUST / folder).rglob("*")
                                 if p.suffix in (".rs", ".c", ".h")):
                with self.subTest(str(source.relative_to(RUST))):
                    self.assertNotRegex(source.read_text(), r"(#include|#\[path|include!).*tests/")
