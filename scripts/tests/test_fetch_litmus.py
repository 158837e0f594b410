# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/fetch_litmus.py."""

import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import defects
import fetch_matrix
from harness import fetch_litmus, libc, matrix, paths
from harness.guest import Boot
from harness.progress import StepFailed
from harness.results import Results

QEMU = matrix.Fetch("ordinary", 2, "none", {"rounds": 5, "seconds": 2})
SPIKE = matrix.FetchSpike("ordinary", 2, "none", {"rounds": 5, "seconds": 2})


def line(test: str = "MP.RF", flush: str = "reader", expected: int = 5, seen: int = 0,
         other: int = 0, forbidden: str = "yes", tried: int | None = None) -> str:
    tried = expected if tried is None else tried
    return (f"litmus: {test} flush={flush} harts=2 cpus=0,1 rounds=5 discarded=0 early=0 "
            f"expected={expected} tried={tried} seen={seen} other={other} forbidden={forbidden} rule=zifencei")


def verdict(*lines: str) -> str:
    """What the program says last of these tests."""
    tests = [text for text in lines if re.match("litmus: .*(skipped: |seen=)", text)]
    skipped = sum("skipped: " in text for text in tests)
    nothing = sum("tried=0 seen=0 other=0" in text for text in tests)
    bad = sum(bool(re.search("seen=[1-9].* forbidden=yes|other=[1-9]", text)) for text in tests)
    return (f"verdict: {len(tests) - skipped} tests ran, {skipped} were skipped, {nothing} told nothing, "
            f"{bad} had a forbidden outcome")


def boot(*lines: str, status: int | None = 0, complete: bool = True) -> Boot:
    """A guest in which the program printed these lines, and a verdict if there is none."""
    if not any(text.startswith("verdict: ") for text in lines):
        lines += (verdict(*lines),)
    log = ["[    1.0][    T1] guest: begin fetch",
           *(f"[    1.1][    T1] guest-fetch: {text}" for text in lines)]
    if complete:
        log.append("[    1.2][    T1] guest: end fetch")
    if status is not None:
        log.append(f"[    1.3][    T1] guest: result {status}")
    return Boot(outcome="exit", status=0, lines=log)


def seen_in_spike() -> list[str]:
    names = (name.rsplit("+", 1) for name in matrix.SPIKE_SEEN)
    return [line(test, flush, expected=0, seen=5, forbidden="no") for test, flush in names]


class Guests(unittest.TestCase):
    # As if the program had only the tests of which the guest has lines.
    def results(self, boot: Boot, row: matrix.Fetch) -> Results:
        names = re.findall(r"litmus: (\S+) flush=(\S+)", "\n".join(boot.lines))
        with mock.patch.object(fetch_litmus, "TESTS", {f"{t}+{f}" for t, f in names}):
            return fetch_litmus.results(boot, row)


class Judged(Guests):
    def found(self, boot: Boot, row: matrix.Fetch = QEMU) -> dict[str, str]:
        return {r.name: r.status for r in self.results(boot, row).all}

    def failures(self, boot: Boot, row: matrix.Fetch = QEMU) -> list[str]:
        return [r.name for r in self.results(boot, row).failures()]

    def test_never(self) -> None:
        self.assertEqual(self.found(boot(line())), {
            "fetch.MP.RF+reader": "pass", "fetch.all tests": "pass", "fetch.verdict": "pass",
            "fetch.status": "pass"})

    def test_forbidden(self) -> None:
        self.assertEqual(self.failures(boot(line(seen=1), status=1)), ["fetch.MP.RF+reader"])

    def test_allowed(self) -> None:
        self.assertEqual(self.failures(boot(line(seen=1, forbidden="no"))), [])

    def test_forbidden_but_known_of_qemu(self) -> None:
        text = line("BP.done", "all", seen=1)
        self.assertEqual(self.found(boot(text, status=1))["fetch.BP.done+all"], "skip")
        self.assertIn("fetch.BP.done+all", self.failures(boot(text, status=1), SPIKE))
        other = line("BP.done", "all", other=1)
        self.assertEqual(self.failures(boot(other, status=1)), ["fetch.BP.done+all"])

    def test_outcome_that_no_order_explains(self) -> None:
        self.assertEqual(self.failures(boot(line(other=1, forbidden="no"), status=1)),
                         ["fetch.MP.RF+reader"])

    def test_outcome_not_seen_is_skipped(self) -> None:
        for text in (line(expected=0), line(tried=0)):
            with self.subTest(text):
                self.assertEqual(self.found(boot(text, status=2)), {
                    "fetch.MP.RF+reader": "skip", "fetch.all tests": "pass",
                    "fetch.verdict": "pass", "fetch.status": "pass"})
                self.assertEqual(self.failures(boot(text, status=0)), ["fetch.status"])

    def test_output_of_a_version_without_tried(self) -> None:
        for expected, status in ((5, "pass"), (0, "skip")):
            text = line(expected=expected).replace(f"tried={expected} ", "")
            self.assertEqual(self.found(boot(text))["fetch.MP.RF+reader"], status)

    def test_skipped(self) -> None:
        text = "litmus: IRIW.FF flush=none harts=4 skipped: needs 4 harts"
        found = self.results(boot(text, line()), QEMU).all[0]
        self.assertEqual((found.name, found.status, found.detail),
                         ("fetch.IRIW.FF+none", "skip", "needs 4 harts"))

    def test_all_skipped(self) -> None:
        text = "litmus: IRIW.FF flush=none harts=4 skipped: needs 4 harts"
        self.assertEqual(self.failures(boot(text, status=2)), ["fetch.all tests"])

    def test_the_status_must_be_that_of_the_verdict(self) -> None:
        for status in (1, 2, 139, None):
            with self.subTest(status):
                self.assertEqual(self.failures(boot(line(), status=status)), ["fetch.status"])
        self.assertIn("fetch.status", self.failures(boot(line(seen=1), status=0)))

    def test_no_output(self) -> None:
        self.assertEqual(self.failures(boot(status=2)), ["fetch.all tests"])
        self.assertEqual(self.failures(boot(line(), complete=False)), ["fetch"])

    def test_a_line_that_is_broken(self) -> None:
        for text in ("litmus: MP.RF", "litmus: MP.RF flush=none harts=2 rounds=5",
                     line().replace("yes", "maybe"), line().replace("seen=0", "")):
            with self.subTest(text):
                self.assertEqual(self.failures(boot(line(), text)), ["fetch"])

    def test_other_lines(self) -> None:
        lines = ("# fetch_litmus: Linux", line(), "", "test  flush")
        self.assertEqual(self.failures(boot(*lines)), [])

    def test_the_verdict_must_be_that_of_the_lines(self) -> None:
        lines = (line(), line("SM", seen=1), line("CoFF", tried=0, expected=0),
                 "litmus: IRIW.FF flush=none harts=4 skipped: needs 4 harts")
        self.assertEqual(verdict(*lines), "verdict: 3 tests ran, 1 were skipped, 1 told nothing, "
                                          "1 had a forbidden outcome")
        forbidden = ["fetch.SM+reader"]
        right = verdict(*lines)
        self.assertEqual(self.failures(boot(*lines, right, status=1)), forbidden)
        more = right + "; 5 rounds were discarded: a thread left its CPU, or a flush failed"
        self.assertEqual(self.failures(boot(*lines, more, status=1)), forbidden)
        for wrong in (right.replace("3 tests", "4 tests"), right.replace("1 were", "0 were"),
                      right.replace("1 told", "2 told"), right.replace("1 had", "0 had"),
                      "verdict: 3 tests ran", "verdict: none"):
            with self.subTest(wrong):
                found = self.failures(boot(*lines, wrong, status=1))
                self.assertEqual(found, [*forbidden, "fetch.verdict"])

    def test_no_verdict(self) -> None:
        text = boot(line())
        text.lines = [said for said in text.lines if "verdict: " not in said]
        self.assertEqual(self.failures(text), ["fetch.verdict"])


class AllTests(unittest.TestCase):
    def failures(self, tests: set[str], *lines: str) -> list[str]:
        with mock.patch.object(fetch_litmus, "TESTS", tests):
            return [f"{r.name}: {r.detail}"
                    for r in fetch_litmus.results(boot(*lines), QEMU).failures()]

    def test_all(self) -> None:
        self.assertEqual(self.failures({"MP.RF+reader", "SM+reader"}, line(), line("SM")), [])

    def test_a_test_that_is_missing(self) -> None:
        self.assertEqual(self.failures({"MP.RF+reader", "SM+reader"}, line()),
                         ["fetch.all tests: not there: SM+reader"])

    def test_a_test_that_is_not_in_the_list(self) -> None:
        self.assertEqual(self.failures({"MP.RF+reader"}, line(), line(flush="new")),
                         ["fetch.all tests: not in TESTS: MP.RF+new"])

    def test_a_test_that_is_there_twice(self) -> None:
        self.assertEqual(self.failures({"MP.RF+reader"}, line(), line()),
                         ["fetch.all tests: there twice: MP.RF+reader"])


class Seen(Guests):
    def failures(self, *lines: str, row: matrix.Fetch = SPIKE) -> list[str]:
        return [r.name for r in self.results(boot(*lines), row).failures()]

    def test_all(self) -> None:
        self.assertEqual(self.failures(*seen_in_spike()), [])

    def test_expected_outcome_not_seen(self) -> None:
        lines = [text.replace("seen=5", "seen=0").replace("expected=0", "expected=5")
                 .replace("tried=0", "tried=5")
                 if "SM flush=none" in text else text for text in seen_in_spike()]
        self.assertEqual(self.failures(*lines), ["fetch.SM+none"])

    def test_skipped(self) -> None:
        lines = [text for text in seen_in_spike() if "SM flush=none" not in text]
        skipped = "litmus: SM flush=none harts=1 skipped: no"
        self.assertEqual(self.failures(skipped, *lines), ["fetch.SM+none"])

    def test_nothing_in_qemu(self) -> None:
        self.assertEqual(QEMU.must_be_seen, set())


class Source(unittest.TestCase):
    text = (paths.TOP / fetch_litmus.SOURCE).read_text()

    def test_source_includes_none_of_our_headers(self) -> None:
        self.assertEqual(re.findall(r'#include "', self.text), [])

    def test_tests_of_the_matrix_exist(self) -> None:
        self.assertLessEqual(matrix.SPIKE_SEEN | matrix.QEMU_DEVIATES, fetch_litmus.TESTS)

    def test_tests_are_those_of_the_source(self) -> None:
        flushes = dict(re.findall(r"\[(\w+)\] = \"([\w-]+)\",", self.text))
        macros = {name: re.findall(rf'\b{name}\(0x\w+, "(\d+)"\)', self.text)
                  for name in ("CROSS", "BREAKPOINT")}
        found = set()
        for name, macro, variants in re.findall(
                r'\.name = "([^"]+)"( bytes)?,.*?VARIANTS\(((?:[^()])*)\)', self.text,
                re.DOTALL):
            sizes = [""]
            if macro:
                sizes = macros["BREAKPOINT" if name.startswith("BP") else "CROSS"]
            found |= {f"{name}{size}+{flushes[flush]}" for size in sizes
                      for flush in re.findall(r"\{ (\w+), \w+ \}", variants)}
        self.assertEqual(found, fetch_litmus.TESTS)

    def test_each_test_is_documented(self) -> None:
        text = (paths.TOP / "Documentation/litmus-fetch.rst").read_text()
        tests = text[text.index("\nTests\n"):text.index("\nWhat forbids an outcome\n")]
        flushes = {name for names in fetch_litmus.FLUSHES.values() for name in names.split()}
        for name in fetch_litmus.FLUSHES.keys() | flushes:
            with self.subTest(name):
                self.assertIn(f"``{name}``", tests)

    def test_a_program_that_does_not_compile(self) -> None:
        with tempfile.TemporaryDirectory() as folder, \
             mock.patch.object(paths, "BUILD", Path(folder)), \
             mock.patch.object(libc, "compiler", return_value=["false"]), \
             self.assertRaisesRegex(StepFailed, "does not compile"):
            fetch_litmus.build({})

    def test_options(self) -> None:
        for version, expected in (("10.0.2", "--rounds=5 --seconds=2 --no-ziccif"),
                                  ("10.1.0", "--rounds=5 --seconds=2")):
            with self.subTest(version):
                self.assertEqual(fetch_litmus.options(QEMU, {"QEMU_VERSION": version}), expected)
        self.assertEqual(fetch_litmus.options(SPIKE, {"QEMU_VERSION": "10.0.2"}),
                         "--rounds=5 --seconds=2")


class Rows(unittest.TestCase):
    def test_names(self) -> None:
        self.assertEqual([row.name for row in matrix.FETCH_FULL],
                         ["fetch-ordinary-smp2-none", "fetch-ordinary-smp4-none",
                          "spike-fetch-ordinary-smp2-none", "spike-fetch-ordinary-smp4-none"])

    def test_no_spike_here(self) -> None:
        with mock.patch("harness.spike.unable", return_value="no Spike here"), \
             mock.patch("builtins.print"):
            found = fetch_litmus.boot_row(SPIKE, {})
        self.assertEqual([(r.status, r.detail) for r in found.all], [("skip", "no Spike here")])

    def defect(self, folder: Path) -> defects.Defect:
        patch = folder / "x.patch"
        patch.write_text("# suite: fetch\n# expect: t\n# boot: smp=2 spike=1 rounds=7\n")
        return defects.read(patch)

    def test_of_a_defect(self) -> None:
        row = defects.fetch_row(self.defect(Path(self.enterContext(tempfile.TemporaryDirectory()))))
        self.assertIsInstance(row, matrix.FetchSpike)
        self.assertEqual((row.smp, row.parameters["rounds"], row.parameters["seconds"]),
                         (2, "7", matrix.FETCH_FEW["seconds"]))

    def test_files_of_a_defect_are_not_those_of_the_tree(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        with mock.patch.object(defects, "copy"), mock.patch.object(defects, "WORK", folder), \
             mock.patch("harness.spike.unable", return_value=""), \
             mock.patch("harness.libc.compiler", return_value=["true"]), \
             mock.patch("harness.kernel.build"), mock.patch("harness.fetch_litmus.Step"), \
             mock.patch("harness.suite.boot", return_value=boot()) as booted:
            _, log = defects.failed(self.defect(folder), {}, mock.Mock())
        self.assertEqual(booted.call_args.args[3], "defect-x")
        self.assertEqual(log, paths.LOGS / "guest-defect-x.log")
        self.assertEqual(booted.call_args.kwargs["files"],
                         {"programs/fetch_litmus": folder / "programs/fetch_litmus"})


class Table(unittest.TestCase):
    def file(self, *lines: str) -> str:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = Path(folder) / "out"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def test_machines(self) -> None:
        guest = [text.replace("litmus:", "[    1.1][    T1] guest-fetch: litmus:")
                 for text in (line(flush="none", seen=1, forbidden="no"), line(seen=2))]
        board = (line(flush="none", forbidden="no"), line(test="SM", expected=0),
                 line(test="CoFF", other=1),
                 "litmus: MP.RF flush=reader harts=2 skipped: needs 2 harts",
                 "verdict: 3 tests ran, 1 were skipped")
        found = dict(fetch_matrix.read(f"{name}={self.file(*lines)}")
                     for name, lines in (("A", guest), ("a board", board)))
        self.assertEqual(fetch_matrix.table(found), [
            "=========  ==========  ==============  =========",
            "Test       Flush       A (incomplete)  a board",
            "=========  ==========  ==============  =========",
            "``MP.RF``  ``none``    seen            never",
            "``MP.RF``  ``reader``  **SEEN**        –",
            "``SM``     ``reader``  (not there)     nothing",
            "``CoFF``   ``reader``  (not there)     **other**",
            "=========  ==========  ==============  ========="])

    def test_invalid_arguments_and_files(self) -> None:
        for word, text in (("out", "not NAME=FILE"), ("=x", "not NAME=FILE"),
                           ("A=/nowhere", "No such file"),
                           (f"A={self.file(line(), line())}", "MP.RF.reader is there twice"),
                           (f"A={self.file('verdict: 1')}", "no line of fetch_litmus"),
                           (f"A={self.file('litmus: SM flush=none harts=1 x')}", "not all")):
            with self.subTest(word), self.assertRaisesRegex(StepFailed, text):
                fetch_matrix.read(word)

    def test_a_name_that_is_given_twice(self) -> None:
        word = f"A={self.file(line(), 'verdict: 1 tests ran')}"
        with mock.patch("sys.argv", ["fetch_matrix.py", word, word]), \
             mock.patch("builtins.print"), \
             self.assertRaisesRegex(StepFailed, "A is there twice"):
            fetch_matrix.main()
