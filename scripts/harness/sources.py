# SPDX-License-Identifier: GPL-2.0
"""Our sources that litmus tests are about, and the kernel's sources that they depend on."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from harness import functions, paths
from harness.functions import Function
from harness.hooked import Tree

FOLDERS = ("include", "rust", "samples/rust", "patches")
# Tests order as the code they test, except this module; generated and host code is none.
SKIPPED = ("rust/tests/", "rust/bindings/")
LITMUS = "rust/tests/litmus/rust_litmus"
# The prefix of paths in the kernel.
LINUX = "linux/"


def files() -> Iterator[tuple[str, Path]]:
    for top in FOLDERS:
        for path in sorted((paths.TOP / top).rglob("*")):
            where = str(path.relative_to(paths.TOP))
            if where.startswith(SKIPPED) and not where.startswith(LITMUS):
                continue
            if path.suffix in (".rs", ".c", ".h", ".patch"):
                yield where, path


class Sources:
    """All our functions, and those of a kernel with our hooks."""

    def __init__(self, kernel: Tree):
        self.kernel = kernel
        self.read: dict[str, list[Function]] = {}

    @cached_property
    def ours(self) -> list[Function]:
        return [f for where, path in files() if path.suffix in (".rs", ".c")
                for f in functions.find(where, path.read_text())]

    def kernels(self, path: str) -> list[Function]:
        """The functions of a file of the kernel, whose path begins with linux/."""
        if path not in self.read:
            self.read[path] = functions.find(path, self.kernel.read(path.removeprefix(LINUX)))
        return self.read[path]

    def functions(self, name: str, path: str) -> list[Function]:
        """The functions of this name, in the kernel file linux/..., or our file of this path."""
        if path.startswith(LINUX):
            return [f for f in self.kernels(path) if f.name == name]
        return [f for f in self.ours if f.path.endswith(path) and f.name == name]

    def around(self, where: str, line: int) -> Function | None:
        """Our functions that contain a line (from 0) of a file."""
        inside = [f for f in self.ours if f.path == where and f.first <= line <= f.last]
        return inside[-1] if inside else None
