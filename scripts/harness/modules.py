# SPDX-License-Identifier: GPL-2.0
"""Builds our modules with Kbuild, against a kernel in the cache."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from harness import kernel as kernels
from harness import paths, progress, store, toolchain
from harness.kernel import Kernel
from harness.lock import locked
from harness.progress import StepFailed

# The parts of our tree that Kbuild needs.
PARTS = ("Kbuild", "rust", "samples", "include")

# The size of a build in bytes.
SIZE = 200_000_000


def plain(path: Path) -> bool:
    """Whether make accepts the path: Kbuild's M= and MO= must not contain a space or colon."""
    return re.fullmatch(r"[\w./+@~-]+", str(path)) is not None


def places(top: Path, out: Path) -> tuple[Path, Path]:
    """The source and build folders: ours, or copies in the cache if make rejects the path."""
    if plain(top) and plain(out):
        return top, out
    name = hashlib.sha256(f"{top}\0{out}".encode()).hexdigest()[:12]
    folder = paths.cache() / "checkouts" / name
    return folder / "tree", folder / "out"


def sync(top: Path, tree: Path) -> None:
    """Copy top to tree. Files that have not changed keep their modification time."""
    tree.mkdir(parents=True, exist_ok=True)
    r = subprocess.run(["rsync", "-rlpt", "--delete", *(top / p for p in PARTS), f"{tree}/"],
                       capture_output=True, text=True, check=False)
    if r.returncode:
        raise StepFailed(f"{top} could not be copied to {tree}, which make can build in:\n"
                         f"{r.stderr[-2000:]}")


def build(kernel: Kernel, tools: dict[str, str], top: Path = paths.TOP, out: Path | None = None,
          log: Path | None = None, extra: tuple[str, ...] = ()) -> dict[str, Path]:
    """Build the modules of the tree top, and return their files by name, without ".ko"."""
    asked = out or paths.BUILD / kernel.name.rsplit("-", 1)[0]
    log = log or paths.LOGS / f"modules-{asked.name}.log"
    tree, out = places(top, asked)
    asked.parent.mkdir(parents=True, exist_ok=True)
    with locked(asked.with_name(asked.name + ".lock"), "building the modules"):
        stamp = asked / ".kernel"
        # Objects for another kernel must not be mixed in. Without a stamp the last build was
        # killed, and may have left a partial file that make considers complete.
        if not stamp.exists() or stamp.read_text() != kernel.name:
            for old in {asked, out}:
                if old.exists():
                    shutil.rmtree(old)
        stamp.unlink(missing_ok=True)
        with store.room(asked.parent, "a build of the modules", SIZE):
            if tree != top:
                sync(top, tree)
            asked.mkdir(exist_ok=True)
            out.mkdir(parents=True, exist_ok=True)
            try:
                progress.run(f"building the modules ({asked.name})",
                             ["make", "-C", kernel.tree, f"O={kernel.obj}",
                              *toolchain.make_variables(tools), f"M={tree}", f"MO={out}",
                              toolchain.jobs(), *extra, "modules"],
                             log, env=toolchain.environment())
            except StepFailed:
                # make itself removes incomplete files.
                stamp.write_text(kernel.name)
                raise
            stamp.write_text(kernel.name)
    # The file of a module that is no longer built remains.
    listed = (out / "modules.order").read_text().split()
    found = {}
    for name in listed:
        path = (out / name).with_suffix(".ko")
        if not path.exists():
            path = Path(name).with_suffix(".ko")
        found[path.stem] = path
    return found


def parameters(module: Path) -> set[str]:
    """The names of a module's parameters."""
    return {m.decode() for m in re.findall(rb"parmtype=(\w+):", module.read_bytes())}


# A kernel and our modules for it.
Built = tuple[Kernel, dict[str, Path]]


def for_row(flavour: str, hooked: bool, tools: dict[str, str]) -> Built:
    kernel = kernels.build(flavour, hooked, tools)
    return kernel, build(kernel, tools)
