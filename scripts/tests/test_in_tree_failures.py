# SPDX-License-Identifier: GPL-2.0
"""What "make in-tree" leaves in a git tree, or in another, if a step fails."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from harness import in_tree, paths
from harness.in_tree import BRANCH, FOLDER
from harness.progress import StepFailed
from tests.test_in_tree import KERNEL, RESULT, Fixture, GitFixture, read, write

# As scripts/in_tree.py does it.
PUT = """
import sys
from pathlib import Path
from harness import in_tree, progress
def main():
    print(in_tree.put(sys.argv[1], Path(sys.argv[2])))
    return 0
progress.main(main)
"""

# Runs a command on a copy of a tree in a file system that has 400 KiB left, and prints what
# has become of the copy.
FULL = """
set -e
small=$1 tree=$2
shift 2
mount -t tmpfs -o size=8m none "$small"
cp -a "$tree" "$small/linux"
cat /dev/zero > "$small/filler" 2>/dev/null || :
truncate -s -400K "$small/filler"
"$@" || echo "status $?"
cd "$small/linux"
git status --porcelain --ignored
git branch
cat mm/a.c
"""


class Command(Fixture):
    def command(self) -> list[str]:
        return [sys.executable, "-c", PUT, str(self.tree), str(self.top)]

    def as_user(self) -> list[str]:
        """Something before a command that makes permissions count, for root, too."""
        return [] if os.geteuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]

    def child(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False,
                              cwd=paths.SCRIPTS, stdin=subprocess.DEVNULL)


class InFolder(Command):
    def test_a_folder_that_cannot_be_written(self) -> None:
        folder = self.tree / "mm"
        folder.chmod(0o555)
        self.addCleanup(folder.chmod, 0o755)
        done = self.child(*self.as_user(), *self.command())
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, rf"\A{self.tree}/mm/\S+: Permission denied\n\Z")
        self.assertEqual(read(self.tree), KERNEL)
        self.assertEqual([p.name for p in self.tree.iterdir() if p.name.startswith(".")], [])

    def test_a_tree_that_cannot_be_written(self) -> None:
        self.tree.chmod(0o555)
        self.addCleanup(self.tree.chmod, 0o755)
        done = self.child(*self.as_user(), *self.command())
        self.assertRegex(done.stderr, rf"\A{self.tree}\S*: Permission denied\n\Z")
        self.assertEqual(read(self.tree), KERNEL)

    def test_a_new_folder_is_removed(self) -> None:
        write(self.top, {"patches/0003-c.patch": (self.top / "patches/0002-a.patch").read_text()
                         .replace("mm/new.h", "mm/sub/sub/new.h")})
        before = sorted(self.tree.rglob("*"))
        folder = self.tree / "arch/riscv"
        folder.chmod(0o555)
        self.addCleanup(folder.chmod, 0o755)
        done = self.child(*self.as_user(), *self.command())
        self.assertRegex(done.stderr, rf"\A{folder}/\S+: Permission denied\n\Z")
        self.assertEqual(sorted(self.tree.rglob("*")), before)

    def test_no_hard_links(self) -> None:
        with mock.patch("os.link", side_effect=PermissionError(errno.EPERM, "not permitted", "f")):
            self.put()
        self.assertEqual(read(self.tree), RESULT)

    def test_failure_while_reverting(self) -> None:
        # The first file is in its place, then nothing can be moved there any more.
        rename, moved = os.rename, list[str]()

        def failing(old: str, new: str) -> None:
            if len(moved) >= 2:
                raise OSError(errno.EIO, "Input/output error", old, None, new)
            moved.append(new)
            rename(old, new)

        with mock.patch("os.rename", failing), mock.patch("os.replace", failing), \
             self.assertRaisesRegex(StepFailed, r"mm/a\.c cannot be put back: .* is in ") as caught:
            self.put()
        found = re.search(r"is in (\S+)$", str(caught.exception))
        assert found
        self.assertEqual(read(Path(found[1])), {"mm/a.c": KERNEL["mm/a.c"]})


class Failures(GitFixture, Command):
    def setUp(self) -> None:
        super().setUp()
        self.was = self.state()

    def state(self) -> list[object]:
        return [read(self.tree), self.git("status", "--porcelain", "--ignored"),
                self.git("branch"), self.git("rev-parse", "HEAD"),
                sorted(str(p) for p in self.tree.rglob("*") if ".git" not in p.parts)]

    def filtered(self, name: str, script: str) -> None:
        """Let git run a script to add a file."""
        write(self.tree, {".git/info/attributes": f"{name} filter=ours\n"})
        self.git("config", "filter.ours.clean", script)
        self.git("config", "filter.ours.required", "true")

    def test_a_folder_that_cannot_be_written(self) -> None:
        folder = self.tree / "mm"
        folder.chmod(0o555)
        self.addCleanup(folder.chmod, 0o755)
        done = self.child(*self.as_user(), *self.command())
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, rf"\A{folder}/\S+: Permission denied\n\Z")
        self.assertEqual(self.state(), self.was)

    def test_git_fails(self) -> None:
        run, done = in_tree.Git.run, list[str]()
        for head in ("main", "--detach"):
            self.git("checkout", "-q", head)
            self.was = self.state()
            # That which makes the branch, and the new HEAD.
            for start in (("update-ref", "--stdin"), ("symbolic-ref", "-m")):
                with self.subTest(head=head, start=start):
                    done.clear()

                    def failing(git: in_tree.Git, *args: object, start: tuple[str, str] = start,
                                **more: Any) -> subprocess.CompletedProcess[bytes]:
                        if args[:2] == start and start[0] not in done:
                            self.assertEqual((self.tree / "mm/new.h").read_text(), "new\n")
                            done.append(start[0])
                            return subprocess.CompletedProcess((), 1, b"", b"it fails")
                        return run(git, *args, **more)

                    with mock.patch.object(in_tree.Git, "run", failing):
                        self.refused(f"^git {start[0]} in .*: it fails$")
                    self.assertEqual(done, [start[0]])
                    self.assertEqual(self.state(), self.was)

    def test_the_index_cannot_be_renamed(self) -> None:
        replace = Path.replace

        def failing(path: Path, target: Path) -> Path:
            if path.name == "index.lock":
                self.assertEqual(self.git("rev-parse", "--abbrev-ref", "HEAD"), BRANCH)
                raise OSError(errno.EIO, "no", path, None, target)
            return replace(path, target)

        for head in ("main", "--detach"):
            with self.subTest(head=head):
                self.git("checkout", "-q", head)
                self.was = self.state()
                with mock.patch.object(Path, "replace", failing):
                    self.refused(r"index\.lock: no$")
                self.assertEqual(self.state(), self.was)

    def test_a_branch_that_cannot_be_left(self) -> None:
        replace = Path.replace

        def failing(path: Path, target: Path) -> Path:
            if path.name == "index.lock":
                write(self.tree, {".git/HEAD.lock": ""})
                raise OSError(errno.EIO, "no", path, None, target)
            return replace(path, target)

        with mock.patch.object(Path, "replace", failing), \
             self.assertRaisesRegex(StepFailed, f"no. HEAD is still {BRANCH}: .*HEAD.lock.*go back "
                                    "with: git symbolic-ref HEAD refs/heads/main$"):
            self.put()
        (self.tree / ".git/HEAD.lock").unlink()
        self.git("symbolic-ref", "HEAD", "refs/heads/main")
        self.git("branch", "-q", "-D", BRANCH)
        self.assertEqual(self.state(), self.was)

    def test_an_interruption(self) -> None:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.filtered("a.rs", f"kill -INT {os.getpid()}; exec cat")
        with self.assertRaises(KeyboardInterrupt):
            self.put()
        self.assertEqual(self.state(), self.was)

    def test_an_interruption_at_the_end(self) -> None:
        numbers = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            before = signal.signal(number, signal.default_int_handler)
            self.addCleanup(signal.signal, number, before)
        switch = in_tree.Git.switch

        def interrupted(*args: Any) -> None:
            for number in numbers:
                os.kill(os.getpid(), number)
            switch(*args)

        with mock.patch.object(in_tree.Git, "switch", interrupted):
            self.put()
        self.assertEqual(read(self.tree), RESULT)
        self.assertEqual(self.git("status", "--porcelain"), "")

    def test_a_signal(self) -> None:
        number = self.folder / "number"
        start = f"echo $$ > {number}; exec \"$@\""
        for name, status in (("TERM", 143), ("HUP", 129)):
            with self.subTest(name):
                self.filtered("a.rs", f"kill -{name} $(cat {number}); exec cat")
                done = self.child("sh", "-c", start, "sh", *self.command())
                self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
                self.assertEqual(self.state(), self.was)

    def test_git_is_killed(self) -> None:
        self.filtered("a.rs", "kill -KILL $PPID")
        self.refused("^git add in .*: it ended with -9$")
        self.assertEqual(self.state(), self.was)

    def test_another_git(self) -> None:
        write(self.tree, {".git/index.lock": ""})
        self.refused(r"index\.lock exists: another git is at work")
        self.assertTrue((self.tree / ".git/index.lock").exists())

    def test_a_full_disk(self) -> None:
        unshare = ["unshare", "-m"] if not os.geteuid() else ["unshare", "-r", "-m"]
        if self.child(*unshare, "mount", "-t", "tmpfs", "none", str(self.top)).returncode:
            self.skipTest("no file system can be mounted here")
        # Little in git, and more than there is room for when it is checked out.
        write(self.top, {"rust/big.rs": "//" + " " * 2_000_000})
        small = self.folder / "small"
        small.mkdir()
        done = self.child(*unshare, "sh", "-c", FULL, "sh", str(small), str(self.tree),
                          sys.executable, "-c", PUT, str(small / "linux"), str(self.top))
        self.assertEqual(done.stdout, "status 1\n* main\n1\n2\n", done.stderr)
        self.assertRegex(done.stderr, r"\A\S+: No space left on device.*\n\Z")

    def test_hooks_do_not_run(self) -> None:
        ran = self.folder / "ran"
        for name in ("post-checkout", "reference-transaction"):
            hook = self.tree / ".git/hooks" / name
            write(hook.parent, {name: f"#!/bin/sh\necho {name} >> {ran}\nexit 2\n"})
            hook.chmod(0o755)
        self.put()
        self.assertEqual(read(self.tree), RESULT)
        self.assertFalse(ran.exists())

    def test_a_bisection(self) -> None:
        self.git("bisect", "start")
        self.was = self.state()
        self.refused("has a bisection that is not finished")
        self.assertEqual(self.state(), self.was)

    def test_a_rebase(self) -> None:
        write(self.tree, {"Makefile": KERNEL["Makefile"] + "#\n"})
        self.git("commit", "-q", "-a", "-m", "one more")
        self.git("-c", "sequence.editor=sed -i s/^pick/edit/", "rebase", "-q", "-i", "HEAD~1")
        self.was = self.state()
        self.refused("has a rebase that is not finished")
        self.assertEqual(self.state(), self.was)

    def test_what_a_cherry_pick_has_begun(self) -> None:
        head = self.git("rev-parse", "HEAD")
        write(self.tree, {".git/sequencer/todo": f"pick {head} Linux\n"})
        self.refused("has a cherry-pick or revert that is not finished")

    def test_references_that_are_not_files(self) -> None:
        subprocess.run(["rm", "-r", self.tree / ".git"], check=True)
        done = self.child("git", "-C", str(self.tree), "init", "-q", "--ref-format=reftable", ".")
        if done.returncode:
            self.skipTest("this git has only files")
        for name, value in (("user.name", "B"), ("user.email", "b@example.org")):
            self.git("config", name, value)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Linux 7.3.4")
        self.git("update-ref", "REVERT_HEAD", "HEAD")
        self.refused("has a revert that is not finished")

    def test_another_work_tree(self) -> None:
        other = self.folder / "other"
        write(other, KERNEL)
        self.git("config", "core.worktree", str(other))
        before = read(self.tree)
        with self.assertRaisesRegex(StepFailed, "is not the work tree of its git repository"):
            self.put()
        self.assertEqual(read(self.tree), before)

    def test_a_folder_that_cannot_be_removed(self) -> None:
        rmtree = shutil.rmtree

        def failing(path: object, *args: object, **more: object) -> None:
            if in_tree.STAGE in str(path):
                raise PermissionError(errno.EPERM, "no", str(path))
            rmtree(path, *args, **more)  # type: ignore[arg-type]

        with mock.patch("shutil.rmtree", failing):
            self.assertRegex(self.put(), rf"in {FOLDER}/\. \S+ cannot be removed: no$")
        self.assertEqual(self.git("status", "--porcelain", "--untracked-files=no"), "")
        self.assertEqual((self.tree / "mm/a.c").read_text(), RESULT["mm/a.c"])

    def test_a_file_in_the_way(self) -> None:
        for ignored in ("", "*.h\n"):
            with self.subTest(ignored=ignored):
                write(self.tree, {".git/info/exclude": ignored, "mm/new.h": "not in git"})
                self.was = self.state()
                self.refused(r"mm/new\.h is in the way")
                self.assertEqual(self.state(), self.was)

    def test_a_file_where_a_folder_belongs(self) -> None:
        write(self.top, {"patches/0003-c.patch": (self.top / "patches/0002-a.patch").read_text()
                         .replace("mm/new.h", "mm/sub/new.h")})
        for ignored in ("", "sub\n"):
            with self.subTest(ignored=ignored):
                write(self.tree, {".git/info/exclude": ignored, "mm/sub": "not in git"})
                self.was = self.state()
                self.refused(r"mm/sub")
                self.assertEqual(self.state(), self.was)

    def test_a_sparse_checkout(self) -> None:
        for patterns in (["--no-cone", "/*", f"!/{FOLDER}/"],
                         ["--cone", "rust/kernel", "mm", FOLDER],
                         ["--cone", "--sparse-index", "rust/kernel", "mm", "arch/riscv/mm"]):
            with self.subTest(patterns=patterns):
                self.git("sparse-checkout", "set", *patterns)
                self.was = self.state()
                self.refused("is a sparse checkout: git sparse-checkout disable$")
                self.assertEqual(self.state(), self.was)

    def test_variables_of_git(self) -> None:
        other = self.folder / "other"
        subprocess.run(["git", "init", "-q", other], check=True)
        before = read_all(other)
        os.environ.update({"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other),
                           "GIT_INDEX_FILE": str(other / "index"), "GIT_PREFIX": "mm/",
                           "GIT_OBJECT_DIRECTORY": str(other / "objects")})
        try:
            self.put()
        finally:
            for name in list(os.environ):
                if name.startswith("GIT_") and not name.startswith("GIT_CONFIG"):
                    del os.environ[name]
        self.assertEqual(read(self.tree), RESULT)
        self.assertEqual(self.git("rev-parse", "--abbrev-ref", "HEAD"), BRANCH)
        self.assertEqual(self.git("fsck", "--strict"), "")
        self.assertEqual(read_all(other), before)

    def test_the_command_that_fails_is_named(self) -> None:
        self.filtered("a.rs", "false")
        self.refused("^git add in ")

    def test_our_commit(self) -> None:
        self.put()
        self.assertEqual(self.git("log", "-1", "--format=%an <%ae>"), "A <a@example.org>")
        self.assertEqual(self.git("log", "-1", "--format=%(trailers)"),
                         "Signed-off-by: A <a@example.org>")


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
