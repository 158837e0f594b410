# SPDX-License-Identifier: GPL-2.0
"""The plain logic's tests, run on this machine: milliseconds, no kernel."""

import re
import subprocess
from pathlib import Path

from rr import paths
from rr.results import Results

# The error that a file of compile_fail/ names.
EXPECT = re.compile(r"^// expect: (E\d+)$", re.MULTILINE)

# The kernels that the logic is tested as a part of: with compressed instructions, and without.
KERNELS = {"host": ("--cfg", "CONFIG_RISCV_ISA_C"), "host-no-c": ()}

LINE = re.compile(r"^test (\S+)(?: - [\w ]+)? \.\.\. (ok|FAILED|ignored)")


def run(tools: dict, top: Path = paths.TOP, out: Path = paths.BUILD) -> Results:
    results = Results()
    crate = top / "rust/tests/host.rs"
    if not crate.exists():
        results.add("host", False, f"{crate} is not there")
        return results
    out.mkdir(parents=True, exist_ok=True)
    for name, options in KERNELS.items():
        results.extend(run_built(tools, crate, out / f"{name}-tests", name, options))
    results.extend(compile_fail(tools, top, out))
    return results


def run_built(tools: dict, crate: Path, program: Path, name: str, options: tuple) -> Results:
    """The tests built with these options; what they are called begins with name."""
    results = Results()
    r = subprocess.run([tools["RUSTC"], "--test", "--edition", "2021", *options,
                        "--check-cfg", "cfg(CONFIG_RISCV_ISA_C)", "-o", program, crate],
                       capture_output=True, text=True, check=False)
    if r.returncode:
        results.add(name, False, "does not compile:\n" + r.stderr[-3000:])
        return results
    r = subprocess.run([program], capture_output=True, text=True, check=False)
    for line in r.stdout.splitlines():
        if m := LINE.match(line):
            if m.group(2) == "ignored":
                continue
            results.add(f"{name}.{m.group(1)}", m.group(2) == "ok", r.stdout[-2000:])
    if r.returncode and not results.failures():
        results.add(name, False, f"ended with status {r.returncode}:\n"
                    f"{r.stdout[-2000:]}{r.stderr[-2000:]}")
    if not results.all:
        results.add(name, False, "ran no test")
    return results


def compile_fail(tools: dict, top: Path, out: Path) -> Results:
    """Files that compile, but not with --cfg defect: then with the error they name."""
    results = Results()
    for source in sorted((top / "rust/tests/compile_fail").glob("*.rs")):
        expected = EXPECT.search(source.read_text())
        if not expected:
            continue
        command = [tools["RUSTC"], "--edition", "2021", "--crate-type=lib", "--emit=metadata",
                   "-o", out / "compile_fail.rmeta", source]
        good, bad = (subprocess.run(command + more, capture_output=True, text=True, check=False)
                     for more in ([], ["--cfg", "defect"]))
        errors = set(re.findall(r"^error\[(E\d+)\]", bad.stderr, re.MULTILINE))
        detail = ("does not compile without its defect:\n" + good.stderr[-2000:] if good.returncode
                  else f"expected {expected.group(1)} alone:\n{bad.stderr[-2000:]}")
        results.add(f"host.compile_fail.{source.stem}",
                    good.returncode == 0 and errors == {expected.group(1)}, detail)
    if not results.all:
        results.add("host.compile_fail", False, "there are no files")
    return results
