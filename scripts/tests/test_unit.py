# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/unit.py."""

import tempfile
import unittest
from pathlib import Path

from harness import unit

TESTS = """
import unittest


class Some(unittest.TestCase):
    def test_good(self):
        pass

    def test_bad(self):
        self.fail()

    @unittest.skip("not here")
    def test_none(self):
        pass
"""


class Run(unittest.TestCase):
    def run_file(self, text: str) -> list[tuple[str, str]]:
        with tempfile.TemporaryDirectory() as name:
            tests = Path(name) / "scripts/tests"
            tests.mkdir(parents=True)
            (tests / "__init__.py").touch()
            (tests / "test_some.py").write_text(text)
            return [(r.name, r.status) for r in unit.run(Path(name)).all]

    def test_each_is_counted(self) -> None:
        self.assertEqual(self.run_file(TESTS), [("unit.some.Some.test_bad", "fail"),
                                                ("unit.some.Some.test_good", "pass"),
                                                ("unit.some.Some.test_none", "skip")])

    def test_a_file_that_cannot_be_read_fails(self) -> None:
        self.assertIn("fail", [status for _, status in self.run_file("def")])

    def test_no_test_fails(self) -> None:
        self.assertEqual(self.run_file(""), [("unit", "fail")])
