# SPDX-License-Identifier: GPL-2.0
"""Folders in the cache that are either complete or do not exist.

A folder is filled next to its final path, renamed, and then marked as complete. A folder
without the mark is from an interrupted run, and the next run removes it.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from harness.progress import StepFailed

MARK = ".complete"

# If less is free, a failed step is blamed on the full disk.
FULL = 32 << 20


def free(folder: Path) -> int:
    """The free bytes on the disk of folder, which may not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def no_room(folder: Path, what: str, needed: int) -> str:
    return (f"{what} takes some {needed / 1e9:.1f} GB, and {folder} has {free(folder) / 1e9:.1f} GB "
            "free.\nMake room (\"make clean-cache\" empties the cache) or name another folder with "
            "CACHE=, and run this again.")


@contextmanager
def room(folder: Path, what: str, needed: int) -> Iterator[None]:
    """Run code that writes this many bytes below folder, with a message if they do not fit.

    Others may write to the disk, too, so it can become full during the run.
    """
    if free(folder) < needed:
        raise StepFailed(no_room(folder, what, needed))
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StepFailed(no_room(folder, what, needed)) from e
        raise
    except StepFailed as e:
        if free(folder) < FULL:
            raise StepFailed(f"{e}\n{no_room(folder, what, needed)}") from e
        raise


def complete(folder: Path) -> bool:
    return (folder / MARK).exists()


def start(folder: Path) -> Path:
    """Create an empty folder to fill. The caller holds a lock."""
    partial = folder.with_name(folder.name + ".partial")
    # Also removes what fetch-deb.sh and the sources write next to it.
    for stale in (partial, folder, *folder.parent.glob(f"{folder.name}.*.fetch")):
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
    # Remove the mark first, or the folder would look complete after an interrupted removal.
    (folder / MARK).unlink(missing_ok=True)
    shutil.rmtree(folder, onerror=retry)


def retry(function: Callable[[str], None], path: str,
          error: tuple[type[BaseException], BaseException, TracebackType]) -> None:
    """Read-only folders cannot be emptied."""
    parent = os.path.dirname(path)
    if not issubclass(error[0], PermissionError) or os.access(parent, os.W_OK):
        raise error[1]
    os.chmod(parent, os.stat(parent).st_mode | stat.S_IRWXU)
    function(path)
