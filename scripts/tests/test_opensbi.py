# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/opensbi.py."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import debian, opensbi
from harness.progress import StepFailed


class WithoutC(unittest.TestCase):
    """What is fetched and built, with mocks in the place of apt and make."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.ran: list[list[str]] = []
        for patch in (mock.patch("harness.paths.cache", lambda: Path(folder.name)),
                      mock.patch.object(debian, "architecture", return_value="amd64")):
            patch.start()
            self.addCleanup(patch.stop)

    def build(self, *fails: str) -> Path:
        def run(_what: str, command: list[object], *_: object, **__: object) -> None:
            words = [str(w) for w in command]
            self.ran.append(words)
            if set(words) & set(fails):
                raise StepFailed(f"{words[1]} is broken")

        with mock.patch("harness.progress.run", run):
            return opensbi.without_c({"LLVM": "-19"})

    def test_built_once_for_these_harts(self) -> None:
        folder = self.build()
        self.assertEqual(self.build(), folder)
        fetch, make = self.ran
        self.assertEqual(fetch[1:4], ["trixie", "source", "opensbi"])
        self.assertIn("PLATFORM_RISCV_ISA=rv64ima_zicsr_zifencei", make)
        self.assertIn("CC=clang-19", make)
        self.assertTrue(make[-1].endswith("/platform/generic/firmware/fw_dynamic.bin"))

    def test_next_suite_serves_when_one_fails(self) -> None:
        self.build("trixie")
        self.assertEqual([words[1] for words in self.ran[:2]], ["trixie", "forky"])

    def test_no_suite_has_it(self) -> None:
        with self.assertRaisesRegex(StepFailed, "sid is broken"):
            self.build(*debian.SUITES)

    def test_a_build_that_failed_is_not_kept(self) -> None:
        with self.assertRaises(StepFailed):
            self.build("PLATFORM=generic")
        self.build()
        self.assertEqual(len(self.ran), 4)

    def test_a_machine_without_apt(self) -> None:
        with mock.patch.object(debian, "architecture", side_effect=StepFailed("no apt")), \
                self.assertRaisesRegex(StepFailed, "no apt"):
            self.build()
        self.assertEqual(self.ran, [])
