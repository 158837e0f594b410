# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/programs.py."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import paths, programs
from harness.kernel import Kernel
from harness.progress import StepFailed

# A make whose target "headers" installs two files, and which can die between them.
MAKE = """#!/bin/sh
for word in "$@"; do
    case $word in
    O=obj) out=$2/obj ;;
    O=*) out=${word#O=} ;;
    esac
done
mkdir -p "$out/usr/include/linux"
echo 1 > "$out/usr/include/linux/unistd.h"
[ -e "$(dirname "$0")/dies" ] && exit 2
echo 2 > "$out/usr/include/linux/userfaultfd.h"
"""


class Headers(unittest.TestCase):
    def setUp(self) -> None:
        self.top = Path(self.enterContext(tempfile.TemporaryDirectory()))
        make = self.top / "bin/make"
        make.parent.mkdir()
        make.write_text(MAKE)
        make.chmod(0o755)
        tree = self.top / "kernels/7.3-ordinary-0"
        (tree / "obj").mkdir(parents=True)
        self.kernel = Kernel(tree, "ordinary", False, "7.3", "", tree.name, "")
        self.enterContext(mock.patch.dict(os.environ, {
            "PATH": f"{make.parent}:{os.environ['PATH']}", "CACHE": str(self.top)}))
        self.enterContext(mock.patch.object(paths, "LOGS", self.top / "logs"))

    def test_incomplete_headers_are_installed_again(self) -> None:
        dies = self.top / "bin/dies"
        dies.touch()
        with self.assertRaises(StepFailed):
            programs.headers(self.kernel, {"LLVM": "-19"})
        dies.unlink()
        found = programs.headers(self.kernel, {"LLVM": "-19"})
        self.assertTrue((found / "linux/userfaultfd.h").exists())

    def test_complete_headers_are_kept(self) -> None:
        found = programs.headers(self.kernel, {"LLVM": "-19"})
        (self.top / "bin/dies").touch()
        self.assertEqual(programs.headers(self.kernel, {"LLVM": "-19"}), found)

    def test_headers_of_removed_kernels_are_removed(self) -> None:
        old = self.top / "headers/7.2-gone-0"
        old.mkdir(parents=True)
        programs.headers(self.kernel, {"LLVM": "-19"})
        self.assertFalse(old.exists())


class Harts(unittest.TestCase):
    """The harts that a program is compiled for, with a mock in the place of the compiler."""

    def compiled(self, flavour: str) -> list[str]:
        k = Kernel(Path("tree"), flavour, False, "7.3", "", "k", "")
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(paths, "BUILD", Path(folder)), \
                mock.patch.object(programs, "headers", return_value=Path("include")), \
                mock.patch("subprocess.run", return_value=mock.Mock(returncode=0)) as run:
            programs.init(k, {"LLVM": "1"})
            found = programs.build(k, {"LLVM": "1"})
        self.assertIn("programs/bpf_fentry", found)
        return [next(str(w) for w in call.args[0] if str(w).startswith("-march="))
                for call in run.call_args_list]

    def test_with_compressed_instructions(self) -> None:
        self.assertEqual(set(self.compiled("ordinary")), {"-march=rv64gc"})

    def test_without(self) -> None:
        self.assertEqual(set(self.compiled("no-c")), {"-march=rv64g"})

    def test_they_do_not_replace_each_other(self) -> None:
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(paths, "BUILD", Path(folder)), \
                mock.patch.object(programs, "headers", return_value=Path("include")), \
                mock.patch("subprocess.run", return_value=mock.Mock(returncode=0)):
            found = {programs.init(Kernel(Path("tree"), flavour, False, "7.3", "", "k", ""),
                                   {"LLVM": "1"}) for flavour in ("ordinary", "no-c")}
        self.assertEqual(len(found), 2)
