# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/in_tree.py, with small trees."""

import errno
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import in_tree as script
from harness import in_tree, matrix, paths
from harness.in_tree import BRANCH, FOLDER
from harness.progress import StepFailed

PATCH = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Sat, 21 Nov 2026 08:00:00 +0000
Subject: [PATCH 1/2] mm: {subject}

A message.

Signed-off-by: A <a@example.org>
---
 mm/a.c | 1 +
 1 file changed, 1 insertion(+)

diff --git a/mm/{name} b/mm/{name}
{hunk}"""

PATCHES = {
    "0001-b.patch": PATCH.format(subject="one more", name="a.c", hunk=(
        "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,2 +1,3 @@\n 1\n 2\n+3\n")),
    "0002-a.patch": PATCH.format(subject="a new file", name="new.h", hunk=(
        "new file mode 100644\n--- /dev/null\n+++ b/mm/new.h\n@@ -0,0 +1 @@\n+new\n")),
}

KERNEL = {
    "Makefile": "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n",
    "rust/kernel/lib.rs": "",
    "arch/riscv/Kconfig": 'config RISCV\n\nsource "arch/riscv/kvm/Kconfig"\n\nconfig LAST\n',
    "arch/riscv/Kbuild": "obj-y += mm/\nobj-$(CONFIG_KVM) += kvm/\n",
    "mm/a.c": "1\n2\n",
}

OURS = {
    "Kbuild": "all", "Kconfig": "options", ".kunitconfig": "some", "README.md": "not copied",
    "rust/a.rs": "rust", "rust/tests/kunit/k.rs": "suite", "rust/tests/host/h.rs": "not copied",
    "rust/a_generated.rs": "not copied", "rust/a.o": "not copied", "rust/.a.o.cmd": "not copied",
    "rust/a.mod.c": "not copied", "include/a.h": "header", "samples/rust/Kbuild": "samples",
}

COPIED = {name: text for name, text in OURS.items() if text != "not copied"}

RESULT = {
    **KERNEL, "mm/a.c": "1\n2\n3\n", "mm/new.h": "new\n",
    "arch/riscv/Kconfig": ('config RISCV\n\nsource "arch/riscv/kvm/Kconfig"\n'
                           f'source "{FOLDER}/Kconfig"\n\nconfig LAST\n'),
    "arch/riscv/Kbuild": ("obj-y += mm/\nobj-$(CONFIG_KVM) += kvm/\n"
                          "obj-$(CONFIG_RUST_RISCV) += rust_riscv/\n"),
    **{f"{FOLDER}/{name}": text for name, text in COPIED.items()},
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*"))
            if p.is_file() and ".git" not in p.relative_to(folder).parts}


class Fixture(unittest.TestCase):
    def setUp(self) -> None:
        # Without links, as git names it.
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.tree, self.top = self.folder / "linux", self.folder / "ours"
        write(self.tree, KERNEL)
        write(self.top, OURS)
        write(self.top / "patches", PATCHES)

    def put(self) -> str:
        return in_tree.put(str(self.tree), self.top)

    def refused(self, pattern: str) -> None:
        before = read(self.tree)
        with self.assertRaisesRegex(StepFailed, pattern) as caught:
            self.put()
        self.assertEqual(len(str(caught.exception).splitlines()), 1)
        self.assertEqual(read(self.tree), before)


class Plan(Fixture):
    def test_line_after_another(self) -> None:
        self.assertEqual(in_tree.add_line("f", b"a\nb\nc", "b", "new"), b"a\nb\nnew\nc")
        for text in (b"a\nc\n", b"a\nb\nb\n"):
            with self.assertRaisesRegex(StepFailed, "f has the line 'b' [02] times"):
                in_tree.add_line("f", text, "b", "new")

    def test_copied_files(self) -> None:
        found = in_tree.sources(self.top)
        self.assertEqual({n: p.read_text() for n, p in found.items()},
                         {f"{FOLDER}/{name}": text for name, text in COPIED.items()})

    def test_our_own_sources(self) -> None:
        done = subprocess.run(["git", "-C", paths.TOP, "ls-files", "-co",
                               "--exclude-standard", *in_tree.PARTS],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            self.skipTest("not in a git repository")
        ours = {name for name in done.stdout.splitlines()
                if not name.startswith("rust/tests/") or name.startswith("rust/tests/kunit/")}
        self.assertEqual({n.removeprefix(f"{FOLDER}/") for n in in_tree.sources()}, ours)

    def test_no_tree(self) -> None:
        for given, pattern in (("", "Name the kernel tree"),
                               (str(self.folder / "none"), "no such folder"),
                               (str(self.top), "not a kernel tree")):
            with self.assertRaisesRegex(StepFailed, pattern):
                in_tree.plan(given, self.top)

    def test_another_version(self) -> None:
        write(self.tree, {"mm/a.c": "1\n1.5\n2\n", "Makefile": KERNEL["Makefile"].replace("3", "1")})
        self.refused(r"is Linux 7\.1\.4, to which 0001-b\.patch does not apply")

    def test_a_target_that_is_a_link(self) -> None:
        for name in ("mm/a.c", "arch/riscv/Kconfig"):
            for target in (Path("../" * name.count("/")) / "real", self.tree / "real"):
                with self.subTest(name, target=target):
                    (self.tree / name).rename(self.tree / "real")
                    (self.tree / name).symlink_to(target)
                    self.refused(f"{name} is a link or the like")
                    self.assertTrue((self.tree / name).is_symlink())
                    (self.tree / "real").replace(self.tree / name)

    def test_a_folder_left_by_a_run(self) -> None:
        write(self.tree, {f"{in_tree.STAGE}x/before/mm/a.c": "1\n"})
        self.refused(rf"{in_tree.STAGE}x is of a run that was killed or is not finished")

    def test_with_the_series(self) -> None:
        write(self.tree, {in_tree.PROVIDER[0]: "struct riscv_patch_provider {\n"})
        self.refused("has the series already, or a part of it")

    def test_with_our_own_series(self) -> None:
        name, word = in_tree.PROVIDER
        self.assertTrue(any(name in p.read_text() and f"\n+struct {word} {{\n" in p.read_text()
                            for p in (paths.TOP / "patches").glob("*.patch")))

    def test_other_lines(self) -> None:
        write(self.tree, {"arch/riscv/Kbuild": "obj-y += mm/\n"})
        self.refused("arch/riscv/Kbuild has the line")


class Folder(Fixture):
    def test_all_is_there(self) -> None:
        (self.tree / "mm/a.c").chmod(0o600)
        other = self.folder / "other"
        os.link(self.tree / "mm/a.c", other)
        self.assertEqual(self.put(), f"2 patches, and {len(COPIED)} files in {FOLDER}/")
        self.assertEqual(read(self.tree), RESULT)
        self.assertEqual((self.tree / "mm/a.c").stat().st_mode & 0o777, 0o600)
        # The file was replaced: it may be shared with another tree.
        self.assertEqual(other.read_text(), KERNEL["mm/a.c"])

    def test_a_second_time(self) -> None:
        self.put()
        self.refused(f"has {FOLDER}/ already")

    def test_other_bytes_stay(self) -> None:
        # They end lines for Python, or are no UTF-8.
        more = b"# \f \xc2\x85 \xe2\x80\xa8 \r x\r\n# \xff\n"
        ends = {"mm/a.c": b""} | dict.fromkeys(in_tree.LINES, b"# the end")
        for name, end in ends.items():
            (self.tree / name).write_bytes(more + KERNEL[name].encode() + end)
        self.put()
        for name, end in ends.items():
            self.assertEqual((self.tree / name).read_bytes(), more + RESULT[name].encode() + end)

    def test_a_failure_changes_nothing(self) -> None:
        rename = Path.rename
        # Each move in turn fails: of three files twice, of a new one, and of our folder.
        for last in range(8):
            with self.subTest(last=last):
                done = 0

                def failing(path: Path, target: Path, last: int = last) -> Path:
                    nonlocal done
                    if done == last:
                        raise OSError(errno.EIO, "no", path, None, target)
                    done += 1
                    return rename(path, target)

                with mock.patch.object(Path, "rename", failing), \
                     self.assertRaisesRegex(StepFailed, ": no$"):
                    self.put()
                self.assertEqual(done, last)
                self.assertEqual(read(self.tree), KERNEL)

    def test_an_interruption_at_the_end_changes_nothing(self) -> None:
        rename = Path.rename

        def interrupted(path: Path, target: Path) -> Path:
            moved = rename(path, target)
            if path.name == Path(FOLDER).name:
                raise KeyboardInterrupt
            return moved

        with mock.patch.object(Path, "rename", interrupted), self.assertRaises(KeyboardInterrupt):
            self.put()
        self.assertEqual(read(self.tree), KERNEL)


class GitFixture(Fixture):
    def setUp(self) -> None:
        super().setUp()
        # Independent of the git configuration of this user and machine.
        ours = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        self.enterContext(mock.patch.dict(os.environ, kept | ours, clear=True))
        self.git("init", "-q", "-b", "main", ".")
        self.git("config", "user.useConfigOnly", "true")
        self.git("config", "user.name", "B")
        self.git("config", "user.email", "b@example.org")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "Linux 7.3.4")

    def git(self, *args: str) -> str:
        return subprocess.run(["git", "-C", self.tree, *args], capture_output=True, text=True,
                              check=True).stdout.strip()

    def refused(self, pattern: str) -> None:
        before = self.git("rev-parse", "--abbrev-ref", "HEAD"), self.git("branch")
        super().refused(pattern)
        self.assertEqual((self.git("rev-parse", "--abbrev-ref", "HEAD"), self.git("branch")), before)


class Git(GitFixture):
    def test_a_branch_with_commits(self) -> None:
        # The name of a file that the kernel's own .gitignore would leave out.
        write(self.tree, {".git/info/exclude": ".*\n"})
        self.put()
        self.assertEqual(read(self.tree), RESULT)
        self.assertEqual(self.git("status", "--porcelain"), "")
        self.assertEqual(self.git("rev-parse", "--abbrev-ref", "HEAD"), BRANCH)
        log = self.git("log", "--format=%an %cn %as %s", "--reverse", "main..").splitlines()
        self.assertEqual(log[:2], ["A B 2026-11-21 mm: one more", "A B 2026-11-21 mm: a new file"])
        self.assertEqual([line.split(" ", 3)[3] for line in log[2:]],
                         ["riscv: add text patching, CPU hotplug and page faults in Rust"])
        self.assertEqual(self.git("log", "-1", "--format=%b", "HEAD~1"),
                         "A message.\n\nSigned-off-by: A <a@example.org>")
        self.assertEqual(self.git("diff", "--name-only", "main", "HEAD~1").split(),
                         ["mm/a.c", "mm/new.h"])

    def test_a_second_time(self) -> None:
        self.put()
        self.refused(f"has {FOLDER}/ already")
        self.git("checkout", "-q", "main")
        self.refused(f"has a branch {BRANCH} already")

    def test_changes_that_are_not_committed(self) -> None:
        write(self.tree, {"Makefile": KERNEL["Makefile"] + "#\n"})
        self.refused("has changes that are not committed")

    def test_without_a_git_identity(self) -> None:
        self.git("config", "--unset", "user.email")
        self.refused("does not know who commits")

    def test_a_folder_of_a_repository_is_not_one(self) -> None:
        (self.tree / ".git").rename(self.folder / ".git")
        self.put()
        self.assertEqual(read(self.tree), RESULT)


class Kunit(Fixture):
    def test_results(self) -> None:
        report = {"test_cases": [], "sub_groups": [{"name": "suite", "sub_groups": [], "test_cases": [
            {"name": "a", "status": "PASS"}, {"name": "b", "status": "SKIP"},
            {"name": "c", "status": "FAIL"}, {"name": "d", "status": "ERROR"}]}]}
        self.assertEqual([(r.name, r.status) for r in in_tree.results(report).all], [
            ("suite.a", "pass"), ("suite.b", "skip"), ("suite.c", "fail"), ("suite.d", "fail")])

    def kunit(self, script: str) -> list[tuple[str, str]]:
        path = self.tree / "tools/testing/kunit/kunit.py"
        write(self.tree, {str(path): "#!/bin/sh\n" + script})
        path.chmod(0o755)
        tools = dict.fromkeys(("LLVM", "RUSTC", "RUSTDOC", "BINDGEN"), "-19")
        with mock.patch.object(paths, "LOGS", self.folder / "logs"):
            return [(r.name, r.status)
                    for r in in_tree.run_kunit(self.tree, tools, self.folder / "out").all]

    def run_of(self, status: str, *suites: str, log: str = "[ 0.1] Linux") -> str:
        """A script that leaves a report and a log as kunit.py does."""
        report = {"test_cases": [], "sub_groups": [
            {"name": s, "test_cases": [{"name": "a", "status": status}], "sub_groups": []}
            for s in suites]}
        return (f"cd {self.folder}/out\necho '{json.dumps(report)}' > kunit.json\n"
                f"echo '{log}' > test.log\n")

    def test_a_run(self) -> None:
        log = ("kernel log", "pass")
        self.assertEqual(self.kunit(self.run_of("PASS", "s")), [("s.a", "pass"), log])
        self.assertEqual(self.kunit(self.run_of("FAIL", "s") + "exit 1\n"), [("s.a", "fail"), log])
        # What an earlier run has left is not used.
        for left in ("exit 1\n", ""):
            self.assertEqual(self.kunit(left), [("kunit.py", "fail"), ("kernel log", "fail")])
        self.assertEqual(self.kunit(self.run_of("PASS", "s") + "exit 1\n"),
                         [("s.a", "pass"), ("kunit.py", "fail"), log])

    def test_warnings_in_the_log(self) -> None:
        script = self.run_of("PASS", "s", log="[ 0.1] WARNING: CPU: 0 PID: 1 at mm/a.c:1")
        self.assertEqual(self.kunit(script), [("s.a", "pass"), ("kernel log", "fail")])
        # The folder with the kernel is removed.
        self.assertIn("mm/a.c:1", (self.folder / "logs/in-tree-console.log").read_text())

    def test_a_suite_that_does_not_run(self) -> None:
        write(self.tree / FOLDER / "rust/tests/kunit", {
            "k.rs": "#[kunit_tests(one)]\nmod tests {}\n",
            "e.awk": 'print "#[kunit_tests(two)]"\n'})
        both = self.run_of("PASS", "one", "two")
        self.assertEqual(self.kunit(both)[-1], ("kernel log", "pass"))
        self.assertEqual(self.kunit(self.run_of("PASS", "one", "twofold"))[2:],
                         [("two", "fail"), ("kernel log", "pass")])
        self.assertEqual(self.kunit(self.run_of("SKIP", "one", "two"))[2:],
                         [("one", "fail"), ("two", "fail"), ("kernel log", "pass")])

    def test_our_suites(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            self.assertEqual(in_tree.suites(Path(name)), [])
        found = in_tree.suites(paths.TOP)
        self.assertIn("rust_riscv_engine", found)
        self.assertIn("rust_riscv_examples", found)

    def test_the_tree_is_checked_before_the_tools_are_installed(self) -> None:
        with mock.patch("harness.toolchain.load", side_effect=AssertionError("installed")), \
             mock.patch.dict(os.environ, {"KERNEL": str(self.folder / "none")}), \
             self.assertRaisesRegex(StepFailed, "no such folder"):
            script.main()

    def test_the_source_of_the_standard_library(self) -> None:
        plan = in_tree.plan(str(self.tree), self.top)
        tools = {"LLVM": "-19", "RUSTC": "/usr/bin/rustc", "BINDGEN": "/usr/bin/bindgen"}
        option = "--make_options=RUST_LIB_SRC=/usr/src/rustc-1.96.0/library"
        self.assertNotIn("RUST_LIB_SRC", in_tree.advice(plan, tools))
        self.assertIn(option, in_tree.advice(
            plan, {**tools, "RUST_LIB_SRC": "/usr/src/rustc-1.96.0/library"}))

    def test_command_line_of_kunit(self) -> None:
        plan = in_tree.plan(str(self.tree), self.top)
        with mock.patch("shutil.which", lambda name: f"/usr/bin/{name}"):
            said = in_tree.advice(plan, {"LLVM": "-19", "RUSTC": "/usr/bin/rustc",
                                         "BINDGEN": "/home/a/bindgen"})
        self.assertIn(f"    cd {self.tree}\n    ./tools/testing/kunit/kunit.py run --arch=riscv "
                      f"--kunitconfig={FOLDER} --make_options=LLVM=-19 "
                      "--make_options=BINDGEN=/home/a/bindgen '--qemu_args=-smp 4'\n", said)


class Options(unittest.TestCase):
    def setUp(self) -> None:
        self.kconfig = (paths.TOP / "Kconfig").read_text()
        self.kunitconfig = (paths.TOP / ".kunitconfig").read_text()

    def test_of_modules_and_of_the_tree(self) -> None:
        external = re.findall(r"^CONFIG_(\w+) :=", (paths.TOP / "rust/external.mk").read_text(),
                              re.MULTILINE)
        offered = re.findall(r"^(?:menu)?config (\w+)", self.kconfig, re.MULTILINE)
        self.assertEqual(sorted(external), sorted(offered))
        self.assertEqual(sorted(re.findall(r"^CONFIG_(\w*RUST_\w+)=[ym]", self.kunitconfig,
                                           re.MULTILINE)), sorted(offered))

    def test_each_has_a_help_text(self) -> None:
        for entry in re.split(r"^(?=(?:menu)?config )", self.kconfig, flags=re.MULTILINE)[1:]:
            self.assertRegex(entry, r"\n\thelp\n\t  \w", entry.splitlines()[0])

    def test_numbers_for_kunit(self) -> None:
        line = re.search(r'^CONFIG_CMDLINE="(.*)"', self.kunitconfig, re.MULTILINE)
        assert line
        wanted = {**matrix.FEW, **matrix.emulated("10.0")}
        seen = set()
        for word in line[1].split():
            module, name, value = re.fullmatch(r"(\w+)\.(\w+)=(\d+)", word).groups()  # type: ignore[union-attr]
            source = next(p for p in (paths.TOP / "rust").rglob("*.rs")
                          if f'name: "{module}"' in p.read_text())
            self.assertRegex(source.read_text(), rf"\n        {name}: u\d+ {{")
            self.assertEqual(int(value), wanted[name], word)
            seen.add(name)
        self.assertEqual(seen, set(wanted))
