# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/ktap.py."""

import unittest
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from harness import ktap
from harness.kernel import Kernel

KERNEL = Kernel(Path("/nowhere"), "ordinary", False, "7.3", "", "", "")
Status = Enum("Status", ["SUCCESS", "SKIPPED", "FAILURE", "TEST_CRASHED", "NO_TESTS"])


def leaf(name: str, status: Status, *log: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, status=status, log=list(log), subtests=[])


def tree(*suites: SimpleNamespace, errors: int = 0) -> SimpleNamespace:
    status = Status.SUCCESS if suites else Status.NO_TESTS
    return SimpleNamespace(name="main", subtests=list(suites), status=status, log=[],
                           counts=SimpleNamespace(errors=errors))


def suite(name: str, *tests: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(name=name, subtests=list(tests), status=Status.SUCCESS, log=[])


def lines(*text: str, end: bool = True) -> list[str]:
    last = ["[    9.0][    T1] guest: end kunit some"] if end else []
    return ["[    1.0][    T1] guest: begin kunit some",
            *(f"[    2.0][    T1] {t}" for t in text), *last]


class Parse(unittest.TestCase):
    """The results that are made of what the kernel's parser, here a stub, returns."""

    def parse(self, found: SimpleNamespace, *text: str, end: bool = True) -> dict[str, str]:
        kunit = mock.Mock(TestStatus=Status)
        kunit.parse_run_tests.return_value = found
        with mock.patch.object(ktap, "parser", return_value=(kunit, None)):
            results = ktap.parse(KERNEL, lines("KTAP version 1", *text, end=end), "some")
        return {r.name: r.status for r in results.all}

    def test_each_status(self) -> None:
        found = tree(suite("s", leaf("good", Status.SUCCESS), leaf("bad", Status.FAILURE, "why"),
                           leaf("not_here", Status.SKIPPED), leaf("", Status.TEST_CRASHED)))
        self.assertEqual(self.parse(found), {"s.good": "pass", "s.bad": "fail",
                                             "s.not_here": "skip", "s.(died)": "fail"})

    def test_no_test_ran(self) -> None:
        self.assertEqual(self.parse(tree(leaf("s", Status.TEST_CRASHED))), {"s": "fail"})
        self.assertEqual(self.parse(tree()), {"some": "fail"})

    def test_errors_in_its_ktap(self) -> None:
        found = tree(suite("s", leaf("good", Status.SUCCESS)), errors=1)
        self.assertEqual(self.parse(found)["some"], "fail")

    def test_did_not_end(self) -> None:
        found = tree(suite("s", leaf("good", Status.SUCCESS)))
        self.assertNotIn("some", self.parse(found))
        self.assertEqual(self.parse(found, end=False)["some"], "fail")

    def test_assertion_on_another_thread(self) -> None:
        found = tree(suite("s", leaf("good", Status.SUCCESS)))
        names = self.parse(found, "    # good: ASSERTION FAILED at rust/tests/kunit/engine/engine.rs:33",
                           "rust_kernel: Failure not reported to KUnit since this is a non-KUnit")
        self.assertEqual(names["good"], "fail")


class Marks(unittest.TestCase):
    def test_never_started(self) -> None:
        with mock.patch.object(ktap, "parser", return_value=(None, None)):
            for text in ([], lines("KTAP version 1")[1:], lines()):
                found = ktap.parse(KERNEL, text, "some")
                self.assertEqual([(r.name, r.status) for r in found.all], [("some", "fail")])
