# SPDX-License-Identifier: GPL-2.0
"""Two runs at once: one waits, and says for whom."""

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path

from rr import progress
from rr.progress import Step


@contextmanager
def locked(path: Path, what: str):
    """Hold an exclusive lock; the kernel drops it however we and our commands end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step = Step(f"waiting for another run that is busy with {what}")
            if not step.tty:
                print(f"waiting for another run that is busy with {what}", flush=True)
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    step.update()
                    time.sleep(0.5)
            step.done()
        progress.held.add(fd)
        yield
    finally:
        progress.held.discard(fd)
        os.close(fd)
