# SPDX-License-Identifier: GPL-2.0
"""Parses the results of KUnit, with the parser from the tree of the kernel that ran the tests."""

import re
import sys
from collections.abc import Iterator
from typing import Any

from harness.kernel import Kernel
from harness.results import Result, Results

# A failed assertion that KUnit does not count: in another thread, or because the static
# key by which a task finds its test was not enabled, as when patching is broken. The test
# is reported as passed.
ASSERTION = re.compile(r"# (\S+): ASSERTION FAILED at (.*)")
UNREPORTED = "Failure not reported to KUnit"


def parser(kernel: Kernel) -> tuple[Any, Any]:
    folder = str(kernel.tree / "tools/testing/kunit")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Write no byte code to the cache.
    sys.dont_write_bytecode = True
    import kunit_parser
    import kunit_printer
    return kunit_parser, kunit_printer.null_printer


def leaves(test: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All tests without subtests."""
    if not test.subtests:
        yield path, test
    for sub in test.subtests:
        yield from leaves(sub, (*path, sub.name))


def unreported(lines: list[str]) -> Results:
    """The assertions that failed although their tests passed."""
    results, last = Results(), None
    for line in lines:
        if m := ASSERTION.search(line):
            last = m
        elif UNREPORTED in line and last:
            results.add(last[1], False, f"assertion failed at {last[2]}, not reported to KUnit")
            last = None
    return results


def parse(kernel: Kernel, lines: list[str], module: str) -> Results:
    """The results of one KUnit module, between its markers in the log."""
    kunit, printer = parser(kernel)
    results = Results()
    begin = [i for i, line in enumerate(lines) if line.endswith(f"guest: begin kunit {module}")]
    end = [i for i, line in enumerate(lines) if line.endswith(f"guest: end kunit {module}")]
    if not begin:
        results.add(module, False, "was never started")
        return results
    part = lines[begin[0] + 1:end[0] if end else len(lines)]
    if not any("KTAP version" in line for line in part):
        results.add(module, False, "has no results")
        return results
    root = kunit.parse_run_tests(part, printer)
    status = kunit.TestStatus
    found = 0
    for path, test in leaves(root):
        # The name of the test in which the guest died is unknown.
        name = ".".join(part or "(died)" for part in path) or module
        if test.status == status.SUCCESS:
            results.add(name, True)
            found += 1
        elif test.status == status.SKIPPED:
            results.all.append(Result(name, "skip"))
            found += 1
        else:
            # The diagnostics of a failed test say what was observed.
            log = "; ".join(line.strip() for line in test.log if line.strip())
            results.add(name, False, f"{test.status.name.lower()} {log}"[:600])
    results.extend(unreported(part))
    if not found and not results.failures():
        results.add(module, False, "ran no test")
    if root.counts.errors and not results.failures():
        results.add(module, False, f"{root.counts.errors} errors in its KTAP")
    if not end and not results.failures():
        results.add(module, False, "did not end")
    return results

