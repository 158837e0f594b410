# SPDX-License-Identifier: GPL-2.0
"""No page is both writable and executable, and no text is writable elsewhere.

Reads /sys/kernel/debug/kernel_page_tables. One line of it stands for a run of
pages that are next to each other in the virtual address space. In the linear
mapping and for huge pages they are so in memory, too; in the vmalloc area just
the first page's physical address is known, and just this page is looked at.
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
    """All mappings; a line that cannot be read is an error, not skipped."""
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
    """Where kernel or module text can be written, in words."""
    # In the vmalloc area are the kernel's slots for probed instructions, whose
    # pages it leaves writable in the linear mapping. Text is elsewhere.
    text = [m for m in mappings
            if m.executable and "U" not in m.flags and "vmalloc" not in m.area]
    if not text:
        return ["the dump shows no executable mapping at all"]
    return [f"text {t} is writable through {w}"
            for w in mappings if w.writable for t in text
            if w.physical < t.physical_end and t.physical < w.physical_end]
