# SPDX-License-Identifier: GPL-2.0
"""Runs the unit tests of these scripts, scripts/tests/, with Python's unittest."""

import re
import subprocess
import sys
from pathlib import Path

from harness import paths, toolchain
from harness.results import Result, Results

# unittest's "test_name (tests.test_module.Class.test_name) ... ok"
LINE = re.compile(r"^test_\w+ \(tests\.test_(\S+)\).*? \.\.\. (ok|FAIL|ERROR|skipped.*)$",
                  re.MULTILINE)


# "test name ... ok" of scripts/tests/machine.sh
SHELL = re.compile(r"^test (\w+) \.\.\. (ok|FAILED)$", re.MULTILINE)


def shell(top: Path) -> Results:
    """Run the tests of the shell scripts that prepare a machine."""
    results = Results()
    r = subprocess.run(["sh", top / "scripts/tests/machine.sh"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, check=False,
                       env=toolchain.environment())
    for name, ended in SHELL.findall(r.stdout):
        results.add(f"machine.{name}", ended == "ok", r.stdout[-3000:])
    if not results.all or (r.returncode != 0) != bool(results.failures()):
        results.add("machine", False, f"ended with status {r.returncode}:\n"
                    f"{r.stdout[-2000:]}{r.stderr[-2000:]}")
    return results


def run(top: Path = paths.TOP) -> Results:
    """Run the unit tests of the tree top in a separate process, since it may be another tree."""
    results = Results()
    scripts = top / "scripts"
    r = subprocess.run([sys.executable, "-B", "-m", "unittest", "discover", "-v", "-b",
                        "-s", scripts / "tests", "-t", scripts], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, check=False,
                       env=toolchain.environment())
    for name, ended in LINE.findall(r.stderr):
        if ended.startswith("skipped"):
            results.all.append(Result(f"unit.{name}", "skip", ended))
        else:
            results.add(f"unit.{name}", ended == "ok", r.stderr[-3000:])
    ran = re.search(r"^Ran (\d+) tests? in", r.stderr, re.MULTILINE)
    if not ran or int(ran[1]) != len(results.all) or not results.all:
        results.add("unit", False, f"not each test has a result:\n{r.stderr[-3000:]}")
    elif r.returncode and not results.failures():
        results.add("unit", False, f"ended with status {r.returncode}:\n{r.stderr[-3000:]}")
    return results
