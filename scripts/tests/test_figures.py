# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/figures.py, and of the guest's scripts that print figures."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import figures, guest, matrix, paths
from harness.figures import Figure, Wanted

SAID = (
    "ok insmod rust_riscv", "functions 12293",
    "sample ftrace-enable sites=12293 all=yes ms c 2701.5",
    "sample ftrace-enable sites=12293 all=yes ms rust 40",
    "sample ftrace-enable sites=12293 all=yes ms c 2700.5",
    "sample ftrace-enable sites=12293 all=yes ms rust 60",
    "sample ftrace-enable sites=12293 all=yes ms c 2000",
    "sample ftrace-enable sites=12293 all=yes ms rust 50",
    "sample single-edit ms c 10",
    "sample single-edit ms c ",
)
KEYS = {"harts": 4, "ipi": "sbi"}


def parse(*left_out: int) -> list[Figure]:
    return figures.parse([line for n, line in enumerate(SAID) if n not in left_out], dict(KEYS))


class Parse(unittest.TestCase):
    def test_medians_and_ratio(self) -> None:
        enable = parse()[0]
        self.assertEqual(enable.keys, {**KEYS, "sites": "12293", "all": "yes"})
        self.assertEqual(enable.sides, {"c": [2701.5, 2700.5, 2000], "rust": [40, 60, 50]})
        self.assertEqual(enable.ratio, 2700.5 / 50)
        self.assertEqual(enable.problem, "")

    def test_minimum_and_maximum(self) -> None:
        enable = parse()[0]
        enable.minimum = 60
        self.assertEqual(enable.problem, "ratio below 60")
        self.assertEqual(Figure("f", {}, "ms", value=3, maximum=2.5).problem, "ratio above 2.5")

    def test_one_side_is_a_problem(self) -> None:
        self.assertEqual(parse()[1].problem, "there are not two sides to compare")

    def test_flatness(self) -> None:
        found = [Figure("f", {"harts": harts, "ipi": "sbi", "sites": "9"}, "ms",
                        {"c": [1.0], "rust": [time]})
                 for harts, time in ((1, 10.0), (4, 15.0), (8, 30.0))]
        self.assertEqual([f.problem for f in figures.flatness(found, "f", 2.5)],
                         ["ratio above 2.5"])


class Missing(unittest.TestCase):
    ENABLE = Wanted("ftrace-enable", {"all": "yes"}, 3)

    def test_all_there(self) -> None:
        self.assertEqual(figures.missing(parse(), [self.ENABLE]), [])

    def test_a_figure_is_missing(self) -> None:
        self.assertEqual(figures.missing(parse(), [Wanted("kprobes-arm", {}, 5)]),
                         ["kprobes-arm was measured 0 times, not once"])
        self.assertEqual(figures.missing(parse(), [Wanted("ftrace-enable", {"all": "no"}, 3)]),
                         ["ftrace-enable all=no was measured 0 times, not once"])

    def test_a_sample_is_missing(self) -> None:
        self.assertEqual(figures.missing(parse(5), [self.ENABLE]),
                         ["ftrace-enable all=yes has 2 samples of rust, not 3"])


class Required(unittest.TestCase):
    def test_each_minimum_is_of_a_required_figure(self) -> None:
        required = [(w.name, {**w.keys, "harts": b.machine.smp})
                    for b in matrix.BENCH for w in matrix.figures_of(b)]
        for name, keys, _ in matrix.MINIMA:
            with self.subTest(name, keys=keys):
                self.assertTrue(any(name == n and keys.items() <= k.items() for n, k in required))

    def test_barriers_are_those_of_the_module(self) -> None:
        text = (paths.TOP / "rust/tests/bench/bench_barrier.rs").read_text()
        self.assertEqual(tuple(re.findall(r"self\.both\(\s*\"([\w-]+)\"", text)),
                         matrix.BARRIER_FIGURES)
        self.assertEqual(re.findall(r"pairs: u32 \{\s*default: (\d+)", text),
                         [str(matrix.BARRIER_PAIRS)])


# Replacements for the guest's functions and programs.
FUNCTIONS = """
say() { echo "[    3.141593] guest: $*"; }
load() { :; }
insmod() { :; }
rmmod() { :; }
"""
BAD_ACCESS = """#!/bin/sh
[ "$1" = "$FAILS" ] && exit 1
echo 1000 10
"""


class Scripts(unittest.TestCase):
    def run_script(self, bench: matrix.Bench, fails: str = "") -> tuple[int, list[Figure]]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "functions").write_text(FUNCTIONS)
            (folder / "bad_access").write_text(BAD_ACCESS)
            (folder / "bad_access").chmod(0o755)
            text = (paths.SCRIPTS / f"guest/bench/{bench.name}.sh").read_text()
            for there, here in ((". /functions", f". {folder}/functions"),
                                ("/programs/", f"{folder}/"), ("/tmp/out", f"{folder}/out")):
                self.assertIn(there, text)
                text = text.replace(there, here)
            r = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False,
                               env={**os.environ, "PAIRS": str(bench.pairs), "FAILS": fails})
        return r.returncode, figures.parse(guest.said(r.stdout.splitlines()), {})

    def benches(self) -> list[matrix.Bench]:
        return [b for b in matrix.BENCH if b.name in ("faults", "faults-counted")]

    def test_scripts_print_the_required_figures(self) -> None:
        for bench in self.benches():
            with self.subTest(bench.label):
                status, found = self.run_script(bench)
                self.assertEqual(status, 0)
                self.assertEqual(figures.missing(found, matrix.figures_of(bench)), [])

    def test_failing_program_ends_the_script(self) -> None:
        for bench in self.benches():
            for fails in ("bad", "minor"):
                with self.subTest(bench.label, fails=fails):
                    self.assertNotEqual(self.run_script(bench, fails)[0], 0)
        status, _ = self.run_script(self.benches()[0], "zero")
        self.assertNotEqual(status, 0)
