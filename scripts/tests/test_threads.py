# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/threads.py."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import compiled, functions, hooked, sources, threads
from harness.functions import Function
from harness.sources import Sources

TEST = """C some

(*
 * Result: Never
{header}
 *)

{{}}

P0(int *data, int *ready)
{{
{p0}
}}

P1(int *data, int *ready)
{{
{p1}
}}

exists (1:r0=1 /\\ 1:r1=0)
"""
RELEASE = "\tWRITE_ONCE(*data, 1);\n\tsmp_store_release(ready, 1);"
ACQUIRE = "\tint r0 = smp_load_acquire(ready);\n\tint r1 = READ_ONCE(*data);"


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def sources(self, **files: str) -> Sources:
        """Sources with these files. In their names "_" stands for the dot."""
        found = Sources(mock.create_autospec(hooked.Tree))
        found.ours = [f for name, text in files.items()
                      for f in functions.find(name.replace("_", ".", 1), text)]
        return found

    def read(self, header: str, p0: str, p1: str, **files: str) -> threads.Tied:
        path = self.folder / "some.litmus"
        path.write_text(TEST.format(header=header, p0=p0, p1=p1))
        tied = threads.read(path, self.sources(**files))
        assert tied
        return tied

    def wrong(self, header: str, p0: str = RELEASE, p1: str = ACQUIRE, **files: str) -> str:
        """The problem of the first line of the header."""
        tied = self.read(header, p0, p1, **files)
        try:
            tied.check(tied.ties[0])
        except threads.Wrong as e:
            return str(e)
        return ""


class InC(Folder):
    def c(self, body: str, header: str = " * P0: f") -> str:
        return self.wrong(header, a_c=f"void f(void)\n{{\n{body}\n}}\n")

    def test_ordering_in_the_code(self) -> None:
        self.assertEqual(self.c("\tx->data = 1;\n\tsmp_store_release(&x->ready, 1);"), "")
        self.assertEqual(self.c("\tdata = 1;\n\trcu_assign_pointer(ready, 1);"), "")

    def test_stronger(self) -> None:
        self.assertEqual(self.c("\tdata = 1;\n\txchg(&ready, 1);"), "")

    def test_missing_ordering(self) -> None:
        self.assertIn("no release store of ready after access of data",
                      self.c("\tdata = 1;\n\tWRITE_ONCE(ready, 1);"))
        self.assertIn("no release store", self.c("\tdata = 1;\n\tready = 1;"))
        self.assertIn("no release store", self.c("\tdata = 1;\n\txchg_acquire(&ready, 1);"))
        self.assertIn("no release store", self.c("\tdata = 1; /* smp_store_release(&ready, 1) */"))

    def test_in_another_order(self) -> None:
        self.assertNotEqual(self.c("\tsmp_store_release(&ready, 1);\n\tdata = 1;"), "")

    def test_of_something_else(self) -> None:
        self.assertNotEqual(self.c("\tdata = 1;\n\tsmp_store_release(&other, 1);"), "")

    def test_barrier_that_only_the_test_has(self) -> None:
        published = "\tsmp_store_release(&data, 1);\n"
        p0 = "\tsmp_store_release(data, 1);\n\tsmp_wmb();\n\tWRITE_ONCE(*ready, 1);"
        for barrier, seen in (("\tsmp_wmb();\n", ""), ("\tsmp_mb();\n", ""), ("\tsmp_rmb();\n", "no")):
            code = f"void f(void)\n{{\n{published}{barrier}\tready = 1;\n}}\n"
            self.assertEqual(self.wrong(" * P0: f", p0, a_c=code)[:2], seen)

    def test_function_with_another_name(self) -> None:
        self.assertEqual(self.c("\ta = 1;\n\tsmp_store_release(&b, 1);",
                                " * P0: f; data is a, ready is b"), "")
        self.assertEqual(self.c("\tfill(x);\n\tsmp_store_release(&b, 1);",
                                " * P0: f; data is fill(),\n *     ready is b"), "")
        self.assertIn("no release store of b after fill()",
                      self.c("\tsmp_store_release(&b, 1);\n\tfill(x);",
                             " * P0: f; data is fill(), ready is b"))

    def test_ordering_in_another_function(self) -> None:
        self.assertEqual(self.c("\tsmp_store_release(&ready, 1);",
                                " * P0: f; data is elsewhere"), "")
        self.assertIn("nothing said of it",
                      self.c("\tdata = 1;", " * P0: f; ready is elsewhere"))
        self.assertIn("no ordering", self.c(
            "\tdata = 1;", " * P0: f; smp_store_release is elsewhere"))

    def test_unreadable(self) -> None:
        self.assertIn("no function g", self.c("", " * P0: g"))
        self.assertIn("does not call", self.wrong(
            " * P0: f > g", a_c="void f(void)\n{\n}\n\nvoid g(void)\n{\n}\n"))
        self.assertIn("the thread has no nothing", self.c("", " * P0: f; nothing is x"))
        self.assertIn("say which", self.wrong(
            " * P0: f", a_c="void f(void)\n{\n}\n", b_c="void f(void)\n{\n}\n"))


class InRust(Folder):
    def test_method_and_callee(self) -> None:
        code = """
impl Some {
    fn send(self) { unsafe { (*self.0.data.get()).write(1) }; raise(&self.0.ready); }
}
fn raise(flag: &Atomic<bool>) { flag.store(true, %s); }
"""
        header = " * P0: Some::send > raise; ready is flag"
        self.assertEqual(self.wrong(header, a_rs=code % "Release"), "")
        self.assertIn("no release store of flag", self.wrong(header, a_rs=code % "Relaxed"))

    def test_arguments_come_before_the_call(self) -> None:
        p0 = "\tint r0 = READ_ONCE(*ready);\n\tsmp_rmb();\n\tWRITE_ONCE(*data, 1);"
        code = """
fn give() { fill(take()); }
fn take() { ready.load(Relaxed); smp_mb(Read); }
"""
        self.assertEqual(self.wrong(" * P0: give > take; data is fill", p0, a_rs=code), "")

    def test_store_mb(self) -> None:
        p0 = "\tsmp_store_mb(*ready, 1);\n\tint r0 = READ_ONCE(*data);"
        good = "fn f() { smp_store_mb(&self.0.ready, true); self.0.data.load(Relaxed) }"
        late = "fn f() { let old = self.0.data.load(Relaxed); smp_store_mb(&self.0.ready, true); }"
        self.assertEqual(self.wrong(" * P0: f", p0, a_rs=good), "")
        self.assertIn("no load of data after mb", self.wrong(" * P0: f", p0, a_rs=late))

    def test_indexed(self) -> None:
        code = "fn f() { data(); READY[n as usize].fetch_sub(1, Ordering::Release); }"
        self.assertEqual(self.wrong(" * P0: f; ready is READY", a_rs=code), "")

    def test_relaxed_load(self) -> None:
        # A fully ordered arrival does not make the later read an acquire.
        p0 = "\tint r0 = atomic_inc_return_relaxed(ready);\n\tint r1 = atomic_read_acquire(ready);"
        code = "fn f() { ready.fetch_add(1, Full); ready.load(%s); }"
        self.assertEqual(self.wrong(" * P0: f", p0, a_rs=code % "Acquire"), "")
        self.assertNotEqual(self.wrong(" * P0: f", p0, a_rs=code % "Relaxed"), "")


class Compiled(Folder):
    PUBLISH = ("void f(void)\n{\n\tsmp_store_release(&data, 1);\n\tsmp_wmb();\n\tready = 1;\n}\n")
    P0 = "\tsmp_store_release(data, 1);\n\tsmp_wmb();\n\tWRITE_ONCE(*ready, 1);"

    def compiled(self, *code: str) -> str:
        tied = self.read(" * P0: f", self.P0, ACQUIRE, a_c=self.PUBLISH)
        try:
            compiled.check(tied.ties[0], tied.check(tied.ties[0]), lambda _: {"f": list(code)})
        except threads.Wrong as e:
            return str(e)
        return ""

    def test_as_in_the_source(self) -> None:
        self.assertEqual(self.compiled("fence rw,w", "sd", "fence w,w", "sd"), "")

    def test_barrier_lost(self) -> None:
        self.assertIn("f has no wmb", self.compiled("fence rw,w", "sd", "sd"))
        self.assertIn("f has no wmb", self.compiled("fence rw,w", "sd", "fence r,r", "sd"))

    def test_release_lost(self) -> None:
        self.assertIn("f has no release store of data", self.compiled("sd", "fence w,w", "sd"))

    def test_in_another_order(self) -> None:
        self.assertIn("f has no wmb", self.compiled("fence w,w", "fence rw,w", "sd", "sd"))

    def test_no_such_function(self) -> None:
        tied = self.read(" * P0: f as g", self.P0, ACQUIRE, a_c=self.PUBLISH)
        with self.assertRaisesRegex(threads.Wrong, "no g in compiled code"):
            compiled.check(tied.ties[0], tied.check(tied.ties[0]), lambda _: {"f": []})

    def test_rust_names(self) -> None:
        for path, name, symbol in (
                ("rust/riscv/barrier/wake_up.rs", "Sleeper::take",
                 "<riscv::barrier::wake_up::Sleeper>::take"),
                ("rust/riscv/barrier/cancel.rs", "Running::drop",
                 "<riscv::barrier::cancel::Running as core::ops::drop::Drop>::drop"),
                ("rust/riscv/text/breakpoints.rs", "publish", "riscv::text::breakpoints::publish"),
                ("rust/riscv/text/window.rs", "Window::map",
                 ("<riscv::text::window::Window>::map"
                  "::<core::iter::FromFn<riscv::text::plan::pages>>"))):
            f = Function(path, name, "", 0, 0)
            self.assertEqual(compiled.symbol_of(f, {"x::y": [], symbol: []}), symbol)
            self.assertIsNone(compiled.symbol_of(f, {f"{symbol}_more": [], f"x{path}": []}))


class Hooked(Folder):
    def test_as_the_series_leaves_it(self) -> None:
        kernel, hooks = self.folder / "kernel", self.folder / "hooks"
        (kernel / "mm").mkdir(parents=True)
        hooks.mkdir()
        (kernel / "mm/a.c").write_text("int f(void)\n{\n}\n")
        (kernel / "mm/b.c").write_text("b\n")
        (hooks / "0001-x.patch").write_text(
            "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,3 +1,4 @@\n int f(void)\n {\n+\tsmp_mb();\n }\n"
            "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+new\n")
        tree = hooked.Tree(kernel, hooks)
        self.assertEqual(tree.read("mm/new.c"), "new\n")
        self.assertEqual(tree.read("mm/b.c"), "b\n")
        self.assertEqual(tree.read("mm/c.c"), "")
        before = tree.digest()
        patch = hooks / "0001-x.patch"
        patch.write_text("From: A\n\nA message.\n" + patch.read_text())
        self.assertEqual(hooked.Tree(kernel, hooks).digest(), before)
        patch.write_text(patch.read_text().replace("smp_mb", "smp_rmb"))
        self.assertNotEqual(hooked.Tree(kernel, hooks).digest(), before)
        found = sources.Sources(tree).functions("f", "linux/mm/a.c")
        self.assertEqual([e.order for f in found for e in threads.primitives(f, set())], ["mb"])
