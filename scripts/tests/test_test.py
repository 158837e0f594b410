# SPDX-License-Identifier: GPL-2.0
"""Tests of test.py, suite.guarded() and litmus.run_all()."""

import contextlib
import io
import unittest
from collections.abc import Callable
from unittest import mock

import litmus
import test
from harness import herd, loom, source, suite
from harness.progress import StepFailed
from harness.results import Results


def one() -> Results:
    results = Results()
    results.add("some", True)
    return results


def broken() -> Results:
    raise FileNotFoundError("rsync")


def failed() -> Results:
    raise StepFailed("no kernel could be had")


class Guarded(unittest.TestCase):
    def results(self, function: Callable[[], Results]) -> tuple[list[tuple[str, str, str]], str]:
        with contextlib.redirect_stdout(io.StringIO()) as out, \
             contextlib.redirect_stderr(out):
            found = suite.guarded("row", function)
        return [(r.name, r.status, r.detail) for r in found.all], out.getvalue()

    def test_results_are_returned(self) -> None:
        self.assertEqual(self.results(one), ([("some", "pass", "")], ""))

    def test_a_failed_step_is_a_failure(self) -> None:
        found, out = self.results(failed)
        self.assertEqual(found, [("row", "fail", "no kernel could be had")])
        self.assertIn("no kernel could be had", out)

    def test_an_exception_is_a_failure_with_its_traceback(self) -> None:
        found, out = self.results(broken)
        self.assertEqual([(name, status) for name, status, _ in found], [("row", "fail")])
        self.assertIn("Traceback", out)
        self.assertIn("in broken", out)

    def test_an_interruption_is_none(self) -> None:
        with self.assertRaises(KeyboardInterrupt):
            suite.guarded("row", mock.Mock(side_effect=KeyboardInterrupt))


class Names(unittest.TestCase):
    def test_a_part_that_is_there(self) -> None:
        for only in ("", "lint", "litmus", "smp4 imsic", "spike", "bare", "stress"):
            with self.subTest(only):
                test.check_names(only, full=False)

    def test_a_part_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(StepFailed, "no part of the suite is called smp2 sbi; .*lint"):
            test.check_names("smp2 sbi", full=False)

    def test_a_part_of_the_whole_matrix(self) -> None:
        usual = {row.name for part in test.PARTS for row in part.usual}
        name = next(row.name for part in test.PARTS for row in part.full if row.name not in usual
                    and not any(row.name in other for other in usual))
        for only in (name, "in-tree"):
            test.check_names(only, full=True)
            with self.assertRaises(StepFailed):
                test.check_names(only, full=False)

    def test_parts_that_are_no_guest_run_if_named(self) -> None:
        for only, ran in (("in-tree", {"in-tree"}), ("tree in", {"in-tree"}), ("lint", {"lint"}),
                          ("in-tree x", set()), ("", {"lint", "litmus", "in-tree", "defects"})):
            with self.subTest(only), contextlib.ExitStack() as stack:
                parts = {
                    "lint": mock.patch("harness.lint.run", return_value=one()),
                    "litmus": mock.patch("litmus.run_all", return_value=one()),
                    "in-tree": mock.patch("harness.in_tree.boot_row", return_value=one()),
                    "defects": mock.patch("defects.run_all", return_value=one())}
                mocks = {name: stack.enter_context(part) for name, part in parts.items()}
                for patch in (mock.patch("sys.argv", ["test.py", "--full", "--only", only]),
                              mock.patch.object(test, "PARTS", test.PARTS[-1:]),
                              mock.patch("harness.spike.unable", return_value="none"),
                              mock.patch("harness.toolchain.load", return_value={}),
                              mock.patch("harness.host.run", return_value=one()),
                              contextlib.redirect_stdout(io.StringIO())):
                    stack.enter_context(patch)
                if ran:
                    self.assertEqual(test.main(), 0)
                else:
                    self.assertRaises(StepFailed, test.main)
                self.assertEqual({n for n, m in mocks.items() if m.called}, ran)


class Whole(unittest.TestCase):
    def test_the_last_line_is_printed_whatever_breaks(self) -> None:
        out = io.StringIO()
        with mock.patch("sys.argv", ["test.py"]), \
             mock.patch.dict("os.environ", {"ONLY": ""}), \
             mock.patch("harness.toolchain.load", return_value={}), \
             mock.patch("harness.host.run", return_value=one()), \
             mock.patch("harness.lint.run", side_effect=failed), \
             mock.patch("litmus.run_all", side_effect=failed), \
             mock.patch("test.run_row", side_effect=ValueError), \
             mock.patch("harness.spike.unable", return_value=""), \
             mock.patch("harness.selftests.boot_row", side_effect=OSError), \
             mock.patch("harness.stress.boot_row", side_effect=KeyError), \
             mock.patch("harness.faults.boot_row", side_effect=failed), \
             mock.patch("harness.bare.boot_row", side_effect=failed), \
             contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            status = test.main()
        self.assertEqual(status, 1)
        self.assertRegex(out.getvalue().splitlines()[-1], r"^1 passed, [1-9]\d+ failed$")


class NoHerd(unittest.TestCase):
    def test_other_checks_of_litmus_run(self) -> None:
        with mock.patch.object(source, "get"), \
             mock.patch.object(herd, "command", side_effect=StepFailed("no herd7 here")), \
             mock.patch.object(litmus, "check_code", return_value=one()), \
             mock.patch("harness.hooked.Tree"), \
             mock.patch.object(loom, "run", return_value=one()), \
             mock.patch("pathlib.Path.exists", return_value=True), \
             contextlib.redirect_stdout(io.StringIO()):
            found = litmus.run_all({}, compiled=False)
        self.assertIn(("litmus", "fail", "no herd7 here"),
                      [(r.name, r.status, r.detail) for r in found.all])
        self.assertIn("some", [r.name for r in found.all])
