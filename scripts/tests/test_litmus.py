# SPDX-License-Identifier: GPL-2.0
"""Tests of litmus.py."""

import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import litmus
from harness import herd, paths, sources

C = """C some

(*
 * Result: Never
 * Fixed: {fixed}
 *)

{{}}

P0(int *x, int *y)
{{
	WRITE_ONCE(*x, 1);
	smp_mb();
	smp_store_release(y, 1);
}}

P1(int *x, int *y)
{{
	int r0 = smp_load_acquire(y);
	smp_mb();
	int r1 = atomic_fetch_add(1, x);
}}

exists (1:r0=1 /\\ 1:r1=0)
"""

RISCV = """RISCV some
(*
 * Result: Never
 *)
{}
 P0          | P1               ;
 sw x5,0(x6) | amoswap.w.aqrl x5,x6,(x7) ;
 fence rw,w  | fence.i          ;
exists (true)
"""


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Weakening(Folder):
    def mutations(self, text: str) -> list[tuple[str, str]]:
        found = litmus.Test(self.file("some.litmus", text)).mutations()
        return [(ordering, what.split(", ", 1)[1]) for ordering, what, _ in found]

    def test_c(self) -> None:
        self.assertEqual(self.mutations(C.format(fixed="none")), [
            ("smp_mb", "smp_mb(); -> nothing"),
            ("smp_mb", "smp_mb(); -> nothing"),
            ("smp_store_release", "smp_store_release(y, 1) -> WRITE_ONCE(*y, 1)"),
            ("smp_load_acquire", "smp_load_acquire(y) -> READ_ONCE(*y)"),
            ("atomic_fetch_add", "atomic_fetch_add( -> atomic_fetch_add_relaxed("),
            ("atomic_fetch_add", "atomic_fetch_add( -> atomic_fetch_add_acquire("),
            ("atomic_fetch_add", "atomic_fetch_add( -> atomic_fetch_add_release("),
        ])

    def test_fixed_in_one_thread(self) -> None:
        text = C.format(fixed="smp_mb@P1 atomic_fetch_add smp_load_acquire")
        self.assertEqual([ordering for ordering, _ in self.mutations(text)],
                         ["smp_mb", "smp_store_release"])

    def test_one_at_a_time(self) -> None:
        text = C.format(fixed="none")
        for ordering, _, mutated in litmus.Test(self.file("a.litmus", text)).mutations():
            with self.subTest(ordering):
                changed = [(a, b) for a, b in zip(text.split("\n"), mutated.split("\n"),
                                                  strict=True) if a != b]
                self.assertEqual(len(changed), 1)

    def test_riscv(self) -> None:
        self.assertEqual(self.mutations(RISCV), [
            ("fence rw,w", "fence rw,w -> nop"), ("fence.i", "fence.i -> nop"),
            ("amoswap.w", "amoswap.w.aqrl -> amoswap.w"),
            ("amoswap.w", "amoswap.w.aqrl -> amoswap.w.aq"),
            ("amoswap.w", "amoswap.w.aqrl -> amoswap.w.rl")])

    def test_each_weakening_must_be_found(self) -> None:
        test = litmus.Test(self.file("some.litmus", C.format(fixed="none")))
        for says, expected in (("Sometimes", "pass"), ("Never", "fail")):
            run = mock.Mock(return_value=herd.Verdict(says))
            found = litmus.check_mutations(test, run, self.folder)
            self.assertEqual({r.status for r in found.all}, {expected})


class Orderings(Folder):
    def orderings(self, name: str, text: str) -> list[tuple[int, str]]:
        return litmus.orderings(self.file(name, text))[1]

    def test_all_of_a_line(self) -> None:
        text = "x.cmpxchg(0, 1, Acquire); y.store(1, Release);\n"
        self.assertEqual(self.orderings("a.rs", text), [(0, "Acquire"), (0, "Release")])

    def test_on_its_own_line(self) -> None:
        text = "x.store(\n    1,\n    Release,\n);\ny.load(\n    ordering::Acquire\n);\n"
        self.assertEqual(self.orderings("a.rs", text), [(2, "Release"), (5, "ordering::Acquire")])

    def test_uses_and_comments_are_no_orderings(self) -> None:
        text = "use kernel::sync::atomic::{\n    Acquire,\n    Release, //\n};\n// x(Acquire)\n"
        self.assertEqual(self.orderings("a.rs", text), [])

    def test_c(self) -> None:
        text = "/* smp_mb(); */\nsmp_wmb(); x = smp_load_acquire(&y);\n"
        self.assertEqual(self.orderings("a.h", text), [(1, "smp_wmb"), (1, "smp_load_acquire")])

    def test_lines_that_a_patch_adds(self) -> None:
        text = "@@ -1,2 +1,3 @@\n smp_mb();\n+smp_rmb(); smp_wmb();\n-smp_mb();\n"
        self.assertEqual(self.orderings("a.patch", text), [(2, "smp_rmb"), (2, "smp_wmb")])

    def test_comments_that_a_hunk_cuts(self) -> None:
        text = ("@@ -1,1 +1,2 @@\n+ * after smp_mb() of\n  */\n"
                "@@ -8,1 +9,2 @@\n+\t/* The first line.\n"
                "@@ -20,1 +22,2 @@\n+\tsmp_rmb();\n")
        self.assertEqual(self.orderings("a.patch", text), [(6, "smp_rmb")])

    def test_include_is_looked_at(self) -> None:
        self.file("include/linux/some.h", "")
        with mock.patch.object(paths, "TOP", self.folder):
            self.assertEqual([where for where, _ in sources.files()], ["include/linux/some.h"])


class Names(unittest.TestCase):
    def names(self, *lines: str) -> list[str]:
        return litmus.named_above(list(lines), len(lines) - 1)

    def test_at_the_end_of_a_comment(self) -> None:
        self.assertEqual(self.names("// Pairs with f. litmus: one, two+three.", "smp_mb();"),
                         ["one", "two+three"])

    def test_on_a_line_of_its_own(self) -> None:
        self.assertEqual(self.names("// Pairs with f.", "// litmus: one", "smp_mb();"), ["one"])

    def test_wrapped(self) -> None:
        self.assertEqual(self.names("// Pairs with f. litmus:", "// one", "smp_mb();"), ["one"])
        self.assertEqual(self.names("\t/* Pairs. litmus: one,", "\t * two */", "smp_mb();"),
                         ["one", "two"])

    def test_another_paragraph_is_none(self) -> None:
        self.assertEqual(self.names("// litmus: one", "", "smp_mb();"), [])


class Readme(unittest.TestCase):
    def test_lists_each_test_once(self) -> None:
        lines = (litmus.TESTS / "README").read_text().splitlines()
        listed = sorted(line.split()[0] for line in lines
                        if re.match(r"\S+\s*(\t| \.\.\. ).*\w", line))
        self.assertEqual(listed, sorted(p.stem for p in litmus.TESTS.rglob("*.litmus")))
