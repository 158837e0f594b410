# SPDX-License-Identifier: GPL-2.0
"""Runs herd7, which computes what a memory model allows."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import debian
from harness.progress import StepFailed

SUITE = "forky"
# Including libc and libgmp, since those of the host may be too old for it.
PACKAGES = ("herdtools7", "libc6", "libgmp10")

# The size of all packages in bytes, including apt's lists.
SIZE = 400_000_000

HINT = "Set HERD7= to a herd7 of yours (opam install herdtools7)."


def command() -> list[str | Path]:
    """The command line of herd7, without a test."""
    given = os.environ.get("HERD7") or shutil.which("herd7")
    if given:
        return [given]
    folder = debian.fetch("herd7", "herd7", PACKAGES, SUITE, SIZE, HINT)
    loaders = sorted(folder.glob("usr/lib/*/ld-linux*.so.*"))
    if not loaders:
        raise StepFailed(f"no loader in {folder}: remove it, and try again")
    return [loaders[0], "--library-path", loaders[0].parent, folder / "usr/bin/herd7",
            "-set-libdir", folder / "usr/share/herdtools7/herd"]


@dataclass
class Verdict:
    """The result of herd7 for a test."""

    says: str  # Never, Sometimes or Always; otherwise a message
    digest: str = ""  # of the test itself, regardless of its name


def run(herd: list[str | Path], kernel: Path, test: Path) -> Verdict:
    """Run herd7 on a test."""
    riscv = test.read_text().startswith("RISCV")
    model = ["-model", "riscv.cat"] if riscv else ["-conf", "linux-kernel.cfg"]
    r = subprocess.run([*herd, *model, test.absolute()], cwd=kernel / "tools/memory-model",
                       capture_output=True, text=True, check=False, timeout=300)
    out = r.stdout + r.stderr
    if "data-race" in out:
        return Verdict("a data race")
    m = re.search(r"^Observation \S+ (\w+)", out, re.MULTILINE)
    if not m:
        return Verdict(f"no verdict: {out.strip()[-500:]}")
    digest = re.search(r"^Hash=(\w+)", out, re.MULTILINE)
    return Verdict(m.group(1), digest.group(1) if digest else "")
