# SPDX-License-Identifier: GPL-2.0
"""Writes a guest's initramfs: busybox, our modules, a script.

The cpio archive is written here, so that device nodes need neither root nor another tool.
"""

import gzip
import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from harness import debian, paths


class Cpio:
    """A cpio archive, "newc": Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self, file: gzip.GzipFile | BinaryIO):
        self.file = file
        self.inode = 0

    def add(self, name: str, mode: int, data: bytes = b"", rdev: tuple[int, int] = (0, 0)) -> None:
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % f for f in fields)
        self.file.write(self.pad(header + encoded))
        self.file.write(self.pad(data))

    @staticmethod
    def pad(data: bytes) -> bytes:
        return data + b"\0" * (-len(data) % 4)

    def finish(self) -> None:
        self.add("TRAILER!!!", 0)


def add_shell(cpio: Cpio, script: Path) -> None:
    """Add busybox, and an /init that runs script."""
    cpio.add("bin/busybox", stat.S_IFREG | 0o755, debian.busybox().read_bytes())
    cpio.add("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    for name in ("init", "functions"):
        data = (paths.SCRIPTS / "guest" / name).read_bytes()
        cpio.add(name, stat.S_IFREG | 0o755, data)
    cpio.add("script", stat.S_IFREG | 0o755, script.read_bytes())


def fill(cpio: Cpio, script: Path, modules: list[Path], settings: dict[str, object],
         files: dict[str, Path], init: Path | None = None) -> None:
    for folder in ("bin", "dev", "proc", "sys", "tmp", "modules"):
        cpio.add(folder, stat.S_IFDIR | 0o755)
    # Before devtmpfs is mounted, init's output goes here.
    cpio.add("dev/console", stat.S_IFCHR | 0o600, rdev=(5, 1))
    if init:
        cpio.add("init", stat.S_IFREG | 0o755, init.read_bytes())
    else:
        add_shell(cpio, script)
    lines = "".join(f"{k}='{v}'\n" for k, v in settings.items())
    cpio.add("settings", stat.S_IFREG | 0o644, lines.encode())
    for module in modules:
        cpio.add(f"modules/{module.name}", stat.S_IFREG | 0o644, module.read_bytes())
    folders = set()
    for name, source in sorted(files.items()):
        for above in reversed(PurePosixPath(name).parents[:-1]):
            if above not in folders:
                folders.add(above)
                cpio.add(str(above), stat.S_IFDIR | 0o755)
        mode = stat.S_IFREG | (0o755 if os.access(source, os.X_OK) else 0o644)
        cpio.add(name, mode, source.read_bytes())
    cpio.finish()


def build(path: Path, script: Path, modules: list[Path], settings: dict[str, object],
          files: dict[str, Path] | None = None, compress: bool = True,
          init: Path | None = None) -> None:
    """Write an initramfs whose /init runs script with settings in its environment.

    files are additional ones: paths in the guest, such as "programs/fault", and on the host.
    init is a program to run instead of a shell and script.
    """
    partial = path.with_suffix(f".{os.getpid()}")
    with gzip.open(partial, "wb", compresslevel=1) if compress else partial.open("wb") as file:
        fill(Cpio(file), script, modules, settings, files or {}, init)
    partial.rename(path)
