#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The litmus tests: verdicts, mutations, and which ordering in the sources each is about.

Runs every test in Documentation/litmus-tests/ with herd7, under the kernel's
memory model from the kernel's own tree or, in riscv/, under RISC-V's. A test's
comment says, one a line:

  Result: Never | Sometimes   what the model must say
  Variant of: TEST            TEST with something changed; sources name TEST
  Fixed: ORDERING ...         not mutated (ORDERING@P0: only there not)
  Superfluous: ORDERING ...   mutated, and the verdict must stay
  Kernel: TEST ...            riscv/: the tests whose RISC-V code this is

Then the rendezvous' core under loom (rust/tests/loom/), and the barriers in
compiled code (disassembly.py). Ends with "N passed, N failed"; the exit status is 0 only if nothing failed.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import disassembly
from rr import herd, paths, progress, source, toolchain
from rr.results import Results

TESTS = paths.TOP / "Documentation/litmus-tests"
LOOM = paths.TOP / "rust/tests/loom"
SOURCES = ("rust", "samples/rust")
# Test programs order as the code they test; generated and host code is none.
SKIPPED = ("rust/tests/", "rust/bindings/")

HEADER = re.compile(r"^ \* ([A-Z][\w ]*): (.+)$", re.MULTILINE)

# What an ordering is weakened to. A fence is dropped as a whole: the bits that
# a test has no access for could go unnoticed.
WEAKER_C = (
    (re.compile(r"\b(smp_mb|smp_wmb|smp_rmb|barrier)\(\);"), ("",)),
    (re.compile(r"\b(smp_store_mb)\((\*\w+, \w+)\)"), (r"WRITE_ONCE(\2)",)),
    (re.compile(r"\b(smp_store_release)\((\w+, \w+)\)"), (r"WRITE_ONCE(*\2)",)),
    (re.compile(r"\b(smp_load_acquire)\((\w+)\)"), (r"READ_ONCE(*\2)",)),
    (re.compile(r"\b(atomic_read_acquire)\("), ("atomic_read(",)),
    (re.compile(r"\b((\w*xchg|atomic_(?:\w+_return|fetch_[a-z]+)))\("),
     (r"\2_relaxed(", r"\2_acquire(", r"\2_release(")),
    (re.compile(r"\b((\w*xchg|atomic_(?:\w+_return|fetch_[a-z]+))_(?:acquire|release))\("),
     (r"\2_relaxed(",)),
)
WEAKER_RISCV = (
    (re.compile(r"\b(fence [rw]+,[rw]+|fence\.i)"), ("nop",)),
    (re.compile(r"\b(amo\w+\.[wd])\.aqrl"), (r"\1", r"\1.aq", r"\1.rl")),
    (re.compile(r"\b(amo\w+\.[wd])\.(?:aq|rl)\b"), (r"\1",)),
)

# An ordering in code, comments and strings other than asm's aside.
ORDERING_RUST = re.compile(
    r"(?<!fn )\b(?:smp_mb|smp_store_mb|dma_mb|mb|barrier)\(|[(,] *(?:\w+::)*(?:Acquire|Release|Full)\b"
    r"|\"fence[ .]")
ORDERING_C = re.compile(
    r"\b(?!rr_)\w+_(?:acquire|release)\(|\b(?:smp_)?(?:mb|rmb|wmb|store_mb)\(|\bRISCV_FENCE\("
    r"|\batomic\w*_(?:inc|dec|add|sub)_return\(|\bx?chg\(")
NAMES = re.compile(r"litmus: *([\w+.-]+(?:, *[\w+.-]+)*)")


class Test:
    def __init__(self, path: Path):
        self.path = path
        self.name = path.stem
        self.text = path.read_text()
        self.riscv = self.text.startswith("RISCV")
        self.header = {k: v.strip() for k, v in HEADER.findall(self.text)}
        self.result = self.header.get("Result", "")
        self.code_at = self.text.index("*)")

    def words(self, key: str) -> list:
        return self.header.get(key, "").split()

    def mutations(self):
        """Each ordering weakened in turn: which, where, and the whole new test."""
        for pattern, weaker in WEAKER_RISCV if self.riscv else WEAKER_C:
            for m in pattern.finditer(self.text, self.code_at):
                ordering = m.group(1)
                thread = f"P{len(re.findall(r'^P[0-9]+', self.text[:m.start()], re.MULTILINE)) - 1}"
                line = self.text.count("\n", 0, m.start()) + 1
                if {ordering, f"{ordering}@{thread}"} & set(self.words("Fixed")):
                    continue
                for w in weaker:
                    new = m.expand(w)
                    text = self.text[:m.start()] + new + self.text[m.end():]
                    yield ordering, f"line {line}, {m.group(0)} -> {new or 'nothing'}", text


def check_headers(tests: dict, results: Results) -> None:
    for t in tests.values():
        wrong = []
        title = t.text.split("\n", 1)[0].split(" ", 1)[-1]
        if title != t.name:
            wrong.append(f"its first line calls it {title}")
        if t.result not in ("Never", "Sometimes"):
            wrong.append("its comment has no Result: Never or Sometimes")
        if "SPDX-License-Identifier" not in t.text:
            wrong.append("no licence")
        for key in ("Variant of", "Kernel"):
            wrong += [f"{key}: {n} does not exist" for n in t.words(key) if n not in tests]
        if t.riscv and "Kernel" not in t.header and "Variant of" not in t.header:
            wrong.append("its comment has neither Kernel: nor Variant of:")
        if wrong:
            results.add(f"{t.name}: header", False, "; ".join(wrong))


def check_verdict(t: Test, run, results: Results) -> None:
    verdict = run(t.path)
    results.add(f"{t.name}: {t.result}", verdict == t.result, f"herd7 says {verdict}")


def check_mutations(t: Test, run, folder: Path, results: Results) -> None:
    """What is allowed anyway cannot get more so: only Never is mutated."""
    if t.result != "Never":
        return
    mutated = folder / "mutated.litmus"
    count = 0
    for ordering, what, text in t.mutations():
        count += 1
        mutated.write_text(text)
        verdict = run(mutated)
        expected = "Never" if ordering in t.words("Superfluous") else "Sometimes"
        results.add(f"{t.name}: {what}", verdict == expected,
                    f"herd7 says {verdict} where {expected} should be")
    if not count and "Fixed" not in t.header:
        results.add(f"{t.name}: mutations", False, "no ordering in it to weaken")


def code_lines(path: Path):
    """Line numbers and lines, without comments and Rust's use declarations."""
    in_use = in_comment = False
    for number, line in enumerate(path.read_text().splitlines()):
        code = re.sub(r"//.*", "", line)
        if path.suffix in (".c", ".h"):
            code = re.sub(r"/\*.*?\*/", "", code)
            if in_comment:
                in_comment = "*/" not in code
                code = code.split("*/", 1)[1] if not in_comment else ""
            elif "/*" in code:
                in_comment = True
                code = code.split("/*", 1)[0]
        elif in_use or re.match(r"\s*(pub(\(\w+\))? )?use\b", code):
            in_use = ";" not in code
            continue
        yield number, code


def named_above(lines: list, number: int) -> list:
    """The litmus tests that the comment at or above a line names: its paragraph."""
    names = []
    for line in reversed(lines[max(0, number - 20):number + 1]):
        if not line.strip():
            break
        for m in NAMES.finditer(line):
            names += re.split(r", *", m.group(1))
    return names


def sources():
    for top in SOURCES:
        for path in sorted((paths.TOP / top).rglob("*")):
            where = str(path.relative_to(paths.TOP))
            if path.suffix in (".rs", ".c", ".h") and not where.startswith(SKIPPED):
                yield where, path


def check_sources(tests: dict, results: Results) -> None:
    named = set()
    for where, path in sources():
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            for m in NAMES.finditer(line):
                for name in re.split(r", *", m.group(1).rstrip(".")):
                    named.add(name)
                    if name not in tests:
                        results.add(f"{where}:{number + 1}", False, f"no litmus test {name}")
        pattern = ORDERING_RUST if path.suffix == ".rs" else ORDERING_C
        for number, code in code_lines(path):
            if m := pattern.search(code):
                results.add(f"{where}:{number + 1}: {m.group(0).strip('(, ')}",
                            bool(named_above(lines, number)),
                            "an ordering that names no litmus test (`litmus: NAME` above it)")
    for t in tests.values():
        if not t.riscv and "Variant of" not in t.header:
            results.add(f"{t.name}: named in the sources", t.name in named,
                        "no ordering in the sources names it")


def check_loom(results: Results) -> None:
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if not cargo:
        results.add("loom", False, "cargo is not installed (CARGO= says where it is)")
        return
    r = subprocess.run([cargo, "test", "--locked", "--manifest-path", LOOM / "Cargo.toml",
                        "--target-dir", paths.BUILD / "loom"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, check=False,
                       env=toolchain.environment() | {"RUST_BACKTRACE": "0"})
    lines = re.findall(r"^test (\S+) \.\.\. (ok|FAILED)$", r.stdout, re.MULTILINE)
    for name, verdict in lines:
        results.add(f"loom: {name}", verdict == "ok", r.stdout[-2000:])
    if not lines or (r.returncode and not results.failures()):
        results.add("loom", False, r.stdout[-1000:] + r.stderr[-2000:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="show what passed, too")
    parser.add_argument("--models", action="store_true",
                        help="only what needs no kernel built: not the compiled code")
    args = parser.parse_args()

    kernel = Path(os.environ["LKMM"]) if os.environ.get("LKMM") else source.get().tree
    if not (kernel / "tools/memory-model/linux-kernel.cfg").exists():
        raise progress.StepFailed(f"{kernel} has no tools/memory-model")
    command = herd.command()

    def run(path: Path) -> str:
        return herd.run(command, kernel, path)

    found = [Test(p) for p in sorted(TESTS.rglob("*.litmus"))]
    tests = {t.name: t for t in found}
    results = Results()
    if len(tests) != len(found):
        results.add("names", False, "two tests have the same name")
    step = progress.Step(f"{len(found)} litmus tests")
    check_headers(tests, results)
    with tempfile.TemporaryDirectory() as folder:
        for t in found:
            step.update(t.name)
            check_verdict(t, run, results)
            check_mutations(t, run, Path(folder), results)
    check_sources(tests, results)
    step.done(results.short())
    step = progress.Step("the rendezvous under loom")
    models = Results()
    check_loom(models)
    step.done(models.short())
    results.extend(models)
    if not args.models:
        compiled = disassembly.check_ours()
        print(f"the barriers in compiled code: {compiled.short()}", flush=True)
        results.extend(compiled)
    for r in results.all:
        if r.status == "fail":
            print(f"  FAILED {r.name}: {r.detail}")
        elif args.verbose:
            print(f"  ok {r.name}")
    return results.report()


if __name__ == "__main__":
    progress.main(main)
