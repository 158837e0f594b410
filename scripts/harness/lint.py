# SPDX-License-Identifier: GPL-2.0
"""Runs the checkers of "make lint", and builds the documentation without warnings."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import kernel, modules, paths, toolchain
from harness.hooked import series
from harness.kernel import Kernel
from harness.progress import Step, StepFailed
from harness.results import Results

# In the order of their dependencies, for links between their documentation.
CRATES = ("riscv/riscv", "patch/riscv_patch", "fault/riscv_fault")

# The number of lines of a checker's output that are printed; all are in its log.
SHOWN = 40


@dataclass
class Checker:
    """The tools of a checker, and its log."""

    tools: dict[str, str]
    log: Path

    def kernel(self, hooked: bool) -> Kernel:
        return kernel.build("ordinary", hooked, self.tools)

    def run(self, command: Sequence[str | Path], text: str = "", **more: object) -> bool:
        """Run a command with its output in the log, and return whether it succeeded."""
        found = subprocess.run([str(c) for c in command], input=text, text=True, check=False,
                               capture_output=True, **more)  # type: ignore[call-overload]
        output = found.stdout + found.stderr
        with self.log.open("a") as log:
            log.write(output)
            if found.returncode and not output:
                log.write(f"{command[0]} ended with status {found.returncode}\n")
        return bool(found.returncode == 0)


def load(tools: dict[str, str]) -> dict[str, str]:
    """Find the checkers, installing those that are missing, and add them to tools."""
    out = paths.BUILD / "lint-tools"
    if subprocess.call([paths.SCRIPTS / "lint-tools.sh", out, tools["RUSTC"]]):
        raise StepFailed("The checkers are not complete; see above.")
    lines = out.read_text().splitlines()
    return tools | dict(line.split("=", 1) for line in lines)


def files(folders: str, pattern: str) -> list[Path]:
    """Our source files, without those that a build in the tree generates."""
    return [p for folder in folders.split() for p in sorted((paths.TOP / folder).rglob(pattern))
            if not re.search(r"_generated\.|\.mod\.c$", p.name)]


def shell_scripts() -> Iterator[Path]:
    """All shell scripts, found by their first lines, since those of the guest have no suffix."""
    for path in files("scripts .ci", "*"):
        if path.is_file() and re.search(rb"^(#!/bin/sh|# shellcheck shell=sh)$",
                                        path.read_bytes(), re.MULTILINE):
            yield path


def clippy(c: Checker) -> bool:
    """Run clippy on all modules as the kernel does, with and without our hooks."""
    clean = True
    for hooked in (False, True):
        k = c.kernel(hooked)
        out = paths.BUILD / ("clippy-hooked" if hooked else "clippy")
        log = paths.LOGS / f"{out.name}.log"
        # clippy does not check files that are up to date.
        shutil.rmtree(out, ignore_errors=True)
        modules.build(k, c.tools, out=out, log=log,
                      extra=("CLIPPY=1", f"CLIPPY_DRIVER={c.tools['CLIPPY_DRIVER']}"))
        if re.search("^(warning|error)", log.read_text(), re.MULTILINE):
            with c.log.open("a") as all_logs:
                all_logs.write(re.sub(r"^(make|  [A-Z]).*\n", "", log.read_text(),
                                      flags=re.MULTILINE))
            clean = False
    return clean


def rustfmt(c: Checker) -> bool:
    return c.run([c.tools["RUSTFMT"], "--check", "--config-path",
                  c.kernel(False).tree / ".rustfmt.toml", *files("rust samples", "*.rs")])


def checkpatch(c: Checker) -> bool:
    script = c.kernel(False).tree / "scripts/checkpatch.pl"
    command: list[str | Path] = ["perl", script, "--no-tree", "--strict", "--terse", "--no-summary"]
    # Loom's replacement for the kernel's headers consists of macros, and runs on the host.
    ours = [f for f in files("rust samples include scripts/guest", "*.[ch]")
            if not f.is_relative_to(paths.TOP / "rust/tests/loom")]
    clean = c.run([*command, "--file", *ours], cwd=paths.TOP)
    for patch in [*series(), *series(paths.PATCHES / "fixes")]:
        # On standard input, since checkpatch treats a file that is in git as source. There is no
        # history that has the commits in "Fixes:".
        clean &= c.run([*command, "--ignore",
                        "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID", "-"], patch.read_text())
    return clean


def shellcheck(c: Checker) -> bool:
    return c.run([c.tools["SHELLCHECK"], "-x", *shell_scripts()])


def ruff(c: Checker) -> bool:
    return c.run([c.tools["RUFF"], "check", "-q", "--no-cache", "--output-format=concise",
                  paths.SCRIPTS])


def mypy(c: Checker) -> bool:
    config = paths.SCRIPTS / "mypy.ini"
    how = ["--config-file", config] if config.exists() else ["--strict"]
    return c.run([c.tools["MYPY"], *how, "--cache-dir", paths.BUILD / "mypy", "."],
                 cwd=paths.SCRIPTS)


def saved_command(obj: Path) -> list[str]:
    """The command with which make built an object, from its .cmd file."""
    text = obj.with_name(f".{obj.name}.cmd").read_text()
    return shlex.split(text.splitlines()[0].split(":=", 1)[1].partition(";")[0])


def rustdoc(c: Checker) -> bool:
    """Build the documentation of our crates, with the flags that they were compiled with."""
    k = c.kernel(True)
    # The folder of the modules for guests.
    built = paths.BUILD / k.name.rsplit("-", 1)[0]
    modules.build(k, c.tools, out=built)
    out = paths.BUILD / "rustdoc"
    shutil.rmtree(out, ignore_errors=True)
    clean = True
    for crate in CRATES:
        words = saved_command(built / f"rust/{crate}.o")
        first = next(i for i, w in enumerate(words) if w.endswith("rustc"))
        # As cmd_rustdoc in the kernel's rust/Makefile: without output options, and with a flag
        # since rustdoc does not record in metadata that x18 is fixed.
        flags = [w for w in words[first + 1:]
                 if not w.startswith(("--emit=", "--remap-path-scope="))]
        flags.remove("--out-dir")
        flags.remove(f"rust/{crate.split('/')[0]}/")
        flags.insert(0, "-Cunsafe-allow-abi-mismatch=fixed-x18")
        env = toolchain.environment() | dict(w.split("=", 1) for w in words[:first])
        # These are exported by the kernel's Makefile and by our Kbuild.
        env["RUSTC_BOOTSTRAP"] = "1"
        env["RUST_RISCV_OBJ"] = str(built / "rust")
        clean &= c.run([c.tools["RUSTDOC"], *flags, "--generate-link-to-definition",
                        "--extern-html-root-url=kernel=https://rust.docs.kernel.org/",
                        "--output", out, "-Dwarnings"], cwd=built, env=env)
    return clean


def htmldocs(c: Checker) -> bool:
    """Build Documentation/ as HTML, with warnings as errors."""
    out = paths.BUILD / "htmldocs"
    shutil.rmtree(out, ignore_errors=True)
    return c.run([c.tools["SPHINX"], "-q", "-n", "-W", "--keep-going", "-b", "html",
                  "-c", paths.SCRIPTS / "sphinx", "-d", paths.BUILD / "doctrees", "-E",
                  paths.TOP / "Documentation", out],
                 env=toolchain.environment() | {"srctree": str(c.kernel(False).tree)})


CHECKERS: dict[str, Callable[[Checker], bool]] = {
    f.__name__: f for f in (shellcheck, ruff, mypy, rustfmt, checkpatch, htmldocs, clippy, rustdoc)
}


def run(tools: dict[str, str], names: list[str]) -> Results:
    """Run the checkers with these names, or all of them."""
    results = Results()
    try:
        tools = load(tools)
    except StepFailed as e:
        results.add("lint", False, str(e))
        return results
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    for name in names or CHECKERS:
        step = Step(name)
        log = paths.LOGS / f"lint-{name}.log"
        log.write_text("")
        try:
            clean = CHECKERS[name](Checker(tools, log))
        except StepFailed as e:
            log.write_text(str(e))
            clean = False
        lines = log.read_text(errors="replace").splitlines()
        step.done("clean" if clean else f"FAILED ({log})")
        for line in [] if clean else lines[:SHOWN]:
            print(f"    {line}", flush=True)
        results.add(f"lint.{name}", clean, f"see {log}")
    return results
