# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/debian.py: which package of which suite is fetched."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import debian
from harness.progress import StepFailed


class Program(unittest.TestCase):
    def setUp(self) -> None:
        self.cache = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.asked: list[str] = []
        for patch in (mock.patch("harness.paths.cache", lambda: self.cache),
                      mock.patch.dict(os.environ, clear=False)):
            self.enterContext(patch)
        os.environ.pop("GUEST_BASH", None)

    def fetch(self, *, fails: tuple[str, ...]) -> mock.Mock:
        """A replacement for progress.run() with fetch-deb.sh, which fails for these suites."""
        def run(_what: str, command: list[Path | str], _log: Path, _hint: str = "") -> None:
            _, suite, _, package, folder = map(str, command)
            self.asked.append(suite)
            if suite in fails:
                raise StepFailed(f"{suite} is broken")
            program = Path(folder) / "usr/bin" / package
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(suite)
        return mock.Mock(side_effect=run)

    def test_next_suite_serves_when_one_fails(self) -> None:
        with mock.patch("harness.progress.run", self.fetch(fails=("trixie",))):
            self.assertEqual(debian.guest_bash().read_text(), "forky")
        self.assertEqual(self.asked, ["trixie", "forky"])

    def test_fetched_once(self) -> None:
        with mock.patch("harness.progress.run", self.fetch(fails=())):
            debian.guest_bash()
            debian.guest_bash()
        self.assertEqual(self.asked, ["trixie"])

    def test_failure_of_all_suites_names_the_variable_to_set(self) -> None:
        with mock.patch("harness.progress.run", self.fetch(fails=debian.SUITES)), \
                self.assertRaisesRegex(StepFailed, "Set GUEST_BASH= to a static"):
            debian.guest_bash()

    def test_own_program(self) -> None:
        os.environ["GUEST_BASH"] = "/opt/bash"
        with mock.patch("harness.progress.run", self.fetch(fails=())):
            self.assertEqual(debian.guest_bash(), Path("/opt/bash"))
        self.assertEqual(self.asked, [])

    def test_packages_of_this_machine_are_fetched_once(self) -> None:
        with mock.patch("harness.progress.run", self.fetch(fails=())), \
                mock.patch("harness.debian.architecture", lambda *_: "amd64"):
            for _ in range(2):
                folder = debian.fetch("tool", "a tool", ("one", "two"), "forky", 1)
        self.assertEqual(self.asked, ["forky", "forky"])
        self.assertEqual((folder / "usr/bin/two").read_text(), "forky")

    def test_without_apt_the_message_says_what_to_do(self) -> None:
        with mock.patch("shutil.which", lambda _: None), \
                self.assertRaisesRegex(StepFailed, "a tool is fetched with apt.*Set TOOL="):
            debian.fetch("tool", "a tool", ("one",), "forky", 1, "Set TOOL= to one.")

    def test_a_dpkg_that_fails_is_a_failed_step(self) -> None:
        broken = mock.Mock(returncode=2, stdout="", stderr="dpkg: error: no such file")
        with mock.patch("harness.debian.available", lambda: True), \
                mock.patch("subprocess.run", lambda *_, **_k: broken), \
                self.assertRaisesRegex(StepFailed, "no such file"):
            debian.architecture("a tool")


if __name__ == "__main__":
    unittest.main()
