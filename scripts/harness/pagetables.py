# SPDX-License-Identifier: GPL-2.0
"""Checks that no page is writable and executable, and that no text has a writable alias.

Reads /sys/kernel/debug/kernel_page_tables. Each line describes a range of pages that are
contiguous in the virtual address space. In the linear mapping and for huge pages they
are also contiguous in memory; in the vmalloc area only the physical address of the first
page is known, and only this page is checked.
"""

import re
from dataclasses import dataclass

PAGE = 4096
AREA = re.compile(r"^---\[ (.*) \]---$")
ENTRY = re.compile(r"^0x([0-9a-f]{16})-0x([0-9a-f]{16}) +0x([0-9a-f]+) +\d+[KMGTPE] (\w+) (.*)$")


@dataclass
class Mapping:
    area: str
    start: int
    end: int
    physical: int
    level: str
    flags: set[str]

    @property
    def writable(self) -> bool:
        return "W" in self.flags

    @property
    def executable(self) -> bool:
        return "X" in self.flags

    @property
    def contiguous(self) -> bool:
        return self.level != "PTE" or "Linear" in self.area or "Kernel mapping" in self.area

    @property
    def physical_end(self) -> int:
        return self.physical + (self.end - self.start if self.contiguous else PAGE)

    def __str__(self) -> str:
        return (f"0x{self.start:016x}-0x{self.end:016x} at 0x{self.physical:x} "
                f"in \"{self.area}\" ({' '.join(sorted(self.flags))})")


def parse(lines: list[str]) -> list[Mapping]:
    """Parse all mappings. A line that cannot be parsed is an error."""
    mappings = []
    area = ""
    for line in lines:
        if m := AREA.match(line):
            area = m.group(1)
        elif m := ENTRY.match(line):
            start, end, physical = (int(m.group(i), 16) for i in (1, 2, 3))
            flags = {f for f in m.group(5).split() if f != "."}
            mappings.append(Mapping(area, start, end, physical, m.group(4), flags))
        elif line.strip():
            raise ValueError(f"not a line of a page-table dump: {line}")
    return mappings


def writable_executable(mappings: list[Mapping]) -> list[str]:
    return [str(m) for m in mappings if m.writable and m.executable]


def writable_aliases(mappings: list[Mapping]) -> list[str]:
    """Descriptions of writable mappings of kernel or module text."""
    # The vmalloc area contains the kernel's copies of probed instructions, whose pages remain
    # writable in the linear mapping. Text is elsewhere.
    text = [m for m in mappings
            if m.executable and "U" not in m.flags and "vmalloc" not in m.area]
    if not text:
        return ["the dump shows no executable mapping at all"]
    return [f"text {t} is writable through {w}"
            for w in mappings if w.writable for t in text
            if w.physical < t.physical_end and t.physical < w.physical_end]
