# SPDX-License-Identifier: GPL-2.0
"""Misuse of our types, which the compiler has to refuse.

Each file of rust/tests/misuse/ compiles, but not with --cfg misuse: then there
are the errors of its lines "// error: [CODE: ]BEGINNING OF THE MESSAGE", no more.
Compiled as Kbuild compiled a module of ours, which its .cmd file tells.
"""

import re
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rr import paths, toolchain
from rr.results import Results

LIKE = "rust/tests/.kunit_examples.o.cmd"
FOLDER = "rust/tests/misuse"
ERROR = re.compile(r"^error(?:\[(E\d+)\])?: (.*)$", re.MULTILINE)


def command(out: Path) -> list:
    """rustc's command line, to be run in out, without source and output."""
    line = (out / LIKE).read_text().splitlines()[0].split(":=", 1)[1]
    words = shlex.split(line.split(";")[0])
    kept = []
    skip = False
    for word in words:
        if skip or word.startswith("--emit") or word.endswith("/kunit_examples.rs"):
            skip = False
        elif word == "--out-dir":
            skip = True
        else:
            kept.append(word)
    return ["env", *kept]


def errors(rustc: list, out: Path, source: Path, misuse: bool) -> list:
    """The compiler's errors: code and message."""
    with tempfile.TemporaryDirectory() as folder:
        r = subprocess.run([*rustc, *(["--cfg", "misuse"] if misuse else []), "--crate-name",
                            source.stem, f"--emit=metadata={folder}/{source.stem}.rmeta", source],
                           cwd=out, capture_output=True, text=True, check=False,
                           env=toolchain.environment() | {"RUSTC_BOOTSTRAP": "1"})
    found = [(code, message) for code, message in ERROR.findall(r.stderr)
             if not message.startswith(("aborting due to", "could not compile"))]
    return found or ([("", r.stderr[-500:])] if r.returncode else [])


def check(rustc: list, out: Path, source: Path) -> Results:
    results = Results()
    name = f"misuse.{source.stem}"
    wanted = re.findall(r"^// error: (?:(E\d+): )?(.+)$", source.read_text(), re.MULTILINE)
    good = errors(rustc, out, source, misuse=False)
    results.add(f"{name}.right_use", not good, f"does not compile: {good}")
    bad = errors(rustc, out, source, misuse=True)
    same = len(bad) == len(wanted) and all(
        code == b[0] and b[1].startswith(beginning)
        for (code, beginning), b in zip(wanted, bad, strict=True))
    results.add(name, bool(wanted) and same, f"{bad or 'compiles'}, where it is to be {wanted}")
    return results


def run(built: dict, top: Path = paths.TOP) -> Results:
    """All files, against our crates where they have been built."""
    out = built["rust_riscv"].parents[1]
    results = Results()
    sources = sorted((top / FOLDER).glob("*.rs"))
    if not sources:
        results.add("misuse", False, f"nothing in {top / FOLDER}")
    rustc = command(out)
    with ThreadPoolExecutor() as pool:
        for found in pool.map(lambda source: check(rustc, out, source), sources):
            results.extend(found)
    return results
