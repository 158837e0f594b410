# SPDX-License-Identifier: GPL-2.0

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from rr import guest, kernel, matrix, paths
from rr.flavours import FLAVOURS
from rr.guest import Machine
from rr.kernel import Kernel
from rr.progress import StepFailed

TOOLS = {"QEMU": "qemu", "OPENSBI": "fw_dynamic.bin"}


def command(flavour: str) -> list[str]:
    k = Kernel(Path("tree"), flavour, True, "7.3.4", "", f"7.3.4-{flavour}", "kin")
    return [str(a) for a in guest.command(k, TOOLS, Path("initramfs"), Machine(append="quiet"))]


class Flavours(unittest.TestCase):
    def test_each_is_the_ordinary_one_and_what_changes(self) -> None:
        for name, flavour in FLAVOURS.items():
            self.assertTrue(flavour.fragment.startswith(FLAVOURS["ordinary"].fragment), name)

    def test_each_configuration_is_used(self) -> None:
        used = {c for flavour in FLAVOURS.values() for c in flavour.configs}
        there = {p.stem for p in (paths.SCRIPTS / "config").glob("*.config")}
        self.assertEqual(used, there)

    def test_each_is_booted(self) -> None:
        every = (*matrix.TEST, *matrix.TEST_FULL)
        self.assertEqual({row.flavour for row in every}, set(FLAVOURS))

    def test_what_is_booted_without_hooks_is_built_first(self) -> None:
        every = (*matrix.TEST, *matrix.TEST_FULL, *matrix.FAULTS_FULL, *matrix.STRESS_FULL)
        for row in every:
            self.assertTrue(row.hooked or FLAVOURS[row.flavour].stock, row.name)

    def test_without_a_shell_there_is_one_script(self) -> None:
        for row in (*matrix.TEST, *matrix.TEST_FULL):
            if not FLAVOURS[row.flavour].compressed:
                self.assertEqual(row.script, "test", row.name)
        for row in (*matrix.SELFTESTS_FULL, *matrix.STRESS_FULL, *matrix.FAULTS_FULL):
            self.assertTrue(FLAVOURS[row.flavour].compressed, row.name)

    def test_up_has_one_hart(self) -> None:
        harts = {row.smp for row in (*matrix.TEST, *matrix.TEST_FULL) if row.flavour == "up"}
        self.assertEqual(harts, {1})


class Command(unittest.TestCase):
    def test_ordinary(self) -> None:
        line = command("ordinary")
        self.assertEqual(line[line.index("-cpu") + 1], "rv64")
        self.assertEqual(line[line.index("-m") + 1], "1G")
        self.assertNotIn("-seed", line)

    def test_debug_has_more_memory(self) -> None:
        line = command("debug")
        self.assertEqual(line[line.index("-m") + 1], "2G")

    def test_harts_of_the_flavour(self) -> None:
        line = command("no-c")
        self.assertEqual(line[line.index("-cpu") + 1], "rv64,c=false")

    def test_options(self) -> None:
        line = command("distribution")
        self.assertEqual(line[line.index("-seed") + 1], "1")


class Configure(unittest.TestCase):
    def configure(self, config: str) -> None:
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch("rr.progress.run"), \
                mock.patch.dict(FLAVOURS, {"x": mock.Mock(fragment="CONFIG_A=y\nCONFIG_A=n\n"
                                                                  "CONFIG_B=8\nCONFIG_B=n\n")}):
            tree = Path(folder)
            (tree / "obj").mkdir()
            (tree / "obj/.config").write_text(config)
            kernel.configure({"LLVM": "1", "RUSTC": "", "RUSTDOC": "", "BINDGEN": ""}, tree, "x")

    def test_the_last_counts(self) -> None:
        self.configure("# CONFIG_A is not set\n")

    def test_what_cannot_be(self) -> None:
        with self.assertRaisesRegex(StepFailed, r"CONFIG_B=n \(is 8\)"):
            self.configure("CONFIG_B=8\n")
