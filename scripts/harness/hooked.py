# SPDX-License-Identifier: GPL-2.0
"""Reads files of a kernel tree as they are with our hook series, without copying the tree."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness import paths
from harness.progress import StepFailed

FILE = re.compile(r"^\+\+\+ b/(\S+)", re.MULTILINE)


def series(hooks: Path = paths.PATCHES) -> list[Path]:
    return sorted(hooks.glob("*.patch"))


def apply_one(patch: Path, tree: Path, to: str, strict: bool = False) -> None:
    """Apply a patch to a tree. to is the tree's name in messages. With strict, all context must
    match.
    """
    fuzz = ["-F0"] if strict else []
    with patch.open() as text:
        r = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch", "-f", *fuzz, "-d", tree],
                           stdin=text, capture_output=True, text=True, check=False)
    if r.returncode:
        raise StepFailed(f"{patch.name} does not apply to {to}:\n{r.stdout}{r.stderr}")


def apply(hooks: Path, tree: Path, to: str, strict: bool = False) -> None:
    """Apply the series to a tree. to is the tree's name in messages."""
    for patch in series(hooks):
        apply_one(patch, tree, to, strict)


class Tree:
    """The files of a kernel tree, with our hook series applied."""

    def __init__(self, kernel: Path, hooks: Path = paths.PATCHES, strict: bool = False):
        self.kernel = kernel
        touched = {name for patch in series(hooks) for name in FILE.findall(patch.read_text())}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path in touched:
                if (kernel / path).exists():
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(kernel / path, folder / path)
            # Those that exist.
            self.before: dict[str, str] = {
                path: (folder / path).read_text() for path in sorted(touched)
                if (folder / path).exists()}
            apply(hooks, folder, str(kernel), strict)
            self.patched: dict[str, str] = {
                path: (folder / path).read_text() for path in sorted(touched)}

    def digest(self) -> str:
        """A hash of the patched files. It does not depend on messages or the order of patches."""
        content = "\0".join(part for file in self.patched.items() for part in file)
        return hashlib.sha256(content.encode()).hexdigest()

    def read(self, path: str) -> str:
        """The text of a file; empty if it does not exist."""
        if path in self.patched:
            return self.patched[path]
        file = self.kernel / path
        return file.read_text() if file.exists() else ""
