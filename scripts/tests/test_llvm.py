# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/llvm.py."""

import unittest
from pathlib import Path
from unittest import mock

from harness import llvm, progress, stopped


class Program(unittest.TestCase):
    def test_each_form(self) -> None:
        for given, expected in (("1", "llvm-objdump"), ("-19", "llvm-objdump-19"),
                                ("/opt/llvm/bin/", "/opt/llvm/bin/llvm-objdump")):
            with self.subTest(LLVM=given):
                self.assertEqual(llvm.program({"LLVM": given}, "llvm-objdump"), expected)

    def test_stopped_asks_for_it(self) -> None:
        with mock.patch("subprocess.run") as run:
            run.return_value.stdout, run.return_value.returncode = "", 0
            stopped.inside({"LLVM": "1"}, Path("module.ko"))
        self.assertEqual(run.call_args.args[0][0], "llvm-objdump")


class Failing(unittest.TestCase):
    def test_a_tool_that_fails_is_a_failed_step(self) -> None:
        with self.assertRaisesRegex(progress.StepFailed, "no-such-module.ko"):
            progress.output(["cat", "no-such-module.ko"])

    def test_a_tool_that_is_not_there_is_a_failed_step(self) -> None:
        with self.assertRaisesRegex(progress.StepFailed, "no-such-tool"):
            progress.output(["no-such-tool-of-ours"])
