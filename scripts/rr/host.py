# SPDX-License-Identifier: GPL-2.0
"""The plain logic's tests, run on this machine: milliseconds, no kernel."""

import re
import subprocess
from pathlib import Path

from rr import paths
from rr.results import Results

LINE = re.compile(r"^test (\S+)(?: - [\w ]+)? \.\.\. (ok|FAILED|ignored)")


def run(tools: dict, top: Path = paths.TOP, out: Path = paths.BUILD) -> Results:
    results = Results()
    crate = top / "rust/tests/host.rs"
    if not crate.exists():
        results.add("host", False, f"{crate} is not there")
        return results
    out.mkdir(parents=True, exist_ok=True)
    program = out / "host-tests"
    r = subprocess.run([tools["RUSTC"], "--test", "--edition", "2021", "-o", program, crate],
                       capture_output=True, text=True, check=False)
    if r.returncode:
        results.add("host", False, "does not compile:\n" + r.stderr[-3000:])
        return results
    r = subprocess.run([program], capture_output=True, text=True, check=False)
    for line in r.stdout.splitlines():
        if m := LINE.match(line):
            if m.group(2) == "ignored":
                continue
            results.add(f"host.{m.group(1)}", m.group(2) == "ok", r.stdout[-2000:])
    if r.returncode and not results.failures():
        results.add("host", False, f"ended with status {r.returncode}:\n"
                    f"{r.stdout[-2000:]}{r.stderr[-2000:]}")
    if not results.all:
        results.add("host", False, "ran no test")
    return results
