# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/progress.py."""

import contextlib
import errno
import io
import os
import unittest

from harness import progress


class Main(unittest.TestCase):
    def run_main(self, error: BaseException) -> tuple[object, str]:
        """Exit status and standard error of a script whose main function raises this."""
        def function() -> int:
            raise error
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as end:
            progress.main(function)
        return end.exception.code, said.getvalue()

    def test_full_disk_is_a_message(self) -> None:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "build/log")
        status, said = self.run_main(error)
        self.assertEqual(status, 1)
        self.assertEqual(said, "build/log: No space left on device. Make room there, "
                               "and run this again.\n")

    def test_failed_step_is_a_message(self) -> None:
        self.assertEqual(self.run_main(progress.StepFailed("no source")), (1, "no source\n"))

    def test_other_errors_are_bugs(self) -> None:
        with self.assertRaises(FileNotFoundError):
            progress.main(lambda: os.stat("/nowhere").st_size)


if __name__ == "__main__":
    unittest.main()
