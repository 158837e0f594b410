# SPDX-License-Identifier: GPL-2.0
"""Static programs for guests: which package of which suite is taken."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import debian
from harness.progress import StepFailed


class Program(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)
        self.asked: list[str] = []
        for patch in (mock.patch("harness.paths.cache", lambda: self.cache),
                      mock.patch.dict(os.environ, clear=False)):
            patch.start()
            self.addCleanup(patch.stop)
        os.environ.pop("GUEST_BASH", None)

    def fetch(self, *, fails: tuple[str, ...]) -> mock.Mock:
        """Stands in for fetch-deb.sh, which fails for these suites."""
        def run(_what: str, command: list[Path | str], _log: Path) -> None:
            _, suite, _, package, folder = map(str, command)
            self.asked.append(suite)
            if suite in fails:
                raise StepFailed(f"{suite} is broken")
            program = Path(folder) / "usr/bin" / package
            program.parent.mkdir(parents=True)
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

    def test_no_suite_says_what_to_set(self) -> None:
        with mock.patch("harness.progress.run", self.fetch(fails=debian.SUITES)), \
                self.assertRaisesRegex(StepFailed, "Set GUEST_BASH= to a static"):
            debian.guest_bash()

    def test_own_program(self) -> None:
        os.environ["GUEST_BASH"] = "/opt/bash"
        with mock.patch("harness.progress.run", self.fetch(fails=())):
            self.assertEqual(debian.guest_bash(), Path("/opt/bash"))
        self.assertEqual(self.asked, [])


if __name__ == "__main__":
    unittest.main()
