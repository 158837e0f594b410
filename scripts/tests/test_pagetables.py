# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/pagetables.py."""

import unittest

from harness import pagetables

# From a guest's /sys/kernel/debug/kernel_page_tables, with less space.
DUMP = """\
---[ Fixmap start ]---
0xff1bfffffec00000-0xff1bffffff000000 0x00000000bfe00000 4M PMD .   ..     ..   D A G . . W R V
---[ Fixmap end ]---
---[ vmalloc() area ]---
0xff20000000000000-0xff20000000600000 0x000000000c000000 6M PMD .   ..     ..   D A G . . W R V
0xff20000000603000-0xff20000000604000 0x0000000000100000 4K PTE .   ..     ..   D A G . . W R V
---[ vmalloc() end ]---
---[ Linear mapping ]---
0xff60000000060000-0xff60000000200000 0x0000000080060000 1664K PTE .   ..     ..   D A G . . W R V
0xff60000000200000-0xff60000000800000 0x0000000080200000 6M PMD .   ..     ..   D A G . . . R V
0xff60000000800000-0xff60000000a00000 0x0000000080800000 2M PMD .   ..     ..   D A G . . W R V
---[ Modules/BPF mapping ]---
0xffffffff01149000-0xffffffff0114d000 0x0000000081fa8000 16K PTE .   ..     ..   D A G . X . R V
---[ Kernel mapping ]---
0xffffffff80000000-0xffffffff80600000 0x0000000080200000 6M PMD .   ..     ..   D A G . X . R V
""".splitlines()


def changed(old: str, new: str) -> list[pagetables.Mapping]:
    assert any(old in line for line in DUMP)
    return pagetables.parse([line.replace(old, new) for line in DUMP])


class Dump(unittest.TestCase):
    def test_parse(self) -> None:
        found = pagetables.parse(DUMP)
        self.assertEqual(len(found), 8)
        text = found[-1]
        self.assertEqual((text.area, text.start, text.end, text.physical, text.level),
                         ("Kernel mapping", 0xffffffff80000000, 0xffffffff80600000, 0x80200000,
                          "PMD"))
        self.assertTrue(text.executable)
        self.assertFalse(text.writable)
        self.assertEqual(text.physical_end, 0x80800000)

    def test_only_the_first_page_of_vmalloc_is_known(self) -> None:
        module = pagetables.parse(DUMP)[6]
        self.assertEqual(module.physical_end, 0x81fa9000)

    def test_a_line_that_cannot_be_read_is_an_error(self) -> None:
        with self.assertRaises(ValueError):
            pagetables.parse([*DUMP, "0xff20000000010000-0xff2000"])

    def test_good(self) -> None:
        found = pagetables.parse(DUMP)
        self.assertEqual(pagetables.writable_executable(found), [])
        self.assertEqual(pagetables.writable_aliases(found), [])

    def test_writable_and_executable(self) -> None:
        found = changed("D A G . X . R V", "D A G . X W R V")
        self.assertEqual(len(pagetables.writable_executable(found)), 2)

    def test_text_in_a_writable_linear_mapping(self) -> None:
        found = changed("6M PMD .   ..     ..   D A G . . . R V",
                        "6M PMD .   ..     ..   D A G . . W R V")
        problems = pagetables.writable_aliases(found)
        self.assertEqual(len(problems), 1)
        self.assertIn("Kernel mapping", problems[0])

    def test_alias_of_one_page_of_a_module(self) -> None:
        found = changed("0x0000000000100000", "0x0000000081fa8000")
        self.assertEqual(len(pagetables.writable_aliases(found)), 1)

    def test_no_text_at_all_is_a_problem(self) -> None:
        self.assertEqual(pagetables.writable_aliases(changed("X . R V", ". . R V")),
                         ["the dump shows no executable mapping at all"])
