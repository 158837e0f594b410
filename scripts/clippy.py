#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Clippy on our modules, the way the kernel runs it ("make CLIPPY=1")."""

import os
import shutil
import subprocess
from pathlib import Path

from rr import kernel, modules, paths, progress, toolchain


def driver(rustc: str) -> str | None:
    """A clippy-driver of the kernel's own rustc: another cannot read its metadata."""
    def version(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout[:30]

    wanted = version(rustc, "--version")
    for path in (str(Path(rustc).parent / "clippy-driver"), shutil.which("clippy-driver")):
        if path and os.access(path, os.X_OK) and version(path, "--rustc", "--version") == wanted:
            return path
    return None


def main() -> int:
    tools = toolchain.load()
    found = driver(tools["RUSTC"])
    if not found:
        print(f"there is no clippy-driver of the version of {tools['RUSTC']}")
        return 77  # what lint.sh takes for "not run"
    k = kernel.build("ordinary", False, tools)
    out = paths.BUILD / "clippy"
    shutil.rmtree(out, ignore_errors=True)
    log = paths.LOGS / "clippy.log"
    modules.build(k, tools, out=out, log=log, extra=("CLIPPY=1", f"CLIPPY_DRIVER={found}"))
    text = log.read_text()
    if "warning:" in text:
        print(text)
        return 1
    return 0


progress.main(main)
