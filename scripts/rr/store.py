# SPDX-License-Identifier: GPL-2.0
"""Folders in the cache that are either complete or not there.

A folder is filled beside its final place, renamed, and only then marked. What
has no mark was interrupted, and is thrown away by the next one to come.
"""

import os
import shutil
from pathlib import Path

MARK = ".complete"


def complete(folder: Path) -> bool:
    return (folder / MARK).exists()


def start(folder: Path) -> Path:
    """An empty folder to fill; the caller holds a lock."""
    partial = folder.with_name(folder.name + ".partial")
    for stale in (partial, folder):
        if stale.exists():
            remove(stale)
    partial.mkdir(parents=True)
    return partial


def finish(partial: Path, folder: Path) -> None:
    os.sync()
    partial.rename(folder)
    mark(folder)


def mark(folder: Path) -> None:
    with (folder / MARK).open("w") as f:
        f.flush()
        os.fsync(f.fileno())


def remove(folder: Path) -> None:
    # The mark goes first, or an interrupted removal would look complete.
    (folder / MARK).unlink(missing_ok=True)
    shutil.rmtree(folder)
