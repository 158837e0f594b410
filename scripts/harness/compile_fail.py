# SPDX-License-Identifier: GPL-2.0
"""Tests that the compiler rejects misuse of our types.

Each file in rust/tests/compile_fail/ compiles, but not with --cfg misuse: then the errors
are exactly those of its lines "// expect: [CODE: ]BEGINNING OF THE MESSAGE", in this
order. A file with a line "// needs: kernel" is compiled with the command by which
Kbuild compiled one of our modules, from its .cmd file; with "// needs: kernel with CFG"
only if our crate was compiled with that --cfg; otherwise it is skipped. All others are
compiled for the host. Subfolders contain shared code.
"""

import re
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import paths, toolchain
from harness.results import Result, Results

LIKE = "rust/tests/kunit/examples/.kunit_examples.o.cmd"
CRATE = "rust/riscv/.riscv.o.cmd"
FOLDER = "rust/tests/compile_fail"
NEEDS_KERNEL = re.compile(r"^// needs: kernel(?: with (\w+))?$", re.MULTILINE)
EXPECT = re.compile(r"^// expect: (?:(E\d+): )?(\S.*)$", re.MULTILINE)
ERROR = re.compile(r"^error(?:\[(E\d+)\])?: (.*)$", re.MULTILINE)


def kernel_command(out: Path) -> list[str]:
    """The command line of rustc, without source and output, to be run in the folder out."""
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


def errors(rustc: list[str], where: Path, source: Path, misuse: bool) -> list[tuple[str, str]]:
    """The errors that the compiler reports: code and message."""
    with tempfile.TemporaryDirectory() as folder:
        r = subprocess.run([*rustc, *(["--cfg", "misuse"] if misuse else []), "--crate-name",
                            source.stem, f"--emit=metadata={folder}/{source.stem}.rmeta", source],
                           cwd=where, capture_output=True, text=True, check=False,
                           env=toolchain.environment() | {"RUSTC_BOOTSTRAP": "1"})
    found = [(code, message) for code, message in ERROR.findall(r.stderr)
             if not message.startswith(("aborting due to", "could not compile"))]
    return found or ([("", r.stderr[-500:])] if r.returncode else [])


def check(rustc: list[str], where: Path, source: Path) -> Results:
    results = Results()
    name = f"compile_fail.{source.stem}"
    wanted = EXPECT.findall(source.read_text())
    if not wanted:
        results.add(name, False, f"{source} has no line \"// expect: ...\"")
        return results
    good = errors(rustc, where, source, misuse=False)
    # A name of its own, so that a defect with which nothing compiles does not count as found.
    results.add(f"{name}_right_use", not good, f"does not compile: {good}")
    bad = errors(rustc, where, source, misuse=True)
    same = len(bad) == len(wanted) and all(
        code == b[0] and b[1].startswith(beginning)
        for (code, beginning), b in zip(wanted, bad, strict=True))
    results.add(name, same, f"{bad or 'compiles'}, where it is to be {wanted}")
    return results


def check_all(rustc: list[str], where: Path, top: Path, cfgs: set[str] | None) -> Results:
    """Check all files that need no kernel, or all that need one, with these --cfg of ours."""
    results = Results()
    sources = []
    for source in sorted((top / FOLDER).glob("*.rs")):
        needs = NEEDS_KERNEL.search(source.read_text())
        if bool(needs) != (cfgs is not None):
            continue
        if needs and needs[1] and needs[1] not in (cfgs or ()):
            results.all.append(Result(f"compile_fail.{source.stem}", "skip",
                                      f"no {needs[1]} in this kernel"))
            continue
        sources.append(source)
    if not sources:
        results.add("compile_fail", False, f"nothing in {top / FOLDER}")
    with ThreadPoolExecutor() as pool:
        for found in pool.map(lambda source: check(rustc, where, source), sources):
            results.extend(found)
    return results


def on_host(tools: dict[str, str], top: Path = paths.TOP) -> Results:
    """Check the files that need no kernel."""
    return check_all([tools["RUSTC"], "--edition", "2021", "--crate-type=lib"], top, top, None)


def on_kernel(built: dict[str, Path], top: Path = paths.TOP) -> Results:
    """Check the files that need a kernel, against our crates in the folder of built."""
    out = built["rust_riscv"].parents[1]
    cfgs = set(re.findall(r"--cfg=(\w+)", (out / CRATE).read_text()))
    return check_all(kernel_command(out), out, top, cfgs)
