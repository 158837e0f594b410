# SPDX-License-Identifier: GPL-2.0
"""Runs the tests that need no kernel, on the host: those of the plain logic and the scripts."""

import re
import subprocess
from pathlib import Path

from harness import compile_fail, paths, unit
from harness.results import Results

# The configurations in which the logic is tested: with and without compressed instructions.
KERNELS: dict[str, tuple[str, ...]] = {"host": ("--cfg", "CONFIG_RISCV_ISA_C"), "host-no-c": ()}

LINE = re.compile(r"^test (\S+)(?: - [\w ]+)? \.\.\. (ok|FAILED|ignored)")


def run(tools: dict[str, str], top: Path = paths.TOP, out: Path = paths.BUILD) -> Results:
    results = Results()
    crate = top / "rust/tests/host.rs"
    if not crate.exists():
        results.add("host", False, f"{crate} is not there")
        return results
    out.mkdir(parents=True, exist_ok=True)
    for name, options in KERNELS.items():
        results.extend(run_built(tools, crate, out / f"{name}-tests", name, options))
    results.extend(compile_fail.on_host(tools, top))
    results.extend(unit.run(top))
    results.extend(unit.shell(top))
    return results


def run_built(tools: dict[str, str], crate: Path, program: Path, name: str,
              options: tuple[str, ...]) -> Results:
    """Build the tests with these options, and run them; their names begin with name."""
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
