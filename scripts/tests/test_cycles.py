# SPDX-License-Identifier: GPL-2.0
"""Tests of "make cycles": figures, profile, and taking a machine over from QEMU."""

import io
import json
import socket
import tempfile
import types
import unittest
from pathlib import Path

import cycles as script
from harness import cycles, gdb, initramfs, paths, snapshot
from harness.cycles import Figure, Region, Symbols
from harness.progress import Step

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


class Protocol(unittest.TestCase):
    def test_packet(self) -> None:
        self.assertEqual(gdb.packet("OK"), b"$OK#9a")

    def test_numbers_follow_each_other_from_those_given(self) -> None:
        cpu = """<?xml version="1.0"?><!DOCTYPE feature SYSTEM "gdb-target.dtd">
            <feature name="cpu"><reg name="zero" bitsize="64" regnum="0"/>
            <reg name="ra" bitsize="64"/></feature>"""
        csr = """<feature name="csr"><reg name="fcsr" bitsize="64" regnum="69"/></feature>"""
        self.assertEqual(gdb.registers([cpu, csr]),
                         {"zero": (0, 8), "ra": (1, 8), "fcsr": (69, 8)})

    def test_reads_what_comes_in_parts(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        stub = gdb.Gdb.__new__(gdb.Gdb)
        stub.socket, stub.data = ours, b"+$m1"
        theirs.send(b"}\x03#00$next#00")
        self.assertEqual(stub.read(), "m1#")
        self.assertEqual(stub.read(), "next")


NAMES = (*snapshot.X, *snapshot.F, *snapshot.CSRS, "pc", "priv", "mstatus", "mtvec", "time")


class State(unittest.TestCase):
    def word(self, state: bytes, at: int) -> int:
        return int.from_bytes(state[at:at + 8], "little")

    def hart(self, **changed: int) -> bytes:
        return snapshot.Hart(dict.fromkeys(NAMES, 0) | changed).state()

    def test_each_register_has_a_place(self) -> None:
        state = self.hart(**{name: 100 + n for n, name in enumerate(NAMES)})
        self.assertEqual(len(state), snapshot.STATE)
        found = [self.word(state, at) for at in range(0, snapshot.STATE, 8)]
        status = NAMES.index("mstatus")
        for n, name in enumerate(NAMES):
            if name not in ("priv", "mstatus"):
                self.assertEqual(found.count(100 + n), 1, name)
        self.assertLess(status, len(NAMES))

    def test_places_do_not_overlap(self) -> None:
        self.assertEqual((len(snapshot.X), len(snapshot.F)), (32, 32))
        self.assertLessEqual(snapshot.AT_CSR + 8 * len(snapshot.CSRS), snapshot.AT_MTVEC)
        self.assertLessEqual(snapshot.AT_MISSING + 8, snapshot.STATE)

    def test_mret_goes_to_where_the_hart_was(self) -> None:
        for privilege in (0, 1):
            state = self.hart(priv=privilege, mstatus=snapshot.MPP | snapshot.MIE, pc=0x1234)
            self.assertEqual(self.word(state, snapshot.AT_MSTATUS),
                             snapshot.MIE | snapshot.MPIE | privilege << 11)
            self.assertEqual(self.word(state, snapshot.AT_PC), 0x1234)
        state = self.hart(mstatus=snapshot.MPIE)
        self.assertEqual(self.word(state, snapshot.AT_MSTATUS), 0)

    def test_entry_jumps_to_the_stub(self) -> None:
        auipc, jr = (int.from_bytes(snapshot.ENTRY[at:at + 4], "little") for at in (0, 4))
        self.assertEqual((auipc & 0xFFF, jr), (0x297, 0x28067))
        self.assertEqual(snapshot.RAM + (auipc & ~0xFFF), snapshot.STUB)


class FakeGdb(gdb.Gdb):
    def __init__(self, pcs: list[int]):
        self.pcs = pcs
        self.harts = [f"p1.{n + 1}" for n in range(len(pcs))]
        self.at = 0
        self.running = True

    def stop(self) -> None:
        self.running = False

    def go_on(self) -> None:
        self.running = True

    def select(self, hart: int) -> None:
        self.at = hart

    def get(self, name: str) -> int:
        return self.pcs[self.at] if name == "pc" else 0

    def physical(self, address: int) -> int:
        return address

    def set(self, name: str, value: int) -> None:
        assert name == "pc"
        self.pcs[self.at] = value


class Taking(unittest.TestCase):
    def stopped(self, *pcs: int) -> tuple[list[int], bool]:
        fake = FakeGdb(list(pcs))
        taker = snapshot.Taker(fake, {100: 102, 300: 304}, range(200, 210))
        return [h.pc for h in taker.stopped() or []], fake.running

    def test_one_pauses_and_the_others_are_idle(self) -> None:
        self.assertEqual(self.stopped(204, 100), ([204, 102], False))
        self.assertEqual(self.stopped(300, 204), ([304, 204], False))

    def test_others_are_let_go_on(self) -> None:
        self.assertEqual(self.stopped(210, 100), ([], True))
        self.assertEqual(self.stopped(204, 204), ([], True))


class Writing(unittest.TestCase):
    def test_files_that_rvsim_boots(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            memory = Path(name) / "memory"
            with memory.open("wb") as file:
                file.write(b"OpenSBI, its first instructions")
                for at, data in ((snapshot.KERNEL, b"kernel"), (snapshot.TREE, b"tree"),
                                 (snapshot.TREE + 4, (40).to_bytes(4, "big"))):
                    file.seek(at - snapshot.RAM)
                    file.write(data)
                file.truncate(snapshot.SIZE)
            found = snapshot.Snapshot(Path(name) / "ftrace-c")
            self.assertFalse(found.complete())
            hart = snapshot.Hart(dict.fromkeys(NAMES, 7))
            snapshot.write(found, memory, b"code", [hart, hart], "said")
            self.assertTrue(found.complete())
            firmware, kernel = found.firmware.read_bytes(), found.kernel.read_bytes()
            self.assertEqual(firmware[:31], snapshot.ENTRY + b" its first instructions")
            self.assertEqual(len(firmware) + len(kernel), snapshot.SIZE)
            self.assertTrue(kernel.startswith(b"kernel"))
            self.assertEqual(found.tree.read_bytes()[:8], b"tree\0\0\0\x28")
            self.assertEqual(len(found.tree.read_bytes()), 40)
            code = snapshot.STUB - snapshot.KERNEL
            self.assertEqual(kernel[code:code + 5], b"code\0")
            second = snapshot.STATES + snapshot.STATE - snapshot.KERNEL
            self.assertEqual(kernel[second:second + snapshot.STATE], hart.state())


WORK, IDLE, MARK = 0xffffffff80006570, 0xffffffff80006560, 0x10200


class FakeHart:
    def __init__(self) -> None:
        self.pc = MARK
        self.regs = [0] * 32
        self.instructions_retired = 0


class FakeMachine:
    """One hart that is idle between cycles 1000 and 9000, and writes until cycle 10000."""

    def __init__(self, answer: int):
        self.cycle = 0
        self.answer = answer
        self.harts = [FakeHart()]
        self.stops: list[int] = []

    def run_to(self, cycles: int, pc: int | None = None,
               console_output: bool = False) -> tuple[str, int | None]:
        hart = self.harts[0]
        self.cycle = min(self.cycle + cycles, 10_000)
        self.stops.append(self.cycle)
        hart.pc = IDLE if 1000 <= self.cycle < 9000 else WORK
        hart.instructions_retired = min(1000, self.cycle)
        if pc and self.cycle == 10_000:
            hart.pc, hart.regs[10:12] = MARK, [script.END, self.answer]
            return "pc", 0
        return "cycles", None


class FakeSession:
    def __init__(self, sim: FakeMachine):
        self.sim = sim

    @property
    def cycle(self) -> int:
        return self.sim.cycle

    @property
    def instructions(self) -> int:
        return self.sim.harts[0].instructions_retired

    def run(self, until: int) -> None:
        del until
        self.sim.harts[0].regs[11] = 0


class Measuring(unittest.TestCase):
    def measure(self, answer: int) -> tuple[Region, list[str], FakeMachine]:
        run = script.Run.__new__(script.Run)
        run.harts, run.mark, run.part, run.problems = 1, MARK, "ftrace-enable-c", []
        run.symbols = Symbols()
        run.symbols.kernel(SYSTEM_MAP)
        run.step = Step("measuring")
        run.rvsim = types.SimpleNamespace(Cycles=int)
        machine = FakeMachine(answer)
        run.session = FakeSession(machine)
        measured = region("c", 0)
        run.measure(measured, 0)
        return measured, run.problems, machine

    def test_idle_cycles_are_apart(self) -> None:
        measured, problems, machine = self.measure(9)
        self.assertEqual(problems, [])
        self.assertEqual(measured.cycles, 9_999)
        # Idle time begins at a sample, and ends at one of those that are rarer while idle.
        self.assertLess(abs(measured.idle - 8000), script.EVERY + script.IDLE_EVERY)
        self.assertEqual(sum(spent for spent, _ in measured.profile.values()),
                         measured.cycles - measured.idle)
        self.assertLess(len(machine.stops), 2000 // script.EVERY + 8000 // script.IDLE_EVERY + 5)

    def test_functions_have_their_cycles_and_instructions(self) -> None:
        measured, _, _ = self.measure(9)
        self.assertEqual(sum(counted for _, counted in measured.profile.values()), 999)
        self.assertGreater(measured.profile["after"][0], 1000)

    def test_a_write_that_fails(self) -> None:
        for answer in (0, (1 << 64) - 22):
            _, problems, _ = self.measure(answer)
            self.assertEqual(problems, ["ftrace-enable-c: writing failed"])


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
