# SPDX-License-Identifier: GPL-2.0

import subprocess
import unittest
from pathlib import Path

import defects
from harness import paths, suite
from harness.guest import Boot

SUBTEST = "[    5.000000][    T1]     # Subtest: rust_riscv_engine"


def defect(expect: str) -> defects.Defect:
    return defects.Defect(Path("some.patch"), "rust_riscv_engine", expect)


def found(expect: str, outcome: str, lines: list[str]) -> bool:
    """Whether a guest that ends so counts as having found the defect."""
    boot = Boot(outcome=outcome, lines=lines)
    names = [r.name for r in suite.ending(boot).failures()]
    return defects.seen(defect(expect), names + defects.died_in(defect(expect), boot))


class Patches(unittest.TestCase):
    def test_each_applies(self) -> None:
        patches = sorted(defects.FOLDER.glob("*.patch"))
        self.assertTrue(patches)
        for patch in patches:
            with self.subTest(patch.stem), patch.open() as text:
                r = subprocess.run(["patch", "-p1", "-f", "--dry-run", "-d", paths.TOP],
                                   stdin=text, capture_output=True, text=True, check=False)
                self.assertEqual(r.returncode, 0, r.stdout)


class Found(unittest.TestCase):
    def test_died_in_its_suite(self) -> None:
        self.assertTrue(found("torn", "died", [SUBTEST]))

    def test_died_before_its_suite(self) -> None:
        self.assertFalse(found("torn", "died", []))

    def test_hung_in_its_suite(self) -> None:
        for outcome in ("silent", "late"):
            with self.subTest(outcome):
                self.assertFalse(found("torn", outcome, [SUBTEST]))

    def test_the_guest_is_to_die(self) -> None:
        self.assertTrue(found("guest", "died", []))
        self.assertFalse(found("guest", "silent", [SUBTEST]))
        self.assertFalse(found("guest", "late", [SUBTEST]))

    def test_the_kernel_is_to_complain(self) -> None:
        bug = "[    5.000000][    T1] BUG: sleeping function called from invalid context"
        self.assertTrue(found("kernel log", "exit", [bug]))
        self.assertFalse(found("kernel log", "exit", []))

    def test_only_whole_names(self) -> None:
        self.assertTrue(defects.seen(defect("torn"), ["rust_riscv_engine.torn"]))
        self.assertFalse(defects.seen(defect("torn"), ["rust_riscv_engine.torn_live"]))
