# SPDX-License-Identifier: GPL-2.0
"""Downloads the newest tarball of a supported series from kernel.org, with its checksum."""

import hashlib
import re
import time
import urllib.error
import urllib.request
from http.client import HTTPResponse
from pathlib import Path

from harness.progress import Step, StepFailed

SERIES = ("7.3", "7.2")
BASE = "https://cdn.kernel.org/pub/linux/kernel/v7.x"
HINT = ("No kernel source could be had. Get a 7.3 or 7.2 kernel, a tree or a tarball, "
        "and run: make KERNEL_SRC=/path/to/it run")


def fetch(url: str) -> HTTPResponse:
    # The server sometimes answers slowly, but rarely three times in a row.
    for attempt in range(3):
        try:
            answer: HTTPResponse = urllib.request.urlopen(url, timeout=30)
            return answer
        except urllib.error.HTTPError as e:
            raise StepFailed(f"{url}: {e}\n{HINT}") from e
        except OSError as e:
            error = e
            time.sleep(2 ** attempt)
    raise StepFailed(f"{url}: {error}\n{HINT}")


def newest(sums: str) -> tuple[str, str]:
    """The newest release of the first series that has one, and its checksum."""
    for series in SERIES:
        found = re.findall(rf"^([0-9a-f]{{64}})  (linux-{re.escape(series)}(?:\.(\d+))?\.tar\.xz)$",
                           sums, re.MULTILINE)
        if found:
            digest, name, _ = max(found, key=lambda m: int(m[2] or 0))
            return name, digest
    raise StepFailed(f"kernel.org lists no {' or '.join(SERIES)} tarball.\n{HINT}")


def download(target: Path) -> str:
    """Download a release to target, and return its name."""
    step = Step("fetching the kernel from kernel.org")
    with fetch(f"{BASE}/sha256sums.asc") as r:
        name, expected = newest(r.read().decode())
    digest = hashlib.sha256()
    size = 0
    with fetch(f"{BASE}/{name}") as r, target.open("wb") as out:
        while chunk := r.read(1 << 20):
            out.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            step.update(f"{size >> 20} MB")
    if digest.hexdigest() != expected:
        target.unlink()
        step.done("FAILED")
        raise StepFailed(f"{name}: its checksum is not the one in sha256sums.asc. Try again; "
                         f"if it stays so, do not trust it.\n{HINT}")
    step.done(name)
    return name
