# SPDX-License-Identifier: GPL-2.0
"""Builds kernels, once, and keeps them in the cache.

A kernel is a source tree with its build folder "obj" inside, so that Kbuild uses
relative paths only. All kernels are built in one place and renamed afterwards. So a
build folder can be copied: a kernel that differs in a few files or options is built
from a copy of another one, its seed, and make compiles only what differs.
"""

import functools
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from harness import hooked, paths, progress, source, store, toolchain
from harness.flavours import FLAVOURS
from harness.lock import locked
from harness.progress import StepFailed

# A file in a tree that may be copied to build other kernels.
KIN = ".kin"

# Seconds a kernel stays in the cache unused.
KEEP = 14 * 24 * 3600

# Increment when a change of this script changes the output of a build.
RECIPE = 2


@dataclass
class Kernel:
    tree: Path
    flavour: str
    hooked: bool
    version: str
    origin: str
    name: str  # unique for each kernel
    kin: str  # equal for kernels that differ in options or hooks only

    @property
    def obj(self) -> Path:
        return self.tree / "obj"

    @property
    def image(self) -> Path:
        return self.obj / "arch/riscv/boot/Image"


def digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@functools.cache
def hooks_digest(tree: Path, patches: Path) -> str:
    """A hash of the files as the series leaves them, not of its messages or its order."""
    return hooked.Tree(tree, patches).digest()


def series_digest(patches: Path) -> str:
    return hooks_digest(source.get().tree, patches)


def describe(src: source.Source, flavour: str, hooks: bool, tools: dict[str, str],
             patches: Path) -> Kernel:
    parts = [str(RECIPE), src.identity, src.version, toolchain.identity(tools), flavour]
    kin = digest(parts)
    parts.append(FLAVOURS[flavour].fragment)
    parts += FLAVOURS[flavour].variables
    if hooks:
        parts.append(hooks_digest(src.tree, patches))
    variant = f"{flavour}-hooked" if hooks else flavour
    name = f"{src.version}-{variant}-{digest(parts)}"
    tree = paths.cache() / "kernels" / name
    return Kernel(tree, flavour, hooks, src.version, src.origin, name, kin)


def make(tools: dict[str, str], tree: Path, *args: object) -> list[object]:
    return ["make", "-C", tree, "O=obj", *toolchain.make_variables(tools),
            "KBUILD_BUILD_USER=rust-riscv", "KBUILD_BUILD_HOST=rust-riscv", *args]


def configure(tools: dict[str, str], tree: Path, flavour: str) -> None:
    frag = tree / "obj" / "fragment.config"
    frag.parent.mkdir(exist_ok=True)
    frag.write_text(FLAVOURS[flavour].fragment)
    progress.run(f"configuring the {flavour} kernel",
                 make(tools, tree, f"KCONFIG_ALLCONFIG={frag}", "allnoconfig"),
                 paths.LOGS / f"config-{flavour}.log", env=toolchain.environment())
    # Kconfig silently drops options that are unknown or whose dependencies are missing.
    wanted = {}
    for line in frag.read_text().splitlines():
        if line.startswith("CONFIG_"):
            option, value = line.split("=", 1)
            wanted[option] = value
    have = dict(line.split("=", 1) for line in (tree / "obj/.config").read_text().splitlines()
                if line.startswith("CONFIG_"))
    wrong = [f"{o}={v} (is {have.get(o, 'n')})" for o, v in wanted.items()
             if have.get(o, "n") != v]
    if wrong:
        log = paths.LOGS / f"config-{flavour}.log"
        raise StepFailed("This kernel cannot have these options:\n    " + "\n    ".join(wrong) +
                         f"\nIf CONFIG_RUST is one of them, 'make rustavailable' in the kernel "
                         f"tree says why. The log is {log}.")


def copy_source(src: source.Source, tree: Path) -> None:
    log = paths.LOGS / "copy.log"
    if src.private:
        # Hard links are safe: patch and Kbuild replace files instead of writing into them.
        progress.run("preparing the source", ["cp", "-al", f"{src.tree}/.", tree], log)
        (tree / store.MARK).unlink()
        return
    progress.run("copying the source",
                 ["rsync", "-a", "--exclude=/.git", f"{src.tree}/", tree], log)
    if (tree / ".config").exists() or (tree / "include/config").exists():
        progress.run("cleaning the copy of the source", ["make", "-C", tree, "mrproper"], log)


def copy_build(seed: Path, tree: Path) -> None:
    """Copy a kernel: hard links to its source, and a real copy of its build folder."""
    script = ('cp -al "$1/." "$2" && rm -rf "$2/obj" "$2/.complete" && '
              'cp -a --reflink=auto "$1/obj" "$2/obj"')
    progress.run(f"copying {seed.name}, which differs little",
                 ["sh", "-c", script, "sh", seed, tree], paths.LOGS / "copy.log")


def compile_kernel(kernel: Kernel, tools: dict[str, str], tree: Path) -> None:
    what = f"{kernel.flavour}{', hooked' if kernel.hooked else ''}"
    progress.run(f"building the kernel {kernel.version} ({what})",
                 make(tools, tree, *FLAVOURS[kernel.flavour].variables, toolchain.jobs(), "Image",
                      "modules"),
                 paths.LOGS / f"kernel-{kernel.flavour}.log",
                 "The build is started from nothing by the next run.",
                 env=toolchain.environment())
    for junk in (tree / "obj").glob(".tmp_vmlinux*"):
        junk.unlink()


def seed_of(kernel: Kernel) -> Path | None:
    """The tree of the newest kernel that this one can be built from."""
    found = [mark for mark in (paths.cache() / "kernels").glob(f"*/{store.MARK}")
             if (mark.parent / KIN).exists() and (mark.parent / KIN).read_text() == kernel.kin]
    return max(found, key=lambda mark: mark.stat().st_mtime).parent if found else None


def prune() -> None:
    """Remove kernels that have not been used for long, such as those of old configurations."""
    for mark in (paths.cache() / "kernels").glob(f"*/{store.MARK}"):
        if time.time() - mark.stat().st_mtime > KEEP:
            store.remove(mark.parent)


def build_in(kernel: Kernel, src: source.Source, tools: dict[str, str], patches: Path,
             work: Path) -> None:
    seed = seed_of(kernel)
    if seed:
        copy_build(seed, work)
        (work / KIN).unlink()
    else:
        copy_source(src, work)
    if kernel.hooked:
        hooked.apply(patches, work, "this kernel")
    else:
        # A seed is never hooked: the source is the same.
        (work / KIN).write_text(kernel.kin)
    configure(tools, work, kernel.flavour)
    compile_kernel(kernel, tools, work)


def install(kernel: Kernel, work: Path) -> None:
    """Move a finished build to its final place, and mark it as complete."""
    if kernel.tree.exists():
        store.remove(kernel.tree)
    os.sync()
    work.rename(kernel.tree)
    # For users who run make in the build folder, as with any KDIR.
    (kernel.obj / "Makefile").write_text(
        f"export KBUILD_OUTPUT = {kernel.obj}\ninclude {kernel.tree}/Makefile\n")
    store.mark(kernel.tree)


def build(flavour: str, hooks: bool, tools: dict[str, str],
          patches: Path = paths.PATCHES) -> Kernel:
    """Return the kernel of this flavour. Builds it if it is not in the cache."""
    src = source.get()
    kernel = describe(src, flavour, hooks, tools, patches)
    if store.complete(kernel.tree):
        store.mark(kernel.tree)
        return kernel
    if hooks and FLAVOURS[flavour].stock:
        build(flavour, False, tools)
    with locked(paths.cache() / "kernels.lock", "building a kernel"):
        if store.complete(kernel.tree):
            return kernel
        work = paths.cache() / "kernels" / "work"
        if work.exists():
            store.remove(work)
        with store.room(work, f"the {flavour} kernel", FLAVOURS[flavour].size):
            work.mkdir(parents=True)
            build_in(kernel, src, tools, patches, work)
            install(kernel, work)
        prune()
    return kernel


def remove(kernel: Kernel) -> None:
    with locked(paths.cache() / "kernels.lock", "removing a kernel"):
        store.remove(kernel.tree)


def hooks_wanted() -> bool:
    """Whether the kernel is to be built with our hook series: yes, unless HOOKS=0."""
    return (os.environ.get("HOOKS") or "1") != "0"
