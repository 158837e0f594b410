# SPDX-License-Identifier: GPL-2.0
"""What "make in-tree" does to changes that are made in the tree while it runs, or that git does
not show.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import in_tree as script
from harness import in_tree, paths, toolchain
from harness.in_tree import BRANCH, FOLDER
from harness.progress import StepFailed
from tests.test_in_tree import KERNEL, RESULT, Fixture, GitFixture, read, write

OURS = "edited by the user\n"


class Changed(Fixture):
    def during(self, owner: object, name: str, action: Callable[[], object]) -> None:
        """Do something before a function is called for the first time."""
        function, once = getattr(owner, name), [action]

        def wrapped(*args: object, **more: object) -> object:
            if once:
                once.pop()()
            return function(*args, **more)

        self.enterContext(mock.patch.object(owner, name, wrapped))

    def saved(self, name: str, text: str = OURS) -> Callable[[], object]:
        return lambda: write(self.tree, {name: text})

    def main(self) -> None:
        with mock.patch.dict(os.environ, {"KERNEL": str(self.tree)}), \
             mock.patch.object(paths, "TOP", self.top), \
             mock.patch.object(in_tree.plan, "__defaults__", (self.top,)), \
             mock.patch.object(in_tree.put, "__defaults__", (self.top,)), \
             mock.patch("builtins.print"):
            script.main()

    def tools(self, action: Callable[[], object]) -> None:
        """Do something while the tools are installed."""
        self.enterContext(mock.patch.object(toolchain, "load", lambda: (
            action(), {"LLVM": "-19", "RUSTC": "", "BINDGEN": ""})[1]))


class InFolder(Changed):
    def test_while_tools_are_installed(self) -> None:
        self.tools(self.saved("mm/a.c", "0\n1\n2\n"))
        self.main()
        self.assertEqual(read(self.tree), RESULT | {"mm/a.c": "0\n1\n2\n3\n"})

    def test_while_files_are_prepared(self) -> None:
        for name in ("mm/a.c", "arch/riscv/Kbuild"):
            with self.subTest(name):
                write(self.tree, KERNEL)
                self.during(in_tree.Plan, "stage", self.saved(name))
                with self.assertRaisesRegex(StepFailed, f"{name} was changed meanwhile$"):
                    self.put()
                self.assertEqual(read(self.tree), KERNEL | {name: OURS})

    def test_a_new_file(self) -> None:
        for name in ("mm/new.h", FOLDER):
            with self.subTest(name):
                self.during(in_tree.Plan, "stage", self.saved(name))
                with self.assertRaisesRegex(StepFailed, f"{name} is in the way$"):
                    self.put()
                self.assertEqual(read(self.tree), KERNEL | {name: OURS})
                (self.tree / name).unlink()

    def test_while_moves_are_taken_back(self) -> None:
        rename = Path.rename

        def failing(path: Path, target: Path) -> Path:
            if path.name == "new.h":
                write(self.tree, {"mm/a.c": OURS})
                raise OSError(5, "no", path, None, target)
            return rename(path, target)

        with mock.patch.object(Path, "rename", failing), \
             self.assertRaisesRegex(StepFailed, r"mm/a\.c cannot be put back: it was changed"
                                    ) as caught:
            self.put()
        self.assertEqual((self.tree / "mm/a.c").read_text(), OURS)
        before = Path(str(caught.exception).rsplit(" ", 1)[1])
        self.assertEqual((before / "mm/a.c").read_text(), KERNEL["mm/a.c"])


class InGit(GitFixture, Changed):
    def before(self, *start: str, action: Callable[[], object]) -> None:
        """Do something before the first git command that starts so."""
        run = in_tree.Git.run
        once = [action]

        def wrapped(git: in_tree.Git, *args: str, **more: object
                    ) -> subprocess.CompletedProcess[str]:
            if args[:len(start)] == start and once:
                once.pop()()
            return run(git, *args, **more)  # type: ignore[arg-type]

        self.enterContext(mock.patch.object(in_tree.Git, "run", wrapped))

    def unchanged(self, pattern: str, **files: str) -> None:
        """Check that it fails, and that nothing is lost."""
        before = self.git("rev-parse", "--abbrev-ref", "HEAD"), self.git("branch")
        with self.assertRaisesRegex(StepFailed, pattern):
            self.put()
        self.assertEqual(read(self.tree), KERNEL | files)
        self.assertEqual((self.git("rev-parse", "--abbrev-ref", "HEAD"), self.git("branch")), before)

    def test_assume_unchanged(self) -> None:
        # Of our lines, and of the series.
        for name, text in (("arch/riscv/Kconfig", KERNEL["arch/riscv/Kconfig"] + "# more\n"),
                           ("mm/a.c", "0\n1\n2\n")):
            with self.subTest(name):
                self.git("update-index", "--assume-unchanged", name)
                write(self.tree, {name: text})
                self.unchanged(f"{name} is not what git has of it", **{name: text})
                write(self.tree, KERNEL)
                self.git("update-index", "--no-assume-unchanged", name)

    def test_assume_unchanged_elsewhere(self) -> None:
        self.git("update-index", "--assume-unchanged", "Makefile")
        edited = {"Makefile": KERNEL["Makefile"] + "#\n"}
        write(self.tree, edited)
        self.git("branch", f"{BRANCH}/x")
        self.unchanged(f"{BRANCH}/x", **edited)
        self.git("branch", "-D", f"{BRANCH}/x")
        self.put()
        self.assertEqual(read(self.tree), RESULT | edited)

    def test_a_save(self) -> None:
        self.before("commit-tree", action=self.saved("Makefile"))
        self.put()
        self.assertEqual(read(self.tree), RESULT | {"Makefile": OURS})
        self.assertEqual(self.git("status", "--porcelain"), "M Makefile")

    def test_a_save_of_a_file_that_is_changed(self) -> None:
        self.before("commit-tree", action=self.saved("mm/a.c"))
        self.unchanged("mm/a.c was changed meanwhile", **{"mm/a.c": OURS})

    def test_a_staged_file(self) -> None:
        def stage() -> None:
            write(self.tree, {"drivers/new.c": OURS})
            self.git("add", "drivers/new.c")

        self.before("commit-tree", action=stage)
        self.put()
        self.assertEqual(read(self.tree), RESULT | {"drivers/new.c": OURS})
        self.assertEqual(self.git("status", "--porcelain"), "A  drivers/new.c")

    def test_a_staged_change_of_a_file_that_is_changed(self) -> None:
        def stage() -> None:
            write(self.tree, {"mm/a.c": OURS})
            self.git("add", "mm/a.c")
            write(self.tree, {"mm/a.c": KERNEL["mm/a.c"]})

        self.before("commit-tree", action=stage)
        self.unchanged("read-tree")
        self.assertEqual(self.git("show", ":mm/a.c"), OURS.strip())

    def test_a_new_file(self) -> None:
        self.before("commit-tree", action=self.saved("mm/new.h"))
        self.unchanged(r"mm/new\.h is in the way", **{"mm/new.h": OURS})

    def test_a_commit(self) -> None:
        def commit() -> None:
            self.git("commit", "-q", "--allow-empty", "-m", "meanwhile")

        self.before("commit-tree", action=commit)
        self.unchanged("HEAD")
        self.assertEqual(self.git("log", "-1", "--format=%s"), "meanwhile")

    def test_a_commit_of_a_file_while_tools_are_installed(self) -> None:
        text = KERNEL["arch/riscv/Kconfig"] + "# more\n"

        def commit() -> None:
            write(self.tree, {"arch/riscv/Kconfig": text})
            self.git("commit", "-q", "-a", "-m", "meanwhile")

        self.tools(commit)
        self.main()
        self.assertEqual((self.tree / "arch/riscv/Kconfig").read_text(),
                         RESULT["arch/riscv/Kconfig"] + "# more\n")
        self.assertEqual(self.git("status", "--porcelain"), "")

    def test_a_branch_of_that_name(self) -> None:
        self.before("commit-tree", action=lambda: self.git("branch", BRANCH))
        with self.assertRaisesRegex(StepFailed, BRANCH):
            self.put()
        self.assertEqual(read(self.tree), KERNEL)
        self.assertEqual(self.git("rev-parse", BRANCH), self.git("rev-parse", "main"))
