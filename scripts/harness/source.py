# SPDX-License-Identifier: GPL-2.0
"""Fetches the kernel source: the user's own, Debian's package, or a tarball of kernel.org."""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import debian, kernel_org, paths, progress, store
from harness.lock import locked
from harness.progress import StepFailed

# The suites that may contain a version, the most likely first.
DEBIAN = (
    ("linux-source-7.3", ("trixie-backports", "forky", "sid")),
    ("linux-source-7.2", ("forky", "trixie-backports", "sid")),
)
NEWEST = ("sid", "forky", "trixie-backports")
Packages = tuple[tuple[str, tuple[str, ...]], ...]


# The size in bytes of an unpacked tree, and of a tree with its packages.
TREE = 2_000_000_000
FETCHED = 2_500_000_000


@dataclass
class Source:
    """A kernel tree, which is never written to."""

    tree: Path
    identity: str  # differs if the content differs
    origin: str  # for messages
    private: bool  # created by us, so it may be hard-linked

    @property
    def version(self) -> str:
        return tree_version(self.tree)


def tree_version(tree: Path) -> str:
    text = (tree / "Makefile").read_text()
    parts = [m.group(1).strip() for k in ("VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION")
             if (m := re.search(rf"^{k} *= *(.*)$", text, re.MULTILINE))]
    if len(parts) != 4:
        raise StepFailed(f"{tree} is not a kernel tree: its Makefile names no version")
    v, p, s, e = parts
    return f"{v}.{p}.{s}{e}"


def stat_hash(tree: Path) -> str:
    """A hash of the names, sizes and times in a tree, without reading the files."""
    h = hashlib.sha256(str(tree).encode())
    for folder, dirs, files in os.walk(tree):
        if folder == str(tree) and ".git" in dirs:
            dirs.remove(".git")
        dirs.sort()
        for name in sorted(files):
            st = os.lstat(os.path.join(folder, name))
            h.update(f"{folder}/{name} {st.st_size} {st.st_mtime_ns}\n".encode())
    return h.hexdigest()[:16]


def sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def unpack(tarball: Path, folder: Path, log: Path, members: Sequence[str] = ()) -> None:
    """Unpack a kernel tarball, or some members of it, into folder, without its top folder."""
    progress.run(f"unpacking {tarball.name}",
                 ["tar", "-x", "-f", tarball, "-C", folder, "--strip-components=1", *members], log,
                 f"Is {tarball} a whole kernel tarball, and is the disk full?")


def from_user(given: Path) -> Source:
    if not given.exists():
        raise StepFailed(f"KERNEL_SRC={given}: no such file or folder")
    if given.is_dir():
        tree = given.resolve()
        if not (tree / "rust" / "kernel" / "lib.rs").exists():
            raise StepFailed(f"KERNEL_SRC={given} is not a kernel tree with Rust in it")
        return Source(tree, f"tree-{stat_hash(tree)}", f"tree {tree}", private=False)
    digest = sha256(given)[:16]
    folder = paths.cache() / "src" / f"tarball-{digest}"
    with locked(paths.cache() / "src.lock", "the kernel source"):
        if not store.complete(folder):
            with store.room(folder.parent, "the kernel source", TREE):
                partial = store.start(folder)
                unpack(given.resolve(), partial, paths.LOGS / "unpack.log")
                store.finish(partial, folder)
    return Source(folder, f"tarball-{digest}", f"tarball {given.name}", private=True)


def from_debian(folder: Path, packages: Packages = DEBIAN,
                members: Sequence[str] = ()) -> str | None:
    """Unpack Debian's source package in folder, and return its origin, if there is one."""
    if not debian.available():
        return None
    arch = debian.architecture("Debian's kernel source")
    deb = folder.with_name("deb.partial")
    for package, suites in packages:
        for suite in suites:
            partial = store.start(folder)
            shutil.rmtree(deb, ignore_errors=True)
            log = paths.LOGS / f"fetch-{package}-{suite}.log"
            try:
                progress.run(f"fetching {package} from {suite}",
                             [paths.SCRIPTS / "fetch-deb.sh", suite, arch, package, deb], log)
            except StepFailed:
                if store.free(folder.parent) < store.FULL:
                    raise
                print(f"    not there; the log is {log}")
                continue
            version = (deb / "VERSION").read_text().strip()
            tarball = next((deb / "usr/src").glob("linux-source-*.tar.*"))
            unpack(tarball, partial, paths.LOGS / "unpack.log", members)
            shutil.rmtree(deb)
            (partial / ".origin").write_text(f"Debian {package} {version}\n")
            store.finish(partial, folder)
            return version
    return None


def from_kernel_org(folder: Path) -> str:
    partial = store.start(folder)
    tarball = partial.with_name("kernel.tar.xz")
    name = kernel_org.download(tarball)
    unpack(tarball, partial, paths.LOGS / "unpack.log")
    tarball.unlink()
    (partial / ".origin").write_text(f"kernel.org {name}\n")
    store.finish(partial, folder)
    return name


def fill(folder: Path) -> None:
    """Fetch the source into folder."""
    # Left by an interrupted run.
    for stale in ("deb.partial", "deb.partial.fetch"):
        shutil.rmtree(folder.with_name(stale), ignore_errors=True)
    folder.with_name("kernel.tar.xz").unlink(missing_ok=True)
    if not from_debian(folder):
        from_kernel_org(folder)


def get() -> Source:
    """The kernel source, from the first origin that has it."""
    given = os.environ.get("KERNEL_SRC")
    if given:
        return from_user(Path(given))
    # A single folder, which is kept once fetched, so that a run needs no network and a
    # new upload does not start a rebuild on its own.
    folder = paths.cache() / "src" / "default"
    if not store.complete(folder):
        with locked(paths.cache() / "src.lock", "the kernel source"):
            if not store.complete(folder):
                with store.room(folder.parent, "the kernel source", FETCHED):
                    fill(folder)
    origin = (folder / ".origin").read_text().strip()
    return Source(folder, origin, origin, private=True)


def newest(package: str, folders: Sequence[str]) -> Source:
    """Some folders of the newest kernel source in a package of Debian's."""
    folder = paths.cache() / "src" / f"{package}.parts"

    def complete() -> bool:
        # More folders may be needed than before.
        return store.complete(folder) and all((folder / name).exists() for name in folders)

    if not complete():
        with locked(paths.cache() / "src.lock", "the kernel source"):
            if not complete():
                with store.room(folder.parent, "a part of the kernel source", FETCHED - TREE):
                    if not from_debian(folder, ((package, NEWEST),),
                                       [f"{package}/{name}" for name in ("Makefile", *folders)]):
                        raise StepFailed(f"{package} could not be had: it comes from Debian's "
                                         "archive, by apt-get.")
    origin = (folder / ".origin").read_text().strip()
    return Source(folder, origin, origin, private=True)
