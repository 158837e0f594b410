# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/guest.py, with shells instead of QEMU."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import guest, suite
from harness.guest import Boot, Limits
from harness.progress import Step

EXIT = "echo '[    3.141593] guest: exit 0'"
DOWN = "echo '[    3.150000] reboot: Power down'"


class Ending(unittest.TestCase):
    """Shells instead of QEMU, which print the console output of a guest."""

    def boot(self, script: str, stays: bool = False, **limits: float) -> Boot:
        with tempfile.TemporaryDirectory() as folder:
            return guest.boot(["sh", "-c", script], Path(folder) / "log",
                              Limits(**{"silence": 20, "total": 20, **limits}), Step("a guest"),
                              stays=stays)

    def test_powered_off(self) -> None:
        boot = self.boot(f"{EXIT}; {DOWN}")
        self.assertEqual((boot.outcome, boot.status, boot.ok), ("exit", 0, True))

    def test_its_script_failed(self) -> None:
        boot = self.boot(f"echo '[ 3.1] guest: exit 3'; {DOWN}")
        self.assertEqual((boot.outcome, boot.status, boot.ok), ("exit", 3, False))

    def test_died(self) -> None:
        self.assertEqual(self.boot("echo '[ 1.0] guest: ok insmod'").outcome, "died")

    def test_silent_after_its_script(self) -> None:
        boot = self.boot(f"{EXIT}; exec sleep 60", silence=0.5)
        self.assertEqual((boot.outcome, boot.ok), ("silent", False))

    def test_late_after_its_script(self) -> None:
        boot = self.boot(f"{EXIT}; while echo x; do sleep 0.1; done", total=1.5)
        self.assertEqual((boot.outcome, boot.ok), ("late", False))

    def test_stays_when_it_has_powered_off(self) -> None:
        boot = self.boot(f"{EXIT}; {DOWN}; exec sleep 60", stays=True)
        self.assertTrue(boot.ok)
        self.assertLess(boot.elapsed, 10)

    def test_stays_before_its_script_has_ended(self) -> None:
        self.assertEqual(self.boot(f"{DOWN}; exec sleep 60", stays=True).outcome, "died")

    def test_waits_longer_on_a_busy_host(self) -> None:
        script = f"{EXIT}; sleep 2; {DOWN}"
        with mock.patch("os.getloadavg", lambda: (400.0, 0.0, 0.0)):
            self.assertTrue(self.boot(script, silence=0.5).ok)
        with mock.patch("os.getloadavg", lambda: (0.0, 0.0, 0.0)):
            self.assertEqual(self.boot(script, silence=0.5).outcome, "silent")

    def test_died_after_its_script(self) -> None:
        boot = self.boot(EXIT)
        self.assertEqual((boot.outcome, boot.ok), ("died", False))

    def test_lines_in_parts(self) -> None:
        boot = self.boot(r"printf '[ 1.0] guest: ex'; sleep 0.2; printf 'it 0\r\n'; "
                         r"printf '[ 1.1] reboot: Power down'")
        self.assertEqual(boot.lines, ["[ 1.0] guest: exit 0", "[ 1.1] reboot: Power down"])
        self.assertTrue(boot.ok)


class Named(unittest.TestCase):
    """A defect is found if the guest dies, not if it hangs, which can have other reasons."""

    STARTED = "[    1.0][    T1] guest: ok insmod.rust_riscv"

    def failures(self, outcome: str, *lines: str) -> list[str]:
        boot = Boot(outcome=outcome, lines=list(lines or (self.STARTED,)))
        return [r.name for r in suite.ending(boot).failures()]

    def test_not_started(self) -> None:
        self.assertEqual(self.failures("died", "qemu: cannot set up guest memory"),
                         ["guest started"])

    def test_by_how_it_ended(self) -> None:
        self.assertEqual(self.failures("died"), ["guest"])
        self.assertEqual(self.failures("silent"), ["guest ended in time"])
        self.assertEqual(self.failures("late"), ["guest ended in time"])


class Said(unittest.TestCase):
    LINES = ("[    1.0][    T1] guest: begin pages", "[    1.1][    T1] guest-pages: one",
             "[    1.2][    T1] guest-pages: ", "[    1.3][    T1] guest: end pages",
             "[    1.4][    T1] guest: begin cut", "[    1.5][    T1] guest-cut: one")

    def test_sent(self) -> None:
        self.assertEqual(guest.sent(list(self.LINES), "pages"), ["one", ""])

    def test_incomplete_file_is_none(self) -> None:
        self.assertIsNone(guest.sent(list(self.LINES), "cut"))
        self.assertIsNone(guest.sent(list(self.LINES), "stats"))
