# SPDX-License-Identifier: GPL-2.0

import io
import json
import struct
import tempfile
import unittest
from pathlib import Path

import cycles as script
from rr import cycles, fdt, initramfs, paths
from rr.cycles import Figure, Region, Symbols

SITES = {"sites": "100"}


def region(side: str, spent: float, idle: float = 0,
           profile: dict[str, tuple[int, int]] | None = None) -> Region:
    return Region("ftrace-enable", dict(SITES), side, spent, idle, 10, profile or {})


class Said(unittest.TestCase):
    def test_announced_region(self) -> None:
        r = cycles.region_of("measure ftrace-enable sites=15536 c")
        self.assertEqual(r, Region("ftrace-enable", {"sites": "15536"}, "c", 0))
        self.assertIsNone(cycles.region_of("sample static-key ns c 5"))

    def test_nanoseconds_become_cycles(self) -> None:
        r = cycles.sampled("sample static-key sites=1000 ns rust 2000", 1400)
        self.assertEqual(r, Region("static-key", {"sites": "1000"}, "rust", 2800))
        self.assertIsNone(cycles.sampled("sample static-key ms rust 2000", 1400))
        self.assertIsNone(cycles.sampled("sample static-key ns rust ", 1400))

    def test_section(self) -> None:
        m = cycles.SECTION.match("section rust_riscv .kprobes.text 0xffffffff01234000")
        assert m
        self.assertEqual(m.groups(), ("rust_riscv", ".kprobes.text", "ffffffff01234000"))


class Figures(unittest.TestCase):
    def test_line_has_no_idle_cycles(self) -> None:
        found = cycles.figures([region("c", 3000, 1000), region("rust", 1000)], 1)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0].line(),
                         "cycles: ftrace-enable harts=1 sites=100 c=2000 rust=1000 ratio=2 "
                         "idle_c=1000 instructions_c=10 idle_rust=0 instructions_rust=10")

    def test_median(self) -> None:
        found = cycles.figures([region("c", n) for n in (9000, 2000, 3000)], 4)
        self.assertEqual(found[0].busy("c"), 3000)

    def test_short_of_the_minimum(self) -> None:
        few, many = (cycles.figures([region("c", n), region("rust", 1000)], 1)[0]
                     for n in (2000, 2500))
        self.assertEqual((few.problem, many.problem), ("ratio below 2.5", ""))

    def test_one_side_is_no_figure(self) -> None:
        found = cycles.figures([region("rust", 1000)], 1)
        self.assertEqual(found[0].problem, "there are not two sides to compare")

    def test_missing(self) -> None:
        self.assertEqual(cycles.missing([region("c", 1)], ["ftrace-enable"]),
                         ["ftrace-enable was not measured: rust"])

    def test_flatness(self) -> None:
        one, four = (cycles.figures([region("rust", n)], harts)[0]
                     for n, harts in ((1000, 1), (1200, 4)))
        self.assertEqual(cycles.flat([one, four]),
                         ["cycles: ftrace-enable-flatness harts=4 ratio=1.2"])

    def test_table(self) -> None:
        found = cycles.figures([region("c", 3000, 1000), region("rust", 1000)], 1)
        self.assertEqual(cycles.table(found).splitlines()[2],
                         "| ftrace-enable sites=100 | 1 | 2000 | 1000 | 2 | 2.5 | 10 / 10 | "
                         "1000 / 0 |")

    def test_json_and_back(self) -> None:
        r = region("c", 5, 1, profile={"f": (3, 2)})
        self.assertEqual(cycles.from_json(json.loads(json.dumps(r.json()))), r)


class Profile(unittest.TestCase):
    def test_cycles_and_instructions_a_site(self) -> None:
        r = region("rust", 0, profile={"drain": (30_000, 20_000), "queue": (70_000, 10_000),
                                       "rare": (100, 0)})
        text = cycles.profile(Figure("ftrace-enable", 1, SITES, {"rust": [r]}), "rust")
        self.assertEqual(text.splitlines()[4:], ["| `queue` | 69.9 % | 700 | 100 |",
                                                 "| `drain` | 30.0 % | 300 | 200 |"])

    def test_nothing_sampled(self) -> None:
        self.assertEqual(cycles.profile(Figure("x", 1, {}, {"c": [region("c", 1)]}), "c"), "")


SYSTEM_MAP = """\
ffffffff80000000 T _start
ffffffff80006558 t cpu_do_idle
ffffffff80006570 T after
ffffffff80006570 t $x
ffffffff81000000 D data
"""
NM = """\
a::<b|c>::queue     |0000000000000010|   t  |              FUNC|0000000000000144|     |.text
a::stop             |0000000000000020|   t  |              FUNC|0000000000000144|     |.kprobes.text
.Lpcrel_hi0         |0000000000000026|   t  |            NOTYPE|0000000000000000|     |.text
kernel_function     |                |   U  |            NOTYPE|                |     |*UND*
"""
TEXT, KPROBES = 0xffffffff01000000, 0xffffffff01100000


class Names(unittest.TestCase):
    def setUp(self) -> None:
        self.symbols = Symbols()
        self.symbols.kernel(SYSTEM_MAP)

    def test_kernel(self) -> None:
        self.assertEqual(self.symbols.name(0xffffffff80006564), "cpu_do_idle")
        self.assertEqual(self.symbols.name(0xffffffff80006570), "after")

    def test_modules_and_reloading(self) -> None:
        self.symbols.module("m", {".text": TEXT, ".kprobes.text": KPROBES}, NM)
        self.assertEqual(self.symbols.name(TEXT + 0x14), "a::<b|c>::queue [m]")
        self.assertEqual(self.symbols.name(KPROBES + 0x30), "a::stop [m]")
        self.symbols.module("m", {".text": TEXT + 0x40000}, NM)
        self.assertEqual(self.symbols.name(TEXT + 0x40014), "a::<b|c>::queue [m]")
        self.assertEqual(self.symbols.name(TEXT + 0x14), "(elsewhere)")

    def test_outside_the_kernel(self) -> None:
        outside = (0x10000, 0x80000400, 0xffffffc000000000)
        self.assertEqual([self.symbols.name(pc) for pc in outside],
                         ["(user)", "(OpenSBI)", "(elsewhere)"])


def tree(node: bytes, *props: tuple[int, bytes]) -> bytes:
    def word(value: int) -> bytes:
        return struct.pack(">I", value)

    strings = b"bootargs\0stdout-path\0"
    out = word(1) + b"\0\0\0\0" + word(1) + fdt.padded(node + b"\0")
    for name, value in props:
        out += word(3) + word(len(value)) + word(name) + fdt.padded(value)
    out += word(2) + word(2) + word(9)
    head = fdt.HEADER.pack(fdt.MAGIC, 40 + 16 + len(out) + len(strings), 56, 56 + len(out), 40,
                           17, 16, 0, len(strings), len(out))
    return head + b"\0" * 16 + out + strings


class DeviceTree(unittest.TestCase):
    def test_property_is_replaced_and_others_stay(self) -> None:
        changed = fdt.with_properties(tree(b"chosen", (0, b"old\0"), (9, b"uart\0")), "chosen",
                                      {"bootargs": b"new one\0"})
        self.assertEqual(changed, tree(b"chosen", (0, b"new one\0"), (9, b"uart\0")))

    def test_new_name(self) -> None:
        changed = fdt.with_properties(tree(b"chosen"), "chosen", {"path": b"1"})
        self.assertTrue(changed.endswith(b"bootargs\0stdout-path\0path\0"))

    def test_no_such_node(self) -> None:
        with self.assertRaises(ValueError):
            fdt.with_properties(tree(b"cpus"), "chosen", {})
        with self.assertRaises(ValueError):
            fdt.with_properties(b"\0" * 64, "chosen", {})


class FakeSession:
    def save(self, path: str) -> None:
        Path(path).write_text("state")


class Checkpoints(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.saved = script.Saved(self.folder, "key")
        self.saved.write(FakeSession(), 0, [], 10)

    def test_newest(self) -> None:
        self.assertEqual(self.saved.read(), (0, [], 10))
        for number in (1, 2):
            self.saved.write(FakeSession(), number, [region("c", number)], 12.5)
        self.assertEqual(self.saved.read(), (2, [region("c", 2)], 12.5))
        self.assertEqual(self.saved.numbers(), {0, 2})
        self.saved.finish()
        self.assertEqual(self.saved.read(), (0, [], 10))

    def test_booting(self) -> None:
        self.saved.drop(0)
        for number in (-7, -6):
            self.saved.write(FakeSession(), number, [], 3)
        self.assertEqual(self.saved.read(), (-6, [], 3))
        self.saved.write(FakeSession(), 0, [], 4)
        self.assertEqual(self.saved.numbers(), {0})

    def test_interrupted(self) -> None:
        self.saved.state(1).write_text("half of the sta")
        self.assertEqual(self.saved.read(), (0, [], 10))

    def test_of_another_kernel(self) -> None:
        self.assertIsNone(script.Saved(self.folder, "other").read())


class Guest(unittest.TestCase):
    def test_measures_what_the_host_expects(self) -> None:
        text = (paths.SCRIPTS / "guest/bench/cycles.sh").read_text()
        for what, names in script.MEASURE.items():
            body = text.split(f"\n{what}() {{\n")[1].split("\n}\n")[0]
            found = [line.split()[1] for line in body.splitlines()
                     if line.strip().startswith(("measured ", "sampled "))]
            self.assertEqual(found, list(names))

    def test_uncompressed_archive(self) -> None:
        out = io.BytesIO()
        cpio = initramfs.Cpio(out)
        cpio.add("a", 0o100644, b"xyz")
        cpio.finish()
        self.assertTrue(out.getvalue().startswith(b"070701"))
        self.assertIn(b"a\0", out.getvalue())
