# SPDX-License-Identifier: GPL-2.0
"""Kernels, built once and kept in the cache.

A kernel is a source tree with its build folder "obj" inside, since Kbuild then
uses relative paths only, and all are built in one place and renamed afterwards.
So a build folder can be copied: a kernel that differs by a few files is built
from a copy of another, and make compiles just these.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rr import paths, progress, source, store, toolchain
from rr.lock import locked
from rr.progress import StepFailed

FLAVOURS = {
    "ordinary": ("ordinary.config",),
    "debug": ("ordinary.config", "debug.config"),
}

# Counts up when the way of building changes what comes out.
RECIPE = 1


@dataclass
class Kernel:
    tree: Path
    flavour: str
    hooked: bool
    version: str
    origin: str
    name: str  # differs for any two kernels

    @property
    def obj(self) -> Path:
        return self.tree / "obj"

    @property
    def image(self) -> Path:
        return self.obj / "arch/riscv/boot/Image"


def fragment(flavour: str) -> str:
    return "".join((paths.SCRIPTS / "config" / f).read_text() for f in FLAVOURS[flavour])


def hook_series() -> list:
    return sorted((paths.SCRIPTS / "hooks").glob("*.patch"))


def describe(src: source.Source, flavour: str, hooked: bool, tools: dict) -> Kernel:
    key = hashlib.sha256()
    parts = [str(RECIPE), src.identity, src.version, fragment(flavour), toolchain.identity(tools)]
    if hooked:
        parts += [p.read_text() for p in hook_series()]
    for part in parts:
        key.update(part.encode() + b"\0")
    variant = f"{flavour}-hooked" if hooked else flavour
    name = f"{src.version}-{variant}-{key.hexdigest()[:12]}"
    return Kernel(paths.cache() / "kernels" / name, flavour, hooked, src.version, src.origin, name)


def make(tools: dict, tree: Path, *args) -> list:
    return ["make", "-C", tree, "O=obj", *toolchain.make_variables(tools),
            "KBUILD_BUILD_USER=rust-riscv", "KBUILD_BUILD_HOST=rust-riscv", *args]


def configure(tools: dict, tree: Path, flavour: str) -> None:
    frag = tree / "obj" / "fragment.config"
    frag.parent.mkdir(exist_ok=True)
    frag.write_text(fragment(flavour))
    progress.run(f"configuring the {flavour} kernel",
                 make(tools, tree, f"KCONFIG_ALLCONFIG={frag}", "allnoconfig"),
                 paths.LOGS / f"config-{flavour}.log", env=toolchain.environment())
    # Kconfig drops what it does not know or cannot have, without a word.
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
        # Links cost neither time nor space; patch and Kbuild replace, never write into.
        progress.run("preparing the source", ["cp", "-al", f"{src.tree}/.", tree], log)
        (tree / store.MARK).unlink()
        return
    progress.run("copying the source",
                 ["rsync", "-a", "--exclude=/.git", f"{src.tree}/", tree], log)
    if (tree / ".config").exists() or (tree / "include/config").exists():
        progress.run("cleaning the copy of the source", ["make", "-C", tree, "mrproper"], log)


def copy_build(kernel: Kernel, tree: Path) -> None:
    """Copy a kernel: its source as links, its build folder for real."""
    script = ('cp -al "$1/." "$2" && rm -rf "$2/obj" "$2/.complete" && '
              'cp -a --reflink=auto "$1/obj" "$2/obj"')
    progress.run(f"copying the {kernel.flavour} kernel's build",
                 ["sh", "-c", script, "sh", kernel.tree, tree], paths.LOGS / "copy.log")


def apply_hooks(tree: Path) -> None:
    for patch in hook_series():
        with patch.open() as text:
            r = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch", "-f", "-d", tree],
                               stdin=text, capture_output=True, text=True, check=False)
        if r.returncode:
            raise StepFailed(f"{patch.name} does not apply to this kernel:\n{r.stdout}{r.stderr}")


def compile_kernel(kernel: Kernel, tools: dict, tree: Path) -> None:
    what = f"{kernel.flavour}{', hooked' if kernel.hooked else ''}"
    progress.run(f"building the kernel {kernel.version} ({what})",
                 make(tools, tree, toolchain.jobs(), "Image", "modules"),
                 paths.LOGS / f"kernel-{kernel.flavour}.log",
                 "The build is started from nothing by the next run.",
                 env=toolchain.environment())
    for junk in (tree / "obj").glob(".tmp_vmlinux*"):
        junk.unlink()


def install(kernel: Kernel, work: Path) -> None:
    """Move a finished build to its place, and mark it."""
    if kernel.tree.exists():
        store.remove(kernel.tree)
    os.sync()
    work.rename(kernel.tree)
    # For those who run make in the build folder, as one does with a KDIR.
    (kernel.obj / "Makefile").write_text(
        f"export KBUILD_OUTPUT = {kernel.obj}\ninclude {kernel.tree}/Makefile\n")
    store.mark(kernel.tree)


def build(flavour: str, hooked: bool, tools: dict) -> Kernel:
    """The kernel of this flavour, built if the cache does not have it."""
    src = source.get()
    kernel = describe(src, flavour, hooked, tools)
    if store.complete(kernel.tree):
        return kernel
    stock = build(flavour, False, tools) if hooked else None
    with locked(paths.cache() / "kernels.lock", "building a kernel"):
        if store.complete(kernel.tree):
            return kernel
        work = paths.cache() / "kernels" / "work"
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        if stock:
            copy_build(stock, work)
            apply_hooks(work)
        else:
            copy_source(src, work)
            configure(tools, work, flavour)
        compile_kernel(kernel, tools, work)
        install(kernel, work)
    return kernel


def hooks_wanted() -> bool:
    return os.environ.get("HOOKS", "0") == "1"
