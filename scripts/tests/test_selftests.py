# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/selftests.py."""

import tempfile
import unittest
from pathlib import Path

from harness import selftests


class TestsIn(unittest.TestCase):
    def setUp(self) -> None:
        self.top = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("test.d/a/1.tc", "test.d/a/b/2.tc", "test.d/c/3.tc", "test.d/functions"):
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).touch()

    def test_folders_and_files(self) -> None:
        for wanted, count in ((("test.d",), 3), (("test.d/a",), 2), (("test.d/c/3.tc",), 1),
                              (("test.d/a", "test.d/c/3.tc"), 3)):
            with self.subTest(wanted=wanted):
                self.assertEqual(selftests.tests_in(self.top, wanted), count)

    def test_test_wanted_twice_counts_once(self) -> None:
        self.assertEqual(selftests.tests_in(self.top, ("test.d/a", "test.d/a/1.tc")), 2)

    def test_missing_test_does_not_count(self) -> None:
        self.assertEqual(selftests.tests_in(self.top, ("test.d/a/9.tc", "test.d/z")), 0)
