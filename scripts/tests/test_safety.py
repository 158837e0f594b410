# SPDX-License-Identifier: GPL-2.0
"""Tests that Documentation/safety.rst has all public items, and names tests that exist."""

import re
import unittest
from pathlib import Path

from harness import paths

PAGE = paths.TOP / "Documentation/safety.rst"
RUST = paths.TOP / "rust"
# Sections of the page by the folder they are about; those of rust/riscv/ go by their module's path.
CRATES = {"patch": "riscv_patch", "fault": "riscv_fault"}
ITEM = re.compile(
    r"^(?:    )?pub (?:const )?(?:unsafe )?(?:extern \"C\" )?"
    r"(fn|struct|enum|trait|static|const|type) (\w+)", re.MULTILINE)
# Indented items are methods or associated constants, unless the module is in the file.
NESTED = re.compile(r"^    pub (?:const )?(?:unsafe )?(?:fn|const) ")


def sections() -> dict[str, str]:
    """The page's sections by each of the names in their titles."""
    parts = re.split(r"^(.+)\n(?:=+|-+)$", PAGE.read_text(), flags=re.MULTILINE)
    found = {}
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        for name in re.findall(r"``([\w:]+)``", title):
            found[name] = text
    return found


def section_of(source: Path, texts: dict[str, str]) -> str:
    """The section of a file's items: that of its module, or of the module that contains it."""
    folder, *rest = source.relative_to(RUST).with_suffix("").parts
    modules = [CRATES[folder]] if folder in CRATES else rest
    for end in range(len(modules), 0, -1):
        if text := texts.get("::".join(modules[:end])):
            return text
    return ""


def items(source: Path) -> list[str]:
    found = [m[2] for m in ITEM.finditer(source.read_text()) if not NESTED.match(m[0])]
    # In private modules, to seal other traits.
    return [name for name in found if name != "Sealed"]


class Rows(unittest.TestCase):
    def test_every_item_has_one(self) -> None:
        texts = sections()
        seen = 0
        for source in sorted(p for f in ("riscv", *CRATES) for p in (RUST / f).rglob("*.rs")):
            for item in items(source):
                seen += 1
                with self.subTest(f"{source.relative_to(RUST)}: {item}"):
                    self.assertIn(f"``{item}``", section_of(source, texts))
        self.assertGreater(seen, 150)

    def test_every_test_is_there(self) -> None:
        sources = "".join(p.read_text() for p in (RUST / "tests").rglob("*.rs"))
        there = {p.stem for p in (RUST / "tests/compile_fail").glob("*.rs")}
        there |= set(re.findall(r"#\[test\]\n\s*fn (\w+)", sources))
        named = re.findall(r"\(tests?:([^)]*)\)", PAGE.read_text())
        self.assertTrue(named)
        for name in re.findall(r"``(\w+)``", " ".join(named)):
            with self.subTest(name):
                self.assertIn(name, there)
