# SPDX-License-Identifier: GPL-2.0
"""Tests of defects.py, and of the defects in rust/tests/defects/."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import defects
from harness import paths, suite
from harness.guest import Boot
from harness.progress import StepFailed

SUBTEST = "[    5.000000][    T1]     # Subtest: rust_riscv_engine"


def defect(expect: str) -> defects.Defect:
    return defects.Defect(Path("some.patch"), "rust_riscv_engine", expect)


def found(expect: str, outcome: str, lines: list[str]) -> bool:
    """Whether a guest with this outcome and console counts as having found the defect."""
    boot = Boot(outcome=outcome, lines=lines)
    names = [r.name for r in suite.ending(boot).failures()]
    return defects.seen(defect(expect), names + defects.died_in(defect(expect), boot))


def tests() -> set[str]:
    """SUITE.TEST, as in the headers of defects, of each test whose name is in a source."""
    found = set()
    for source in (paths.TOP / "rust/tests").rglob("*.rs"):
        text, folder = source.read_text(), source.parent.name
        suites = re.search(r"kunit_tests\((\w+)\)", text)
        before = (f"{suites[1]}." if suites else f"host.{source.stem}_tests::" if folder == "host"
                  else f"models.loom: {source.stem}::")
        found |= {before + name for name in
                  re.findall(r"#\[test\]\n(?:\s*#\[.*\]\n)*\s*fn (\w+)", text)}
        if folder == "compile_fail":
            found |= {f"compile_fail.{source.stem}", f"host.compile_fail.{source.stem}"}
    return found


class Patches(unittest.TestCase):
    def test_each_applies(self) -> None:
        patches = defects.patches()
        self.assertTrue(patches)
        for patch in patches:
            with self.subTest(defects.name_of(patch)), patch.open() as text:
                r = subprocess.run(["patch", "-p1", "-f", "--dry-run", "-d", paths.TOP],
                                   stdin=text, capture_output=True, text=True, check=False)
                self.assertEqual(r.returncode, 0, r.stdout)

    def test_each_expects_a_test_that_exists(self) -> None:
        exist, checked = tests(), 0
        for defect in map(defects.read, defects.patches()):
            name = f"{defect.suite}.{defect.expect}"
            with self.subTest(defect.name):
                self.assertTrue(defect.expect)
                # The other names are not those of functions or files.
                if re.match(r"(rust_riscv_(?!examples)\w+\.|host\.|compile_fail\.|models\.loom: )"
                            r"(?!guest$|kernel log$|insmod )", name):
                    checked += 1
                    self.assertTrue(name in exist, f"there is no test {name}")
        self.assertGreater(checked, 150)

    def test_defect_in_a_hook_needs_hooks(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            patch = Path(folder) / "some.patch"
            for suite_name, boot, good in (("rust_riscv_engine", "smp=2", False),
                                           ("rust_riscv_engine", "hooked=1", True),
                                           ("models", "smp=2", True)):
                patch.write_text(f"# suite: {suite_name}\n# expect: a_test\n# boot: {boot}\n"
                                 "--- a/patches/0001-a.patch\n+++ b/patches/0001-a.patch\n")
                with self.subTest(suite=suite_name, boot=boot):
                    if good:
                        self.assertTrue(defects.read(patch).in_kernel)
                        continue
                    with self.assertRaisesRegex(StepFailed, "no hooked=1"):
                        defects.read(patch)

    def test_names_differ(self) -> None:
        slugs = [defects.read(p).slug for p in defects.patches()]
        self.assertEqual(len(slugs), len(set(slugs)))


class Names(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(defects, "FOLDER", folder))
        for name in ("tearing/word-store-split", "engine/word-dropped", "engine/other", "flat"):
            path = defects.FOLDER / f"{name}.patch"
            path.parent.mkdir(exist_ok=True)
            path.write_text("# suite: host\n# expect: a_test\n")

    def found(self, only: str) -> list[str]:
        return [defects.read(p).name for p in defects.patches(only)]

    def test_all(self) -> None:
        self.assertEqual(self.found(""), ["engine/other", "engine/word-dropped", "flat",
                                          "tearing/word-store-split"])

    def test_by_name(self) -> None:
        self.assertEqual(self.found("word"), ["engine/word-dropped", "tearing/word-store-split"])

    def test_by_suite_and_name(self) -> None:
        self.assertEqual(self.found("engine/word-dropped"), ["engine/word-dropped"])
        self.assertEqual(self.found("tearing/"), ["tearing/word-store-split"])

    def test_in_file_names(self) -> None:
        self.assertEqual([defects.read(p).slug for p in defects.patches("tearing")],
                         ["tearing-word-store-split"])

    def test_elsewhere(self) -> None:
        self.assertEqual(defects.name_of(Path("/somewhere/some.patch")), "some")


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
        started = "[    5.000000][    T1] guest: ok insmod.rust_riscv"
        self.assertTrue(found("guest", "died", [started]))
        self.assertFalse(found("guest", "died", ["qemu: cannot set up guest memory"]))
        self.assertFalse(found("guest", "silent", [SUBTEST]))
        self.assertFalse(found("guest", "late", [SUBTEST]))

    def test_the_kernel_is_to_complain(self) -> None:
        bug = "[    5.000000][    T1] BUG: sleeping function called from invalid context"
        self.assertTrue(found("kernel log", "exit", [bug]))
        self.assertFalse(found("kernel log", "exit", []))

    def test_only_whole_names(self) -> None:
        self.assertTrue(defects.seen(defect("torn"), ["rust_riscv_engine.torn"]))
        self.assertFalse(defects.seen(defect("torn"), ["rust_riscv_engine.torn_live"]))
