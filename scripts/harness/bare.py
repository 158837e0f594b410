# SPDX-License-Identifier: GPL-2.0
"""Runs commands on a bare machine, one without our tools, with scripts/bare.sh."""

import re
import subprocess
from pathlib import Path

from harness import matrix, paths, progress
from harness.progress import StepFailed
from harness.results import Results, skipped


def unable() -> str:
    """The reason why no bare machine can be created here; empty if it can."""
    r = subprocess.run([paths.SCRIPTS / "bare.sh", "--check"], capture_output=True, text=True,
                       check=False)
    return (r.stdout + r.stderr).strip() if r.returncode else ""


def boot_row(row: matrix.Bare, tree: Path = paths.TOP) -> Results:
    """Run the row's command on a new bare machine, in a clone (or a copy) of the tree."""
    results = Results()
    if reason := unable():
        return skipped(row.title, "bare machine", reason)
    log = paths.LOGS / f"{row.name}{'' if tree == paths.TOP else '-defect'}.log"
    command = ["timeout", "--kill-after=60", row.limit, tree / "scripts/bare.sh", *row.options,
               row.suite, "make", row.goal]
    try:
        progress.run(row.title, command, log)
        failed = ""
    except StepFailed as e:
        failed = str(e)
    output = log.read_text(errors="replace")
    # Report only the first missing line: later ones depend on it.
    for name, pattern in row.expected.items():
        found = re.search(pattern, output, re.MULTILINE) is not None
        results.add(name, found, failed or f"{log} has no line like {pattern}")
        if not found:
            break
    results.add("exit status", not failed, failed)
    return results
