# SPDX-License-Identifier: GPL-2.0
"""A lock between concurrent runs: the second one waits, and prints which process it waits for."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import progress
from harness.progress import Step, StepFailed


def open_lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as e:
        raise StepFailed(f"{path} is not yours to write (after a run with sudo?). Give it back:\n"
                         f"    sudo chown -R {os.getuid()}: '{path.parent}'") from e
    except OSError as e:
        raise StepFailed(f"{path}: {e.strerror}") from e


def is_at(fd: int, path: Path) -> bool:
    """Whether path is still the opened file: "make clean-cache" may have removed it."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def holder(fd: int) -> str:
    """Describe the process that holds the lock, if it is known."""
    text = os.pread(fd, 200, 0).decode(errors="replace").strip()
    return f" ({text})" if text else ""


def wait(fd: int, what: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        pass
    message = f"waiting for another run{holder(fd)} that is busy with {what}"
    step = Step(message)
    if not step.tty:
        print(message, flush=True)
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            step.update()
            time.sleep(0.5)
    step.done()


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock. The kernel releases it when we and our commands have ended."""
    fd = open_lock(path)
    try:
        wait(fd, what)
        while not is_at(fd, path):
            os.close(fd)
            fd = open_lock(path)
            wait(fd, what)
        # For the message of runs that wait. A full disk is not an error here.
        with suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} in {os.getcwd()}".encode(), 0)
        progress.held.add(fd)
        yield
    finally:
        progress.held.discard(fd)
        os.close(fd)
