#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print what litmus tests of instruction fetch have seen on several machines, as a table in reST.

Each FILE is the output of fetch_litmus, or the log of a guest that ran it. NAME is the machine's.
"""

import argparse
import re
from pathlib import Path

from harness import fetch_litmus, progress
from harness.fetch_litmus import Outcome
from harness.progress import StepFailed


def outcomes(text: str) -> dict[tuple[str, str], Outcome]:
    """The tests in some output, in which other text may be before the lines."""
    lines = [m.group(0).rstrip() for m in re.finditer(r"litmus: \S+ flush=.*", text)]
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in fetch_litmus.parse(lines):
        if found.setdefault((outcome.test, outcome.flush), outcome) is not outcome:
            raise ValueError(f"{outcome.name} is there twice")
    return found


def complete(text: str) -> bool:
    """Whether the program got to its verdict."""
    return re.search(r"verdict: \d+ tests ran", text) is not None


def cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return "(not there)"
    if outcome.skipped:
        return "–"
    if outcome.counts["other"]:
        return "**other**"
    if outcome.counts["seen"]:
        return "**SEEN**" if outcome.forbidden else "seen"
    return "never" if outcome.tried else "nothing"


def table(machines: dict[str, dict[tuple[str, str], Outcome]]) -> list[str]:
    """A row for each test and flush, in the order in which the first machine has them."""
    keys = list(dict.fromkeys(key for found in machines.values() for key in found))
    rows = [["Test", "Flush", *machines]]
    for test, flush in keys:
        rows.append([f"``{test}``", f"``{flush}``",
                     *(cell(found.get((test, flush))) for found in machines.values())])
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
             for row in rows]
    return [rule, lines[0], rule, *lines[1:], rule]


def read(word: str) -> tuple[str, dict[tuple[str, str], Outcome]]:
    name, equals, path = word.partition("=")
    if not equals or not name or not path:
        raise StepFailed(f"{word} is not NAME=FILE")
    try:
        text = Path(path).read_text(errors="replace")
        found = outcomes(text)
    except (OSError, ValueError) as e:
        raise StepFailed(f"{path}: {e}") from e
    if not found:
        raise StepFailed(f"{path} has no line of fetch_litmus")
    if not complete(text):
        name += " (incomplete)"
    return name, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machine", nargs="+", metavar="NAME=FILE")
    args = parser.parse_args()
    machines: dict[str, dict[tuple[str, str], Outcome]] = {}
    for name, found in map(read, args.machine):
        if name in machines:
            raise StepFailed(f"{name} is there twice")
        machines[name] = found
    print("\n".join(table(machines)))
    return 0


if __name__ == "__main__":
    progress.main(main)
